/** The codes are the RAID levels they are said to be, seen by their bytes and not by their rows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createCode } from "../../../src/erasure/code.ts";
import { bytesOf, multiplyNaive } from "./naive.ts";

const SHARD_BYTES = 300;

function diskBytes(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => bytesOf(index + 40, SHARD_BYTES));
}

function xorOf(disks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from({ length: SHARD_BYTES }, (_, at) =>
    disks.reduce((sum, disk) => sum ^ (disk[at] ?? 0), 0),
  );
}

test("d+0 is RAID-0: data as it is, and nothing can be lost", () => {
  const data = diskBytes(10);
  const code = createCode(10, 0);
  code.encode(data, [], SHARD_BYTES);
  assert.deepEqual(data, diskBytes(10));
  assert.ok(code.verify(data, [], SHARD_BYTES));
  const lost = data.map((_, index) => index === 3);
  const present = lost.map((isLost) => !isLost);
  assert.throws(() => code.reconstruct(data, present, lost, SHARD_BYTES), /9 shards are present/);
});

test("1+1 is RAID-1 and 1+2 three copies: every shard is the same", () => {
  const [only] = diskBytes(1) as [Uint8Array];
  for (const parityShards of [1, 2]) {
    const copies = Array.from({ length: parityShards }, () => new Uint8Array(SHARD_BYTES));
    createCode(1, parityShards).encode([only], copies, SHARD_BYTES);
    for (const copy of copies) assert.deepEqual(copy, only);
  }
});

test("d+1 is RAID-4: the parity disk is the xor of the data disks", () => {
  const data = diskBytes(5);
  const parity = new Uint8Array(SHARD_BYTES);
  createCode(5, 1).encode(data, [parity], SHARD_BYTES);
  assert.deepEqual(parity, xorOf(data));
});

test("6+2 is RAID-6: P the xor, Q weighed 32, 16, 8, 4, 2, 1; disks 1 and 4 lost come back", () => {
  const data = diskBytes(6);
  const p = new Uint8Array(SHARD_BYTES);
  const q = new Uint8Array(SHARD_BYTES);
  const code = createCode(6, 2);
  code.encode(data, [p, q], SHARD_BYTES);
  assert.deepEqual(p, xorOf(data));
  const weighed = [32, 16, 8, 4, 2, 1].map((weight, index) =>
    (data[index] ?? p).map((byte) => multiplyNaive(weight, byte)),
  );
  assert.deepEqual(q, xorOf(weighed));

  const isLost = (index: number) => index === 1 || index === 4;
  const shards = [...data, p, q].map((disk, index) =>
    isLost(index) ? new Uint8Array(SHARD_BYTES) : disk,
  );
  const wanted = shards.map((_, index) => isLost(index));
  const present = shards.map((_, index) => !isLost(index));
  code.reconstruct(shards, present, wanted, SHARD_BYTES);
  assert.deepEqual(shards[1], data[1]);
  assert.deepEqual(shards[4], data[4]);
});
