/** Chunk digests depend on every part of the identity; key hashes on every part of the key; wrong inputs are refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ChunkIdentity,
  chunkDigest,
  KEY_HASH_BYTES,
  keyHash,
  seedOf,
} from "../../../src/checksum/chunk-digest.ts";
import { createHasher } from "../../../src/checksum/hasher.ts";

const encoder = new TextEncoder();
const bytes = encoder.encode("the same bytes everywhere");
const identity: ChunkIdentity = {
  keyHash: keyHash(encoder.encode("a key")),
  generation: 7,
  version: 2 ** 40 + 3,
  stripe: 1,
  index: 2,
};

test("chunkDigest: another digest for the same bytes in every other place", () => {
  const others: ChunkIdentity[] = [identity];
  for (let bit = 0; bit < 32; bit += 1) {
    const mask = (1 << bit) >>> 0;
    others.push({ ...identity, generation: (identity.generation ^ mask) >>> 0 });
    others.push({ ...identity, stripe: (identity.stripe ^ mask) >>> 0 });
    others.push({ ...identity, index: (identity.index ^ mask) >>> 0 });
  }
  for (let bit = 0; bit < 52; bit += 1) others.push({ ...identity, version: 2 ** bit });
  for (let bit = 0; bit < 128; bit += 1) {
    const otherHash = identity.keyHash.slice();
    otherHash[bit >> 3] = (otherHash[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    others.push({ ...identity, keyHash: otherHash });
  }
  const digests = new Set(others.map((other) => JSON.stringify(chunkDigest(other, bytes))));
  assert.equal(digests.size, others.length);
});

test("chunkDigest: is the hash of the bytes seeded by seedOf, in parts too", () => {
  const seed = seedOf(identity);
  const hasher = createHasher();
  hasher.reset(seed.low, seed.high);
  hasher.update(bytes.subarray(0, 5));
  hasher.update(bytes.subarray(5));
  assert.deepEqual(hasher.digest(), chunkDigest(identity, bytes));
});

test("seedOf: an identity out of range is refused, and the limits are accepted", () => {
  const wrong: readonly Partial<ChunkIdentity>[] = [
    { keyHash: new Uint8Array(15) },
    { keyHash: new Uint8Array(17) },
    { generation: -1 },
    { generation: 2 ** 32 },
    { generation: 0.5 },
    { version: -1 },
    { version: 2 ** 53 },
    { version: Number.NaN },
    { stripe: 2 ** 32 },
    { index: 1.5 },
  ];
  for (const part of wrong) {
    assert.throws(() => seedOf({ ...identity, ...part }), RangeError, JSON.stringify(part));
  }
  const most = 2 ** 32 - 1;
  seedOf({ ...identity, generation: most, version: 2 ** 53 - 1, stripe: most, index: most });
});

test("keyHash: 16 bytes, other for every key of a hundred thousand alike ones", () => {
  const seen = new Set<string>();
  for (let count = 0; count < 100_000; count += 1) {
    seen.add(Buffer.from(keyHash(encoder.encode(`user/${count}/avatar`))).toString("latin1"));
  }
  assert.equal(seen.size, 100_000);
  assert.equal(keyHash(new Uint8Array(0)).length, KEY_HASH_BYTES);
});

test("keyHash: zeros and lengths count, each half of the hash changes, and the hash never changes", () => {
  const hashes = Array.from({ length: 40 }, (_, byteCount) => keyHash(new Uint8Array(byteCount)));
  for (const half of [0, 8]) {
    const halves = hashes.map((hash) => Buffer.from(hash.subarray(half, half + 8)).toString("hex"));
    assert.equal(new Set(halves).size, 40);
  }
  assert.equal(
    Buffer.from(keyHash(encoder.encode("foo"))).toString("hex"),
    "5ca4cdd8f59fcf16ca7a71ef5f909f96",
  );
});
