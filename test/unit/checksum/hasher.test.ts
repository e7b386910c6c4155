/**
 * The hasher: fixed vectors, what `columns.ts` proves seen at work, and a rough look at how well it scatters.
 * Deterministic; splits and random bytes are the property test's.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hashBytes } from "../../../src/checksum/chunk-digest.ts";
import type { Digest } from "../../../src/checksum/columns.ts";
import { createHasher, createPortableHasher } from "../../../src/checksum/hasher.ts";
import { kernelAbsorb } from "../../../src/checksum/kernel.ts";

function bytesOf(byteCount: number): Uint8Array {
  return Uint8Array.from({ length: byteCount }, (_, at) => (at * at * 31 + at * 7 + 3) >>> 3);
}

function hex({ low, high }: Digest): string {
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

test("hasher: WebAssembly is what runs here", () => {
  assert.ok(kernelAbsorb() !== null);
});

test("hasher: the digests of the first release, so that stored chunks stay readable", () => {
  for (const [byteCount, expected] of [
    [0, "60fa88724076e5db"],
    [1, "06a272d89b033ac8"],
    [127, "e1369ee188ac96b9"],
    [128, "b1b59f8e5bc29cc4"],
    [129, "c2cf34696984ae17"],
    [20_000, "73101356a8258285"],
  ] as const) {
    assert.equal(hex(hashBytes(0x01234567, 0x89abcdef, bytesOf(byteCount))), expected);
  }
});

test("hasher: every single-bit flip of 300 bytes changes the digest, and all digests differ", () => {
  const bytes = bytesOf(300);
  const seen = new Set([hex(hashBytes(1, 2, bytes))]);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    flip(bytes, bit);
    seen.add(hex(hashBytes(1, 2, bytes)));
    flip(bytes, bit);
  }
  assert.equal(seen.size, 1 + bytes.length * 8);
});

test("hasher: every two-bit flip inside one 16-byte block, over many blocks, has its own digest", () => {
  const bytes = bytesOf(512);
  const seen = new Set<string>();
  let count = 0;
  for (const block of [0, 64, 240, 496]) {
    for (let first = 0; first < 128; first += 1) {
      for (let second = first + 1; second < 128; second += 1) {
        flip(bytes, block * 8 + first);
        flip(bytes, block * 8 + second);
        seen.add(hex(hashBytes(1, 2, bytes)));
        flip(bytes, block * 8 + first);
        flip(bytes, block * 8 + second);
        count += 1;
      }
    }
  }
  assert.equal(seen.size, count);
});

test("hasher: two flips in one column, a block apart, do not cancel", () => {
  // The weak spot of multiply-and-rotate steps: a flip of a high bit that the next block's flip could undo.
  const bytes = bytesOf(3 * 128);
  const seen = new Set<string>();
  for (let first = 0; first < 64; first += 1) {
    for (let second = 0; second < 64; second += 1) {
      flip(bytes, 128 + first);
      flip(bytes, 1024 + 128 + second);
      seen.add(hex(hashBytes(1, 2, bytes)));
      flip(bytes, 128 + first);
      flip(bytes, 1024 + 128 + second);
    }
  }
  assert.equal(seen.size, 64 * 64);
});

test("hasher: zeros after the bytes, any number of zeros, and swapped words are seen", () => {
  const seen = new Set<string>();
  for (let byteCount = 0; byteCount < 600; byteCount += 1) {
    seen.add(hex(hashBytes(0, 0, new Uint8Array(byteCount))));
  }
  assert.equal(seen.size, 600);
  const bytes = bytesOf(256);
  const before = hex(hashBytes(0, 0, bytes));
  for (let word = 1; word < 32; word += 1) {
    const swapped = bytes.slice();
    swapped.copyWithin(0, word * 8, word * 8 + 8);
    swapped.set(bytes.subarray(0, 8), word * 8);
    assert.notEqual(hex(hashBytes(0, 0, swapped)), before);
  }
});

test("hasher: the same bytes under two seeds differ, whichever bit of the seed does", () => {
  const bytes = bytesOf(100);
  const seen = new Set([hex(hashBytes(0, 0, bytes))]);
  for (let bit = 0; bit < 32; bit += 1) {
    seen.add(hex(hashBytes(1 << bit, 0, bytes)));
    seen.add(hex(hashBytes(0, 1 << bit, bytes)));
  }
  assert.equal(seen.size, 65);
});

test("hasher: a flipped bit flips each bit of the digest about half of the time", () => {
  const bytes = bytesOf(1000);
  const before = hashBytes(5, 6, bytes);
  const flips = Array.from({ length: 64 }, () => 0);
  const trials = 4000;
  for (let trial = 0; trial < trials; trial += 1) {
    flip(bytes, trial * 2);
    const after = hashBytes(5, 6, bytes);
    flip(bytes, trial * 2);
    for (let bit = 0; bit < 32; bit += 1) {
      flips[bit] = (flips[bit] ?? 0) + (((before.low ^ after.low) >>> bit) & 1);
      flips[bit + 32] = (flips[bit + 32] ?? 0) + (((before.high ^ after.high) >>> bit) & 1);
    }
  }
  // Six standard deviations of 4,000 fair coins are 190.
  for (const count of flips) assert.ok(Math.abs(count - trials / 2) < 190, `${flips}`);
});

test("hasher: interleaved hashers do not disturb each other, and a digest may be taken on the way", () => {
  const bytes = bytesOf(1000);
  const first = createHasher();
  const second = createPortableHasher();
  first.reset(1, 1);
  second.reset(2, 2);
  for (let at = 0; at < bytes.length; at += 50) {
    first.update(bytes.subarray(at, at + 50));
    second.update(bytes.subarray(at, at + 50));
    assert.deepEqual(first.digest(), hashBytes(1, 1, bytes.subarray(0, at + 50)));
  }
  assert.deepEqual(second.digest(), hashBytes(2, 2, bytes));
  first.reset(3, 3);
  assert.deepEqual(first.digest(), hashBytes(3, 3, new Uint8Array(0)));
  assert.deepEqual(createHasher().digest(), hashBytes(0, 0, new Uint8Array(0)));
});

function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >>> 3] = (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
}
