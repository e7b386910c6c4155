/** Arenas: sizes, independence, and strides that spread shards over the first-level cache. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ARENA_BYTES_MAX, createArena, shardStride } from "../../../src/erasure/arena.ts";
import { createCode } from "../../../src/erasure/code.ts";
import { kernelOfMemory, wasmKernel } from "../../../src/erasure/kernel-wasm.ts";
import { bytesOf, encodeNaive } from "./naive.ts";

test("arena: has the bytes asked for, zeros at first, of its own", () => {
  const first = createArena(100_001);
  const second = createArena(0);
  assert.equal(first.bytes.length, 100_001);
  assert.equal(second.bytes.length, 0);
  assert.ok(first.bytes.every((byte) => byte === 0));
  assert.notEqual(first.bytes.buffer, second.bytes.buffer);
});

test("arena: shards of two arenas in one call are coded right, those of the second by copying", () => {
  const near = createArena(4096).bytes;
  const far = createArena(4096).bytes;
  const data = [near.subarray(3, 203), far.subarray(5, 205)];
  data.forEach((shard, index) => {
    shard.set(bytesOf(index, 200));
  });
  const parity = [far.subarray(1000, 1200), near.subarray(1000, 1200)];
  createCode(2, 2).encode(data, parity, 200);
  const [p, q] = encodeNaive(data, 2, 200);
  assert.deepEqual(Buffer.from(parity[0] ?? []), Buffer.from(p ?? []));
  assert.deepEqual(Buffer.from(parity[1] ?? []), Buffer.from(q ?? []));
});

test("arena: a size that cannot be is refused", () => {
  for (const bytes of [-1, 1.5, Number.NaN, ARENA_BYTES_MAX + 1]) {
    assert.throws(() => createArena(bytes), RangeError);
  }
});

test("shardStride: whole cache lines, never a multiple of 4096 for large shards, and little waste", () => {
  for (const shardBytes of [0, 1, 64, 65, 4095, 4096, 8192, 10_000_000, 2 ** 22, 2 ** 22 + 64]) {
    const stride = shardStride(shardBytes);
    assert.ok(stride >= shardBytes && stride <= shardBytes + 4096 && stride % 64 === 0);
    if (shardBytes >= 4096) assert.equal(stride % 4096, 320);
  }
});

test("kernels: WebAssembly is what runs here, and an arena's memory is its heap", () => {
  assert.ok(wasmKernel() !== null);
  const { bytes } = createArena(10);
  assert.equal(kernelOfMemory(bytes.buffer)?.heap.buffer, bytes.buffer);
  assert.equal(kernelOfMemory(new ArrayBuffer(10)), undefined);
});
