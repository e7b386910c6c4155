// `up`: a whole cache on this machine in one process, its functions in processes of their own. With --detach it
// starts itself again in the background and returns when that is ready.

import type { CommandContext, CommandOptions } from "../context.ts";
import { detach } from "../detach.ts";
import type { ExitName } from "../exit-codes.ts";
import { pasteLines } from "../paste-lines.ts";
import { leaveNote, runFolder } from "../run-files.ts";
import { fitMemory, poolOptions, serveUntilStopped, starting } from "../serving.ts";
import { formatMs } from "../units.ts";

/** Starts everything and serves until a signal. */
export async function run(
  context: CommandContext,
  _args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  if (options["detach"] === true) return detach(context);
  const { settings, terminal, clock, composition, environment } = context;
  const startedAt = clock.now();
  const { memoryMb, note } = fitMemory(settings, process.availableMemory());
  if (note !== null) terminal.note(note);
  const { seed, reclaim, freeze } = settings;
  const pool = await starting(context, () =>
    composition.startLocal({ ...poolOptions(settings, memoryMb), seed, reclaim, freeze }),
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
