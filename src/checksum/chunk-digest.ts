/**
 * The checksum of a chunk: of its bytes together with its whole identity, so that right bytes in the wrong place are
 * wrong; and the hash of a key. Neither is a security boundary: whoever may write can forge both.
 * `columns.ts` says what is proven. It knows no frame and no store.
 */
import { type Digest, Fold } from "./columns.ts";
import { createHasher, type Hasher } from "./hasher.ts";

/** What makes a chunk this chunk and no other. */
export interface ChunkIdentity {
  /** 16 bytes, of `keyHash`. */
  readonly keyHash: Uint8Array;
  /** Unsigned, 32 bits. */
  readonly generation: number;
  /** A safe integer, not negative. */
  readonly version: number;
  /** Unsigned, 32 bits. */
  readonly stripe: number;
  /** Unsigned, 32 bits. */
  readonly index: number;
}

/** Bytes of a key hash. */
export const KEY_HASH_BYTES = 16;

let shared: Hasher | undefined;

/**
 * The digest of a chunk. Provably other for the same bytes in another version, or in another stripe or index of one:
 * each is one word of the seed's fold.
 */
export function chunkDigest(identity: ChunkIdentity, bytes: Uint8Array): Digest {
  const seed = seedOf(identity);
  return hashBytes(seed.low, seed.high, bytes);
}

/** The seed of a chunk's digest: for whoever hashes the chunk in parts. Throws RangeError on an identity out of range. */
export function seedOf(identity: ChunkIdentity): Digest {
  const { keyHash, generation, version, stripe, index } = identity;
  if (keyHash.length !== KEY_HASH_BYTES) {
    throw new RangeError(`keyHash must have ${KEY_HASH_BYTES} bytes, not ${keyHash.length}`);
  }
  checkU32("generation", generation);
  checkU32("stripe", stripe);
  checkU32("index", index);
  if (!Number.isSafeInteger(version) || version < 0) {
    throw new RangeError(`version must be a safe integer from 0, not ${version}`);
  }
  const fold = new Fold(0x243f6a88, 0x85a308d3); // Digits of pi: any constant does.
  fold.add(wordAt(keyHash, 0), wordAt(keyHash, 4));
  fold.add(wordAt(keyHash, 8), wordAt(keyHash, 12));
  fold.add(generation, 0);
  fold.addCount(version);
  fold.add(stripe, index);
  return fold.digest();
}

/** The digest of bytes under a seed. */
export function hashBytes(seedLow: number, seedHigh: number, bytes: Uint8Array): Digest {
  shared ??= createHasher();
  shared.reset(seedLow, seedHigh);
  shared.update(bytes);
  return shared.digest();
}

/**
 * The 16-byte hash that stands for a key in identities: two chains of 64 bits from different seeds.
 * Every word goes through the full mix, unlike in a digest: keys are short, and a collision here would confuse objects.
 */
export function keyHash(key: Uint8Array): Uint8Array<ArrayBuffer> {
  const first = new Fold(0x13198a2e, 0x03707344);
  const second = new Fold(0xa4093822 | 0, 0x299f31d0);
  for (let at = 0; at < key.length; at += 8) {
    const low = wordAt(key, at);
    const high = wordAt(key, at + 4);
    first.add(low, high);
    // The halves swapped and complemented: the chains differ in more than where they start.
    second.add(~high, ~low);
  }
  first.addCount(key.length);
  second.addCount(key.length);
  const hash = new Uint8Array(KEY_HASH_BYTES);
  putDigest(hash, 0, first.digest());
  putDigest(hash, 8, second.digest());
  return hash;
}

function checkU32(name: string, value: number): void {
  if (value >>> 0 !== value) throw new RangeError(`${name} must be a u32, not ${value}`);
}

function putDigest(target: Uint8Array, at: number, { low, high }: Digest): void {
  for (let byte = 0; byte < 4; byte++) {
    target[at + byte] = low >>> (8 * byte);
    target[at + 4 + byte] = high >>> (8 * byte);
  }
}

/** The little-endian 32-bit word at an offset; bytes past the end count as zero. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}
