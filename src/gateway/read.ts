// Reading objects for people behind a door: what is lost, late or out of reach is a miss, a body is exactly as long as
// was promised or throws, and nobody waits for ever for its first or next bytes. It holds no socket.

import type { ByteRange, Cache, Miss, ObjectInfo } from "../client/api.ts";
import { CacheError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import type { Gone } from "./gone.ts";
import { LATE, within } from "./waiting.ts";

/** A whole stream may take this long: a minimum rate ends slow ones much earlier. */
export const STREAM_MS_MAX = 3_600_000;
/** How long the first stripe may take to come before the object counts as unreachable. */
const FIRST_BYTE_MS_MAX = 30_000;
/** How long the next part of a body may take before the body counts as lost. */
const NEXT_PART_MS_MAX = 60_000;
/** How often a read begins anew because the object was replaced between its description and its bytes. */
const REPLACED_ATTEMPTS_MAX = 4;

/** What a read needs. */
export interface ReadContext {
  readonly cache: Cache;
  readonly clock: Clock;
  /** The one who asked. */
  readonly gone: Gone;
}

/** An object, or a part of it, whose first stripe is held. Each buffer of the body is borrowed until the next is asked for. */
export interface OpenRead {
  readonly kind: "hit";
  readonly object: ObjectInfo;
  readonly start: number;
  readonly end: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** What is known of the object; what cannot be reached in time is a miss. */
export async function describe(
  context: ReadContext,
  key: string,
): Promise<{ readonly kind: "hit"; readonly object: ObjectInfo } | Miss> {
  const { cache, gone } = context;
  return await cache
    .stat(key, { signal: gone.signal, deadlineMs: FIRST_BYTE_MS_MAX })
    .catch(missOrThrow);
}

/** Opens the object, or a range within it, for reading. The body must be read to its end or `dispose`d. */
export async function openRead(
  context: ReadContext,
  key: string,
  range?: ByteRange,
): Promise<OpenRead | Miss> {
  const { cache, clock, gone } = context;
  const abort = gone.lend();
  const options = {
    signal: abort.signal,
    deadlineMs: STREAM_MS_MAX,
    ...(range === undefined ? {} : { range }),
  };
  const opening = cache.getStream(key, options);
  const opened = await within(clock, FIRST_BYTE_MS_MAX, opening).catch((error: unknown) => {
    gone.release(abort);
    return missOrThrow(error);
  });
  if (opened === LATE) {
    gone.release(abort);
    abort.abort();
    opening.then(
      (late) => (late.kind === "hit" ? dispose(late.body) : undefined),
      () => undefined,
    );
    return { kind: "miss", reason: "unreachable" };
  }
  if (opened.kind === "miss") {
    gone.release(abort);
    return opened;
  }
  const { object, start, end } = opened;
  const finish = (isWhole: boolean) => {
    gone.release(abort);
    if (!isWhole) abort.abort();
  };
  const parts = watched(clock, opened.body, end - start, finish);
  // A generator that was never begun runs no `finally`: an unread body is ended by hand.
  let isBegun = false;
  const next = async () => {
    isBegun = true;
    return await parts.next();
  };
  const stop = async () => {
    if (!isBegun) finish(false);
    if (!isBegun) await opened.body[Symbol.asyncIterator]().return?.();
    return await parts.return();
  };
  const body = { [Symbol.asyncIterator]: () => ({ next, return: stop }) };
  return { kind: "hit", object, start, end, body };
}

/**
 * Opens the part of an object that `choose` names once the size is known; `null` from it: there is no such part.
 * The part and the size belong to one version.
 */
export async function openPart(
  context: ReadContext,
  key: string,
  choose: (bytes: number) => { readonly start: number; readonly end: number } | null,
): Promise<OpenRead | Miss | { readonly kind: "outside"; readonly object: ObjectInfo }> {
  for (let attempt = 0; attempt < REPLACED_ATTEMPTS_MAX; attempt += 1) {
    const described = await describe(context, key);
    if (described.kind === "miss") return described;
    const { object } = described;
    const range = choose(object.bytes);
    if (range === null) return { kind: "outside", object };
    if (range.start === range.end) return { kind: "hit", object, ...range, body: nothing() };
    const read = await openRead(context, key, range);
    if (read.kind === "miss" || read.object.bytes === object.bytes) return read;
    await dispose(read.body);
  }
  return { kind: "miss", reason: "unreachable" };
}

/** The whole body in a fresh buffer, or null when it was lost on the way. For small ones. */
export async function collect(read: OpenRead): Promise<Uint8Array | null> {
  const bytes = new Uint8Array(read.end - read.start);
  let at = 0;
  try {
    for await (const part of read.body) {
      bytes.set(part, at);
      at += part.length;
    }
  } catch (error) {
    if (error instanceof CacheError) return null;
    throw error;
  }
  return bytes;
}

/** Ends a body that will not be read. */
export async function dispose(body: AsyncIterable<Uint8Array>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}

/** The body, checked to have exactly `bytes` bytes, each part of it in time. */
async function* watched(
  clock: Clock,
  body: AsyncIterable<Uint8Array>,
  bytes: number,
  finish: (isWhole: boolean) => void,
): AsyncGenerator<Uint8Array, void> {
  const iterator = body[Symbol.asyncIterator]();
  let rest = bytes;
  let isWhole = false;
  try {
    for (;;) {
      const next = await within(clock, NEXT_PART_MS_MAX, iterator.next());
      if (next === LATE) throw new CacheError("ICACHE_DEADLINE", "the next part did not come");
      if (next.done === true) break;
      rest -= next.value.length;
      if (rest < 0) throw new CacheError("ICACHE_INTERNAL", "a body was longer than promised");
      yield next.value;
    }
    if (rest > 0) throw new CacheError("ICACHE_INTERNAL", "a body was shorter than promised");
    isWhole = true;
  } finally {
    finish(isWhole);
    if (!isWhole) {
      // Not awaited: an iterator whose next() hangs would hang its return(), too.
      iterator.return?.().then(undefined, () => undefined);
    }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array, void> {}

function missOrThrow(error: unknown): Miss {
  const isMiss =
    error instanceof CacheError &&
    (error.code === "ICACHE_DEADLINE" || error.code === "ICACHE_UNREACHABLE");
  if (!isMiss) throw error;
  return { kind: "miss", reason: "unreachable" };
}
