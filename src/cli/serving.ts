// What the commands that serve have in common: options from settings, memory within what the machine has, errors
// of starting said in words, and the way from a signal to an orderly end.

import { type CodeRule, parseCode } from "../core/code.ts";
import type { Clock, Timer } from "../core/ports.ts";
import type { PoolOptions } from "./composition.ts";
import type { CommandContext } from "./context.ts";
import { CommandError, type ExitName } from "./exit-codes.ts";
import { describeHolder, findPortHolder } from "./port-holder.ts";
import type { Settings } from "./settings.ts";
import { ownToken, readTokens } from "./tokens-file.ts";
import { formatBytes } from "./units.ts";

/** The least a function can have, here as on AWS. */
const NODE_MEMORY_MB_MIN = 128;
const MEGABYTE = 1_048_576;
/** Doors and proxy each wait up to 10 s for what is under way; beyond both, something hangs, and the process ends anyway. */
const CLOSE_MS_MAX = 25_000;
/** A proxy that has lost its pool answers for so long that it has. */
const SUPERSEDED_MS = 2_000;
/** A start takes seconds; after this, and again and again, the person waiting is told how far it is. */
const SLOW_START_MS = 10_000;
/** The paper's billing cycle. */
const CYCLE_MS = 100;

/** The options of a pool as the settings say. */
export function poolOptions(settings: Settings, memoryMb: number): PoolOptions {
  const codeRules = codeRulesOf(settings);
  return {
    host: settings.host,
    port: settings.port,
    pool: settings.pool,
    nodes: settings.nodes,
    memoryMb,
    ...(codeRules === null ? {} : { codeRules }),
    stateDir: settings.state === "none" ? null : settings.state,
    ...(settings.ring === "none" ? {} : { ringFile: settings.ring }),
    secretHex: settings.secret,
    ...policyOf(settings),
    ...(settings.spread === "auto" ? {} : { spread: settings.spread }),
    warmUpIntervalMs: settings.warmUpIntervalMs,
    backupIntervalMs: settings.backupIntervalMs,
    backupSelection: settings.backupSelection,
    repairBytesPerSecond: settings.repairMbPerSecond * 1_024 * 1_024,
    repairDollarsPerHour: settings.repairDollarsPerHour,
    hotBytes: settings.hotBytes,
    pricing: settings.pricing,
    ...(settings.advertise === "" ? {} : { advertise: settings.advertise }),
    ...originOf(settings),
    ...(settings.tokens === "none" ? {} : { access: readTokens(settings.tokens) }),
    peerToken: ownToken(settings),
  };
}

function originOf(settings: Settings): Pick<PoolOptions, "origin"> {
  const { origin: url, originMode: mode, originAbsentMs: absentMs } = settings;
  const { originEndpoint: endpoint } = settings;
  const journal = {
    folder: settings.originJournal,
    bytesMax: settings.originJournalMb * MEGABYTE,
  };
  return url === "none" ? {} : { origin: { url, endpoint, mode, absentMs, journal } };
}

/** Nothing: the proxy computes what is best at its prices. */
function policyOf(settings: Settings): Pick<PoolOptions, "policy"> {
  if (settings.billing === "cycle") return { policy: { kind: "cycle", cycleMs: CYCLE_MS } };
  const { lingerMs } = settings;
  return lingerMs === 0 ? {} : { policy: { kind: "linger", lingerMs } };
}

function codeRulesOf(settings: Settings): readonly CodeRule[] | null {
  const code = settings.code === "auto" ? null : parseCode(settings.code);
  // The configuration has refused what cannot be parsed.
  if (code === null || typeof code === "string") return null;
  return [{ bytesBelow: Number.POSITIVE_INFINITY, code }];
}

/** Each function's memory so that all fit; `note` says so when it is less than was asked for. */
export function fitMemory(
  settings: Pick<Settings, "nodes" | "memoryMb" | "memorySharePercent" | "backupIntervalMs">,
  freeBytes: number,
): { readonly memoryMb: number; readonly note: string | null } {
  const { nodes, memoryMb, memorySharePercent: percent, backupIntervalMs } = settings;
  const instances = backupIntervalMs === 0 ? 1 : 2; // A replica beside each primary.
  const freeMb = freeBytes / MEGABYTE;
  const mostMb = (freeMb * percent) / 100;
  const fittingMb = Math.floor(mostMb / nodes / instances);
  if (fittingMb >= memoryMb) return { memoryMb, note: null };
  const share = `${percent} % of the ${formatBytes(freeBytes)} that are free`;
  const each = instances === 1 ? "" : ", each with its replica,";
  if (fittingMb < NODE_MEMORY_MB_MIN) {
    const most = Math.floor(mostMb / NODE_MEMORY_MB_MIN / instances);
    // Rounded up: a little less may be free next time.
    const needed = 10 * Math.ceil((10 * NODE_MEMORY_MB_MIN * nodes * instances) / freeMb);
    throw new CommandError(
      "refused",
      `${nodes} functions of ${NODE_MEMORY_MB_MIN} MB${each} do not fit into ${share}; --nodes ${most} would\n` +
        `idle ones take little: where they will not be full, --memory-share ${needed} starts them all`,
    );
  }
  const note = `each function gets ${fittingMb} MB, not ${memoryMb}: all ${nodes} together${each} may take ${share} (--memory-share)`;
  return { memoryMb: fittingMb, note };
}

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

/** Waits for the signal to stop, or for the proxy to lose its pool, then closes in order. */
export async function serveUntilStopped(
  context: CommandContext,
  running: { readonly superseded?: Promise<string>; close(): Promise<void> },
): Promise<ExitName> {
  const { signal, terminal, clock } = context;
  const stopped = new Promise<null>((stop) => {
    if (signal.aborted) stop(null);
    signal.addEventListener("abort", () => stop(null), { once: true });
  });
  const reason = await Promise.race([stopped, running.superseded ?? stopped]);
  if (reason !== null) {
    terminal.note(`stopping: ${reason}`);
    terminal.note(
      "one proxy serves a pool: stop the other one, or give one of them another --pool",
    );
    // Who asks meanwhile is told why, and does not find a closed port without a word.
    await Promise.race([stopped, later(clock, SUPERSEDED_MS)]);
  } else terminal.note("stopping: finishing what is under way");
  const isClosed = await Promise.race([
    running.close().then(() => true),
    later(clock, CLOSE_MS_MAX),
  ]);
  if (isClosed === true) return reason === null ? "ok" : "superseded";
  terminal.note(`not everything ended within ${CLOSE_MS_MAX / 1_000} s; ending anyway`);
  return "internal";
}

/** Resolves after a while; the timer does not keep the process from ending. */
export function later(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(delayMs, resolve);
  });
}
