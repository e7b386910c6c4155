// `del`: deletes objects by key or by prefix. That nothing was there is an answer, not an error: exit 1.

import { callOptions, withCache } from "../client-calls.ts";
import type { CommandContext, CommandOptions } from "../context.ts";
import { CommandError, type ExitName } from "../exit-codes.ts";

/** Deletes every key of `args`, or with --prefix everything that begins with one of them. */
export async function run(
  context: CommandContext,
  args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const isPrefix = options["prefix"] === true;
  if (isPrefix && options["all"] !== true && args.includes("")) {
    // Mostly a variable of a script that was never set.
    throw new CommandError(
      "usage",
      "an empty prefix is that of every object; add --all to delete all",
    );
  }
  return withCache(context, async (cache) => {
    let total = 0;
    for (const key of args) {
      const call = callOptions(context);
      const deleted = isPrefix
        ? await cache.clear(key, call)
        : Number(await cache.delete(key, call));
      total += deleted;
      if (terminal.isJson)
        terminal.out(JSON.stringify({ [isPrefix ? "prefix" : "key"]: key, deleted }));
      else if (isPrefix) terminal.note(`deleted ${deleted} whose key begins with "${key}"`);
      else terminal.note(deleted > 0 ? `deleted ${key}` : `infinicache: ${key}: was not there`);
    }
    return total > 0 ? "ok" : "absent";
  });
}
