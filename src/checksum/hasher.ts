/**
 * The streaming hasher: any split of the same bytes gives the same digest, in WebAssembly or portable alike.
 * It keeps at most one unfinished block, never a reference to the caller's bytes.
 */
import {
  type Absorb,
  absorbPortable,
  BLOCK_BYTES,
  type Digest,
  foldColumns,
  resetColumns,
  STATE_WORDS,
} from "./columns.ts";
import { kernelAbsorb } from "./kernel.ts";

/**
 * A digest in the making. Many may be alive and interleaved; each costs about 400 bytes and can be used again.
 *
 * ```ts
 * const hasher = createHasher();
 * hasher.reset(seed.low, seed.high);
 * for (const part of parts) hasher.update(part);
 * const digest = hasher.digest();
 * ```
 */
export interface Hasher {
  /** Starts anew with this seed; a fresh hasher has the seed 0, 0. */
  reset(seedLow: number, seedHigh: number): void;
  /** Takes the next bytes, borrowed until the call returns. */
  update(bytes: Uint8Array): void;
  /** The digest of all bytes since the reset. Changes nothing: more bytes may follow. */
  digest(): Digest;
}

/** A hasher on the WebAssembly kernel, or the portable one where the engine has none. */
export function createHasher(): Hasher {
  return new BlockHasher(kernelAbsorb() ?? absorbPortable);
}

/** A hasher in plain TypeScript: the same digests, several times slower. */
export function createPortableHasher(): Hasher {
  return new BlockHasher(absorbPortable);
}

/** For the last block of a digest that is not the end of its hasher. */
const LAST_STATE = new Int32Array(STATE_WORDS);

class BlockHasher implements Hasher {
  readonly #absorb: Absorb;
  readonly #state = new Int32Array(STATE_WORDS);
  readonly #pending = new Uint8Array(BLOCK_BYTES);
  #pendingBytes = 0;
  #totalBytes = 0;
  #seedLow = 0;
  #seedHigh = 0;

  constructor(absorb: Absorb) {
    this.#absorb = absorb;
    resetColumns(this.#state);
  }

  reset(seedLow: number, seedHigh: number): void {
    resetColumns(this.#state);
    this.#pendingBytes = 0;
    this.#totalBytes = 0;
    this.#seedLow = seedLow;
    this.#seedHigh = seedHigh;
  }

  update(bytes: Uint8Array): void {
    this.#totalBytes += bytes.length;
    let at = 0;
    if (this.#pendingBytes > 0) {
      at = Math.min(BLOCK_BYTES - this.#pendingBytes, bytes.length);
      this.#pending.set(bytes.subarray(0, at), this.#pendingBytes);
      this.#pendingBytes += at;
      if (this.#pendingBytes < BLOCK_BYTES) return;
      this.#absorb(this.#state, this.#pending, 0, BLOCK_BYTES);
      this.#pendingBytes = 0;
    }
    const end = bytes.length - ((bytes.length - at) % BLOCK_BYTES);
    if (at < end) this.#absorb(this.#state, bytes, at, end);
    if (end < bytes.length) {
      this.#pending.set(bytes.subarray(end));
      this.#pendingBytes = bytes.length - end;
    }
  }

  digest(): Digest {
    let state = this.#state;
    if (this.#pendingBytes > 0) {
      // On a copy, so that the digest of a prefix can be taken on the way.
      state = LAST_STATE;
      state.set(this.#state);
      this.#pending.fill(0, this.#pendingBytes);
      this.#absorb(state, this.#pending, 0, BLOCK_BYTES);
    }
    return foldColumns(state, this.#seedLow, this.#seedHigh, this.#totalBytes);
  }
}
