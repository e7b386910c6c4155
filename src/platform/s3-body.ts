// The body of an object at S3 while it is read: as long as was announced or an error, let go at its end or when it is
// left, and never waited for without bound. The SDK checks the checksum on the way.

import type { Readable } from "node:stream";
import { originError } from "../origin/bodies.ts";
import { s3Error } from "./s3-errors.ts";

/** Options of a body. */
export interface S3BodyOptions {
  /** Null: not announced. */
  readonly bytes: number | null;
  /** How long the next bytes may take, while they are waited for. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/** See the header. */
export class S3Body implements AsyncIterable<Uint8Array> {
  readonly #stream: Readable;
  readonly #options: S3BodyOptions;
  #seen = 0;

  constructor(stream: Readable, options: S3BodyOptions) {
    this.#stream = stream;
    this.#options = options;
    // A connection may be lost while nobody reads; the next to read is told.
    stream.on("error", () => undefined);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    const parts: AsyncIterator<Uint8Array, undefined> = this.#stream[Symbol.asyncIterator]();
    return {
      next: async () => await this.#next(parts),
      return: async () => {
        this.#stream.destroy();
        await parts.return?.();
        return { done: true, value: undefined };
      },
    };
  }

  async #next(
    parts: AsyncIterator<Uint8Array, undefined>,
  ): Promise<IteratorResult<Uint8Array, undefined>> {
    const { bytes, idleMs, signal } = this.#options;
    const stop = (): void => void this.#stream.destroy(signal.reason as Error);
    const late = originError(`a body stood still at S3 for ${idleMs} ms`);
    const timer = setTimeout(() => this.#stream.destroy(late), idleMs);
    signal.addEventListener("abort", stop);
    try {
      signal.throwIfAborted();
      const next = await parts.next();
      this.#seen += next.done === true ? 0 : next.value.length;
      const isWrong = next.done === true ? this.#seen !== bytes : this.#seen > (bytes ?? Infinity);
      if (bytes !== null && isWrong)
        throw originError(`a body at S3 had ${this.#seen} bytes and not ${bytes}`);
      return next;
    } catch (error) {
      this.#stream.destroy();
      throw signal.aborted ? signal.reason : s3Error(error, "reading a body");
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }
}
