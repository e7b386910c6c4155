// `up`: a whole cache on this machine in one process, its functions in processes of their own. With --detach it
// starts itself again in the background and returns when that is ready.

import { assert } from "../../core/assert.ts";
import type { RunningPool } from "../composition.ts";
import type { CommandContext, CommandOptions } from "../context.ts";
import { detach } from "../detach.ts";
import type { ExitName } from "../exit-codes.ts";
import { fitMemory } from "../fit-memory.ts";
import { pasteLines } from "../paste-lines.ts";
import { leaveNote, runFolder } from "../run-files.ts";
import { poolOptions, serveUntilStopped } from "../serving.ts";
import { starting } from "../starting.ts";
import { formatMs } from "../units.ts";

/** The Lambda service takes the fifth port. */
const LAMBDA_PORT_OFFSET = 4;

type Started = Pick<RunningPool, "addresses" | "doubt" | "close"> &
  Partial<Pick<RunningPool, "superseded">>;

/** Starts everything and serves until a signal. */
export async function run(
  context: CommandContext,
  _args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  if (options["detach"] === true) return detach(context);
  const { settings, terminal, clock, environment } = context;
  const startedAt = clock.now();
  const { memoryMb, note } = fitMemory(settings, process.availableMemory());
  if (note !== null) terminal.note(note);
  const hasWorkers = settings.workers > 1;
  const pool = await starting(
    context,
    (onGreeting) =>
      hasWorkers ? withWorkers(context, memoryMb) : alone(context, memoryMb, onGreeting),
    !hasWorkers, // Each worker says how far it is.
  );
  const forget = leaveNote(runFolder(environment), {
    command: "up",
    pool: settings.pool,
    addresses: pool.addresses,
  });
  if (pool.doubt !== null) terminal.note(`the earlier state was not used: ${pool.doubt}`);
  try {
    if (terminal.isJson) terminal.out(JSON.stringify({ ready: true, ...pool.addresses }));
    else {
      const after = formatMs(clock.now() - startedAt);
      terminal.out(
        `InfiniCache is up: ${settings.nodes} functions of ${memoryMb} MB, ready after ${after}.\n`,
      );
      for (const line of pasteLines(pool.addresses, "photo", "photo.jpg"))
        terminal.out(`  ${line}`);
      terminal.out(`\nLambda service: ${pool.addresses.lambda}. Ctrl-C stops everything.`);
    }
    return await serveUntilStopped(context, pool);
  } finally {
    forget();
  }
}

function alone(
  { settings, composition }: CommandContext,
  memoryMb: number,
  onGreeting: (greeted: () => number) => void,
): Promise<Started> {
  const { seed, reclaim, freeze } = settings;
  const options = { ...poolOptions(settings, memoryMb), onGreeting };
  return composition.startLocal({ ...options, seed, reclaim, freeze });
}

/** The Lambda service in this process, and the proxies in others; the first one's addresses stand for all. */
async function withWorkers(context: CommandContext, memoryMb: number): Promise<Started> {
  const { settings, composition } = context;
  const { host, port, seed, reclaim, freeze } = settings;
  const lambda = { host, port: port + LAMBDA_PORT_OFFSET, seed, reclaim, freeze };
  const service = await composition.startLambda(lambda);
  try {
    const { startWorkers } = await import("../workers.ts");
    const workers = await startWorkers(context, service.url, memoryMb);
    const [addresses] = workers.addresses;
    assert(addresses !== undefined, "there is at least one worker");
    const close = async (): Promise<void> => {
      await workers.close();
      await service.close();
    };
    return { addresses, doubt: null, close };
  } catch (error) {
    await service.close();
    throw error;
  }
}
