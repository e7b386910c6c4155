// What the client commands share: connecting with an error that says what to do, deadlines by size, and how a
// miss is told. It never reads or writes files.

import type { Cache, Miss } from "../client/api.ts";
import { CacheError } from "../core/errors.ts";
import type { CommandContext } from "./context.ts";
import { CommandError, type ExitName } from "./exit-codes.ts";
import { ownToken } from "./tokens-file.ts";

/** A byte rate that is slow for any cache: the deadline of a transfer grows by its size at this rate. */
const SLOW_BYTES_PER_MS = 4_000;
const DEADLINE_MS_MIN = 60_000;

/** Connects, hands the cache to `act`, and closes it whatever happens. */
export async function withCache<Result>(
  context: CommandContext,
  act: (cache: Cache) => Promise<Result>,
): Promise<Result> {
  const { url } = context.settings;
  const token = ownToken(context.settings);
  try {
    const cache = await context.composition.connect(url, token);
    try {
      return await act(cache);
    } finally {
      await cache.close();
    }
  } catch (error) {
    if (!(error instanceof CacheError) || error.code !== "ICACHE_UNREACHABLE") throw error;
    throw new CommandError(
      "unreachable",
      `no proxy answers at ${url} (${error.message})\nstart one with \`infinicache up\`, or name its address with --url or INFINICACHE_URL`,
      { cause: error },
    );
  }
}

/** Options of a call: the signal, and the deadline as set, or by the size of what travels in one piece. */
export function callOptions(
  context: CommandContext,
  bytes = 0,
): { readonly signal: AbortSignal; readonly deadlineMs: number } {
  const { deadlineMs } = context.settings;
  const bySize = DEADLINE_MS_MIN + Math.ceil(bytes / SLOW_BYTES_PER_MS);
  return { signal: context.signal, deadlineMs: deadlineMs === 0 ? bySize : deadlineMs };
}

const MISS_TEXTS: Readonly<Record<Miss["reason"], string>> = {
  absent: "there is no such object",
  expired: "it has expired",
  lost: "too many of its chunks were lost with their functions; store it again",
  unreachable: "too few functions answered in time; it may still be there, so try again",
};

/** Tells of a miss; the command then ends as `absent`. */
export function tellMiss(context: CommandContext, key: string, miss: Miss): ExitName {
  const { terminal } = context;
  if (terminal.isJson) terminal.out(JSON.stringify({ hit: false, key, reason: miss.reason }));
  terminal.note(`infinicache: ${key}: not in the cache: ${MISS_TEXTS[miss.reason]}`);
  return "absent";
}
