// A start that somebody waits for: how far it is where it takes long, what is in its way said in words, and a signal that
// ends the wait.

import type { Timer } from "../core/ports.ts";
import type { CommandContext } from "./context.ts";
import { CommandError } from "./exit-codes.ts";
import { describeHolder, findPortHolder } from "./port-holder.ts";
import type { Settings } from "./settings.ts";

/** A start takes seconds; after this, and again and again, the person waiting is told how far it is. */
const SLOW_START_MS = 10_000;

/** What a long start says of itself; `greeted` and `before`, at the last note, are null while nobody waits for functions. */
export function slowStartNote(
  { pool, nodes }: Pick<Settings, "pool" | "nodes">,
  greeted: number | null,
  before: number | null,
): string {
  if (greeted === null) return `still starting ${pool}`;
  const reach =
    greeted === (before ?? 0)
      ? "; they must be able to reach this proxy (see --host and --advertise)"
      : "";
  return `still starting: ${greeted} of ${nodes} functions of ${pool} have said hello${reach}`;
}

/**
 * Runs `start`; a taken port becomes an error that names its holder, and a signal ends the wait. `start` hands on the
 * callback it is given as `onGreeting`, so that a long wait says how far it is; `isTelling` false: others say so.
 */
export async function starting<Running>(
  {
    signal,
    clock,
    terminal,
    settings,
  }: Pick<CommandContext, "signal" | "clock" | "terminal" | "settings">,
  start: (onGreeting: (greeted: () => number) => void) => Promise<Running>,
  isTelling = true,
): Promise<Running> {
  let greeted: (() => number) | null = null;
  let before: number | null = null;
  const tellLater = (): Timer =>
    clock.setTimer(SLOW_START_MS, () => {
      const now = greeted?.() ?? null;
      if (isTelling) terminal.note(slowStartNote(settings, now, before));
      before = now;
      slow = tellLater();
    });
  let slow = tellLater();
  let stop = (): void => {};
  // What has been started by then ends with the process.
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new CommandError("interrupted", "stopped before it was ready"));
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    const begun = start((each) => {
      greeted = each;
    });
    return await Promise.race([begun, stopped]);
  } catch (error) {
    const port = busyPort(error);
    if (port === null) throw error;
    const holder = findPortHolder(port);
    const by = holder === null ? "another process" : describeHolder(holder);
    throw new CommandError(
      "refused",
      `port ${port} is taken by ${by}\nchoose others with --port P (P to P+4 are used; 0: any free ones)`,
      { cause: error },
    );
  } finally {
    slow.cancel();
    signal.removeEventListener("abort", stop);
  }
}

/** The port of an EADDRINUSE anywhere in the chain of causes. */
function busyPort(error: unknown): number | null {
  for (let each = error; each instanceof Error; each = each.cause) {
    if ("code" in each && each.code === "EADDRINUSE" && "port" in each) return Number(each.port);
  }
  return null;
}
