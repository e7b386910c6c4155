// The digest of a chunk store: one 64-bit fingerprint per chunk identity, all of them XORed, so that the
// order of arrival does not matter and a drop undoes a put. Runtime and proxy keep it for the same node
// and compare; unequal means that an inventory is due. It says which chunks are there, never whether
// their bytes are right, and it is no security boundary: whoever knows the node's key can forge it anyhow.

/** 64 bits as two unsigned 32-bit numbers. */
export interface Fingerprint {
  readonly low: number;
  readonly high: number;
}

/**
 * The fingerprint of one chunk identity. `keyHash` has 16 bytes and is only read. Two unequal identities
 * share one with a probability of about 2^-64.
 */
export function chunkFingerprint(
  keyHash: Uint8Array,
  version: number,
  stripe: number,
  index: number,
): Fingerprint {
  let low = 0x9e3779b9;
  let high = 0x85ebca6b;
  const absorb = (word: number): void => {
    // Each line is a bijection of its own half for a given word, so no word is ever lost; the second
    // half also takes in the first, so that the halves differ by more than their starting values.
    low = (Math.imul(rotate(low ^ Math.imul(word, 0xcc9e2d51), 13), 5) + 0xe6546b64) | 0;
    high = (Math.imul(rotate(high ^ Math.imul(word ^ low, 0x1b873593), 17), 9) + 0x7ed55d16) | 0;
  };
  for (let i = 0; i < 16; i += 4) absorb(wordAt(keyHash, i));
  absorb(version >>> 0);
  absorb(Math.floor(version / 2 ** 32));
  absorb(stripe);
  absorb(index);
  const mixedHigh = finish(high ^ low);
  return { low: finish(low ^ mixedHigh), high: mixedHigh };
}

/** The digest of a set of chunks, kept up to date by adding and taking away one at a time. */
export class StoreDigest {
  #low = 0;
  #high = 0;

  /** Adds a chunk that was not in the set, or takes away one that was: the same operation. */
  toggle(fingerprint: Fingerprint): void {
    this.#low = (this.#low ^ fingerprint.low) >>> 0;
    this.#high = (this.#high ^ fingerprint.high) >>> 0;
  }

  /** The set is empty. */
  reset(): void {
    this.#low = 0;
    this.#high = 0;
  }

  /** Zero in both halves for the empty set. */
  value(): Fingerprint {
    return { low: this.#low, high: this.#high };
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  const byte = (i: number): number => bytes[at + i] ?? 0;
  return byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24);
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

/** The finaliser of MurmurHash3: every input bit flips each output bit with probability one half. */
function finish(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
