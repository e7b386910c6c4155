// `ls`: lists objects in the order of their keys, as they come: a list of any length takes no memory.
// It is no snapshot: what is stored or deleted meanwhile may or may not be in it.

import { callOptions, withCache } from "../client-calls.ts";
import type { CommandContext, CommandOptions } from "../context.ts";
import { CommandError, type ExitName } from "../exit-codes.ts";
import { formatBytes } from "../units.ts";

/** Lists what begins with `args[0]`, or everything. */
export async function run(
  context: CommandContext,
  args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const [prefix = ""] = args;
  const limit = Number(options["limit"]);
  if (!Number.isInteger(limit) || limit < 1) {
    throw new CommandError("usage", `--limit "${options["limit"]}": must be a number from 1`);
  }
  return withCache<ExitName>(context, async (cache) => {
    let count = 0;
    for await (const row of cache.list({ prefix, ...callOptions(context) })) {
      if (count === limit) {
        terminal.note(`there is more after ${limit}; see --limit`);
        break;
      }
      count++;
      if (terminal.isJson) terminal.out(JSON.stringify(row));
      else {
        const when = row.createdAt.toISOString().slice(0, 19).replace("T", " ");
        terminal.out(`${formatBytes(row.bytes).padStart(9)}  ${when}  ${row.key}`);
      }
    }
    return "ok";
  });
}
