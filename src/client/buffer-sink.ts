// Where `get` and `getInto` put stripes: one buffer that holds the whole result. Fresh memory is the caller's
// from the moment the read succeeds; memory handed in is written to until the read has ended.

import { CacheError } from "../core/errors.ts";
import type { FoundObject, GetSink } from "./get-operation.ts";

const NOTHING = new Uint8Array(0);

/** See the header. */
export class BufferSink implements GetSink {
  readonly canRestart = true;
  readonly #into: Uint8Array | null;
  readonly #allocate: (bytes: number) => Uint8Array;
  #result: Uint8Array = NOTHING;

  /** `into`: the caller's memory, or null for fresh memory. */
  constructor(into: Uint8Array | null, allocate: (bytes: number) => Uint8Array) {
    this.#into = into;
    this.#allocate = allocate;
  }

  /** The bytes read. */
  get result(): Uint8Array {
    return this.#result;
  }

  prepare(ready: () => void): void {
    ready();
  }

  open(found: FoundObject): unknown {
    const bytes = found.end - found.start;
    if (this.#into !== null) {
      if (this.#into.length < bytes) {
        return new CacheError(
          "ICACHE_TOO_LARGE",
          `the result has ${bytes} bytes, the buffer given ${this.#into.length}`,
        );
      }
      this.#result = this.#into.subarray(0, bytes);
      return null;
    }
    if (this.#result.length === bytes) return null;
    try {
      this.#result = this.#allocate(bytes);
      return null;
    } catch (error) {
      return new CacheError(
        "ICACHE_TOO_LARGE",
        `no buffer of ${bytes} bytes can be had; read it as a stream`,
        { cause: error },
      );
    }
  }

  target(_stripe: number, offset: number, bytes: number): Uint8Array {
    return this.#result.subarray(offset, offset + bytes);
  }

  complete(): void {}

  release(): void {}
}
