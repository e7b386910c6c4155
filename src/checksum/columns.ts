/**
 * The definition of the chunk checksum: 16 columns of 64 bits that absorb 128-byte blocks, and the fold that ends it.
 * Pure arithmetic; it holds no state of its own and never reads a clock or a random source. Not a security boundary.
 *
 * Word c of a block (8 bytes, little-endian, as two u32 halves) enters column c:
 * `s = rotl64((s ^ word) * A, 15) * B`, the products in each 32-bit half by itself. A and B are odd, so a step is a
 * bijection of s for every word, and of the word for every s. The last block is padded with zeros. The digest starts as
 * the seed; the 16 columns and then the length are each xored in and mixed by a bijection of 64 bits. Hence, provably:
 *   - bytes that differ inside one aligned 8-byte word only (any single-bit flip, for one) have different digests: that
 *     column differs from there on, all others agree, and every later step is a bijection;
 *   - the same bytes under two seeds have different digests;
 *   - bytes and the same bytes with zeros after them, up to the end of the block, have different digests.
 * Anything else collides with a chance of about 2^-64. More cannot be proven of 64 bits: a changed 16-byte block has
 * 2^128 values. Addition after a product, as in xxHash, was rejected: the xor keeps both proofs at one instruction.
 */

/** A 64-bit digest as two unsigned 32-bit halves. */
export interface Digest {
  readonly low: number;
  readonly high: number;
}

/** Bytes of one block: one 8-byte word for each column. */
export const BLOCK_BYTES = 128;

/** Halves of all columns, low half first: the length of a state array. */
export const STATE_WORDS = BLOCK_BYTES / 4;

/** Absorbs whole blocks, `bytes[from, to)`, into `state`. Both are borrowed until the call returns. */
export type Absorb = (state: Int32Array, bytes: Uint8Array, from: number, to: number) => void;

const A = 0x9e3779b1 | 0;
const B = 0x85ebca77 | 0;

/** Sets the columns to where every digest starts: distinct, so that swapped words of a block are seen. */
export function resetColumns(state: Int32Array): void {
  for (let index = 0; index < STATE_WORDS; index += 1) {
    state[index] = Math.imul(index + 1, 0x61c88647) ^ (index << 24);
  }
}

/** The portable twin of the WebAssembly kernel. */
export const absorbPortable: Absorb = (state, bytes, from, to) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let block = from; block < to; block += BLOCK_BYTES) {
    for (let index = 0; index < STATE_WORDS; index += 2) {
      const at = block + index * 4;
      const low = Math.imul((state[index] as number) ^ view.getInt32(at, true), A);
      const high = Math.imul((state[index + 1] as number) ^ view.getInt32(at + 4, true), A);
      state[index] = Math.imul((low << 15) | (high >>> 17), B);
      state[index + 1] = Math.imul((high << 15) | (low >>> 17), B);
    }
  }
};

/** A 64-bit value that words are folded into. Every fold is a bijection of the value, and of the word. */
export class Fold {
  #low: number;
  #high: number;

  constructor(seedLow: number, seedHigh: number) {
    this.#low = seedLow | 0;
    this.#high = seedHigh | 0;
  }

  /** Xors a word in and mixes: a Feistel network, so a bijection whatever its round function is. */
  add(wordLow: number, wordHigh: number): void {
    let low = this.#low ^ wordLow;
    let high = this.#high ^ wordHigh;
    high ^= scramble(low, 0x2c1b3c6d);
    low ^= scramble(high, 0x297a2d39);
    high ^= scramble(low, 0x7feb352d);
    low ^= scramble(high, 0x846ca68b);
    this.#low = low;
    this.#high = high;
  }

  /** Adds a count as a word; up to 2^53 no two counts are the same word. */
  addCount(count: number): void {
    this.add(count | 0, Math.floor(count / 2 ** 32) | 0);
  }

  digest(): Digest {
    return { low: this.#low >>> 0, high: this.#high >>> 0 };
  }
}

/** The digest of a state after its last block. */
export function foldColumns(
  state: Int32Array,
  seedLow: number,
  seedHigh: number,
  byteCount: number,
): Digest {
  const fold = new Fold(seedLow, seedHigh);
  for (let index = 0; index < STATE_WORDS; index += 2) {
    fold.add(state[index] as number, state[index + 1] as number);
  }
  fold.addCount(byteCount);
  return fold.digest();
}

/** Spreads every bit of x over 32 bits. The added constant keeps zero from being a fixed point. */
function scramble(x: number, multiplier: number): number {
  const product = Math.imul((x ^ (x >>> 16)) + 0x68e31da4, multiplier);
  return product ^ (product >>> 15);
}
