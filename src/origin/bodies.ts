// Bodies on their way from an origin: checked to be as long as was said, cut to a range, handed out as copies. It holds
// no body longer than it is read.

import type { ByteRange } from "../client/api.ts";
import { CacheError } from "../core/errors.ts";

/** Bytes of a buffer in one part of a stream. */
const PART_BYTES = 1_024 * 1_024;

/** A body of one buffer, as an origin gets it. The parts are views. */
export async function* partsOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += PART_BYTES) yield bytes.subarray(at, at + PART_BYTES);
}

/** Bytes [start, end) of a range within so many bytes. */
export function clip(range: ByteRange | undefined, bytes: number): { start: number; end: number } {
  const start = Math.min(range?.start ?? 0, bytes);
  return { start, end: Math.max(start, Math.min(range?.end ?? bytes, bytes)) };
}

/** The error for an origin that failed. */
export function originError(message: string, cause?: unknown): CacheError {
  return new CacheError("ICACHE_ORIGIN", message, cause === undefined ? undefined : { cause });
}

/** A body that remembers what went wrong in it, so that it can be told from what went wrong with its reader. */
export class WatchedBody implements AsyncIterable<Uint8Array> {
  readonly #body: AsyncIterable<Uint8Array>;
  readonly #bytes: number | null;
  #fault: { readonly error: unknown } | null = null;
  #isBegun = false;

  /** `bytes`: how many there must be. */
  constructor(body: AsyncIterable<Uint8Array>, bytes: number | null) {
    this.#body = body;
    this.#bytes = bytes;
  }

  /** What the body threw, or what is wrong with its length. */
  get fault(): { readonly error: unknown } | null {
    return this.#fault;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    this.#isBegun = true;
    let seen = 0;
    try {
      for await (const part of this.#body) {
        seen += part.length;
        if (this.#bytes !== null && seen > this.#bytes) throw this.#wrongLength("longer");
        yield part;
      }
      if (this.#bytes !== null && seen < this.#bytes) throw this.#wrongLength("shorter");
    } catch (error) {
      this.#fault ??= { error };
      throw error;
    }
  }

  /** Leaves a body that nobody began to read. */
  async leave(): Promise<void> {
    if (!this.#isBegun) await this.#body[Symbol.asyncIterator]().return?.();
    this.#isBegun = true;
  }

  #wrongLength(how: string): CacheError {
    return originError(`the origin's body is ${how} than the ${this.#bytes} bytes it announced`);
  }
}

/** The bytes [start, end) of a body; `left` is called once when it has ended or was left, begun or not. */
export function cut(
  body: WatchedBody,
  { start, end }: { readonly start: number; readonly end: number },
  left: () => void,
): AsyncIterable<Uint8Array> {
  const parts = cutParts(body, start, end);
  let isBegun = false;
  let isLeft = false;
  const leave = (): void => {
    if (!isLeft) left();
    isLeft = true;
  };
  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    isBegun = true;
    try {
      const result = await parts.next();
      if (result.done === true) leave();
      return result.done === true ? { done: true, value: undefined } : result;
    } catch (error) {
      leave();
      throw error;
    }
  };
  const stop = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    try {
      if (!isBegun) await body.leave();
      await parts.return(undefined);
    } finally {
      leave();
    }
    return { done: true, value: undefined };
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: stop }) };
}

async function* cutParts(
  body: AsyncIterable<Uint8Array>,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array, undefined, undefined> {
  let at = 0;
  for await (const part of body) {
    const from = Math.max(0, start - at);
    const to = Math.min(part.length, end - at);
    at += part.length;
    if (from < to) yield part.subarray(from, to);
    // To the end of a whole body one more step is made: only that proves its length.
    if (at >= end && to < part.length) return;
  }
}

/** Copies of a buffer's part, piece by piece: what is shared by many readers is never handed out itself. */
export async function* copies(
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = start; at < end; at += PART_BYTES)
    yield bytes.slice(at, Math.min(at + PART_BYTES, end));
}
