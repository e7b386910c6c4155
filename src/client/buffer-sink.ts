// Where `get` and `getInto` put stripes: one buffer that holds the whole result. Fresh memory is the caller's
// from the moment the read succeeds; memory handed in is written to until the read has ended. What may be kept in this
// process is read into memory that the caller never sees.

import { CacheError } from "../core/errors.ts";
import type { FoundObject, GetSink } from "./get-contract.ts";

const NOTHING = new Uint8Array(0);
const never = (): boolean => false;

/** See the header. */
export class BufferSink implements GetSink {
  readonly canRestart = true;
  readonly #into: Uint8Array | null;
  readonly #allocate: (bytes: number) => Uint8Array;
  readonly #mayKeep: (found: FoundObject) => boolean;
  #result: Uint8Array = NOTHING;
  #isApart = false;

  /** `into`: the caller's memory, or null for fresh memory. `mayKeep`: then `into` is not written to. */
  constructor(
    into: Uint8Array | null,
    allocate: (bytes: number) => Uint8Array,
    mayKeep: (found: FoundObject) => boolean = never,
  ) {
    this.#into = into;
    this.#allocate = allocate;
    this.#mayKeep = mayKeep;
  }

  /** The result lies in memory of its own, though the caller has given some. */
  get isApart(): boolean {
    return this.#isApart;
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
        return tooSmall(bytes, this.#into.length);
      }
    }
    const mayKeep = this.#mayKeep(found);
    this.#isApart = this.#into !== null && mayKeep;
    if (this.#into !== null && !this.#isApart) {
      this.#result = this.#into.subarray(0, bytes);
      return null;
    }
    if (this.#result.length === bytes) return null;
    try {
      // What is kept is alone in its memory: a slice of a pool would keep the pool, and count for less than it takes.
      this.#result = mayKeep ? new Uint8Array(bytes) : this.#allocate(bytes);
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

/** The error of a buffer that the result does not fit into. */
export function tooSmall(bytes: number, givenBytes: number): CacheError {
  const text = `the result has ${bytes} bytes, the buffer given ${givenBytes}`;
  return new CacheError("ICACHE_TOO_LARGE", text);
}
