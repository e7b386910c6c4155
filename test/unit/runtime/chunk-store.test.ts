// The chunk store against a naive twin, its CLOCK order, its memory, and the fingerprints of its digest.
// Nothing here knows messages.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chunkCost } from "../../../src/core/chunk-cost.ts";
import { chunkFingerprint } from "../../../src/core/store-digest.ts";
import { ChunkStore } from "../../../src/runtime/chunk-store.ts";
import { chunkBudget, memoryOf } from "../../../src/runtime/memory.ts";

const keyHash = new Uint8Array(16).fill(3);
const id = (version: number) => ({ keyHash, version, stripe: 0, index: 0 });

function put(store: ChunkStore, version: number, length: number): boolean {
  const bytes = store.reserve(length);
  if (bytes === null) return false;
  for (const view of bytes.views()) view.fill(version);
  store.add({ ...id(version), bytes, digestLow: 0, digestHigh: 0 });
  return true;
}

/** Every chunk is what `put` wrote. */
function assertContents(store: ChunkStore): void {
  for (const { version, bytes } of store.chunks())
    for (const view of bytes.views())
      assert.ok(
        view.every((byte) => byte === (version & 255)),
        `version ${version}`,
      );
}

test("store: behaves like a map of chunks within a budget, whatever is done to it", () => {
  const step = fc.record({
    what: fc.constantFrom("put", "drop", "find", "lend", "giveBack", "sweep"),
    version: fc.integer({ min: 1, max: 6 }),
    length: fc.integer({ min: 0, max: 50_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const store = new ChunkStore(200_000);
      const twin = new Map<number, number>();
      const lent: { chunk: NonNullable<ReturnType<ChunkStore["find"]>>; length: number }[] = [];
      const held = () => new Set([...store.chunks()].map(({ bytes }) => bytes));
      const cost = () => {
        const ghosts = new Map(
          lent.filter(({ chunk }) => !held().has(chunk.bytes)).map((l) => [l.chunk, l.length]),
        );
        return [...twin.values(), ...ghosts.values()].reduce((acc, n) => acc + chunkCost(n), 0);
      };
      for (const { what, version, length } of steps) {
        if (what === "put") {
          const hasRoom = cost() + chunkCost(length) <= 200_000;
          assert.equal(put(store, version, length), hasRoom);
          if (hasRoom) twin.set(version, length);
        } else if (what === "drop") {
          assert.equal(store.drop(id(version)), twin.delete(version));
        } else if (what === "find") {
          assert.equal(store.find(id(version))?.bytes.length, twin.get(version));
        } else if (what === "lend") {
          const chunk = store.find(id(version));
          if (chunk === null) continue;
          store.lend(chunk);
          lent.push({ chunk, length: chunk.bytes.length });
        } else if (what === "giveBack") {
          const first = lent.shift();
          if (first === undefined) continue;
          assert.equal(first.chunk.bytes.length, first.length, "what is lent stays");
          store.giveBack(first.chunk);
        } else {
          assert.equal(store.mostRecentFirst().length, twin.size);
        }
        assert.equal(store.count, twin.size);
        assert.equal(store.usedBytes, cost());
      }
    }),
  );
});

test("store: a dropped chunk's memory is given back at once, or when the last reader gives it back", () => {
  const store = new ChunkStore(1e6);
  put(store, 1, 1_000);
  const chunk = store.find(id(1));
  assert.ok(chunk);
  store.lend(chunk);
  store.lend(chunk);
  store.drop(id(1));
  store.giveBack(chunk);
  assert.equal(chunk.bytes.length, 1_000);
  store.giveBack(chunk);
  assert.equal(chunk.bytes.length, 0);
  assert.equal(store.usedBytes, 0);
  assert.throws(() => store.giveBack(chunk), /more often than lent/);
});

test("store: what was freed has room for the next at once, whatever was there before; and it holds little more than its budget", () => {
  const length = fc.oneof(
    fc.integer({ min: 0, max: 5_000 }),
    fc.integer({ min: 60_000, max: 400_000 }),
  );
  const step = fc.record({ version: fc.integer({ min: 1, max: 5 }), length });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const store = new ChunkStore(1e6);
      const sizes = new Map<number, number>();
      for (const { version, length: bytes } of steps) {
        if (sizes.delete(version)) store.drop(id(version));
        const used = [...sizes.values()].reduce((acc, each) => acc + chunkCost(each), 0);
        assert.equal(put(store, version, bytes), used + chunkCost(bytes) <= 1e6);
        if (store.find(id(version)) !== null) sizes.set(version, bytes);
        assert(store.heldBytes <= memoryOf(1e6));
        for (const chunk of store.chunks())
          for (const view of chunk.bytes.views())
            assert.deepEqual([view[0], view.at(-1)], [chunk.version, chunk.version]);
      }
    }),
  );
});

test("store: is full of small chunks only when its account is, as is one that held large ones before", () => {
  for (const bytes of [1, 257, 1_100, 5_000, 40_000]) {
    const store = new ChunkStore(8_000_000);
    for (let version = 1; put(store, version, 1_500_000); version++);
    let version = 100;
    while (put(store, version, bytes)) version++;
    assert.ok(store.usedBytes + chunkCost(bytes) > 8_000_000, `${bytes} bytes`);
    for (const { version: large } of [...store.chunks()]) if (large < 100) store.drop(id(large));
    while (put(store, version, bytes)) version++;
    assert.ok(store.usedBytes + chunkCost(bytes) > 8_000_000, `${bytes} bytes`);
  }
});

test("store: where small chunks take the place of large ones, blocks are emptied for what those take beside their bytes", () => {
  const budgetBytes = 64 * 1_024 * 1_024;
  const store = new ChunkStore(budgetBytes);
  let newest = 0;
  let oldest = 1;
  const putOne = (bytes: number): void => {
    while (!put(store, newest + 1, bytes)) store.drop(id(oldest++));
    newest++;
  };
  for (let at = 0; at < 200; at++) putOne(300_000 + ((at * 7_919) % 1_000_000));
  const reader = store.find(id(newest))!;
  store.lend(reader);
  for (let at = 0; at < 60_000; at++) {
    putOne(1_000);
    const beside = 1_024 * store.count;
    // Two blocks, and what small chunks take between two looks.
    assert.ok(store.heldBytes + beside <= memoryOf(budgetBytes) + 9 * 1_024 * 1_024);
  }
  assert.ok(store.usedBytes > 0.99 * budgetBytes);
  assertContents(store);
  for (const view of reader.bytes.views())
    assert.ok(view.every((byte) => byte === (reader.version & 255)));
});

test("store: a large chunk among the holes of small ones lies in few runs; these are moved, unless somebody reads or writes there", () => {
  const budgetBytes = 24 * 1_024 * 1_024;
  const store = new ChunkStore(budgetBytes);
  let newest = 0;
  while (put(store, newest + 1, 1_000)) newest++;
  const order = Array.from({ length: newest }, (_, at) => at + 1);
  // Scattered, and the same in each run: a fixed stride that reaches every one.
  order.sort((a, b) => ((a * 7_919) % 10_007) - ((b * 7_919) % 10_007));
  const reader = store.find(id(order[0]!))!;
  store.lend(reader);
  const [lentRun] = [...reader.bytes.views()];
  for (const bytes of [900_000, 3_360_000, 40_000, 3_360_000, 5_000_000]) {
    while (!put(store, newest + 1, bytes)) store.drop(id(order.pop()!));
    newest++;
    const { runs } = store.find(id(newest))!.bytes;
    assert.ok(runs <= 8, `${bytes} bytes in ${runs} runs`);
  }
  assert.ok(store.usedBytes > 0.99 * budgetBytes);
  assertContents(store);
  assert.equal([...reader.bytes.views()][0]?.byteOffset, lentRun?.byteOffset);
  assert.ok(lentRun?.every((byte) => byte === (reader.version & 255)));
});

test("store: a chunk that needs many blocks moves nobody where it lies in as few runs as can be", () => {
  const store = new ChunkStore(64 * 1_024 * 1_024);
  for (let version = 1; version <= 2_000; version++) assert.ok(put(store, version, 1_000));
  const { bytes: small } = store.find(id(1_000))!;
  const [before] = [...small.views()];
  assert.ok(put(store, 3_000, 34 * 1_024 * 1_024));
  assert.equal(store.find(id(3_000))?.bytes.runs, 9);
  const [after] = [...small.views()];
  assert.ok(after?.buffer === before?.buffer && after?.byteOffset === before?.byteOffset);
});

test("store: memory into which a transport may still write serves nobody until it is returned", () => {
  const store = new ChunkStore(100_000);
  const place = store.reserve(60_000);
  assert.ok(place);
  const lent = place.from(1_000, 500);
  store.release(place, lent);
  assert.equal(store.usedBytes, 0);
  assert.equal(store.reserve(60_000), null);
  const other = store.reserve(30_000);
  lent.fill(9);
  assert.ok(other !== null && [...other.views()].every((view) => view.every((byte) => byte === 0)));
  store.returned(place.from(1_000, 400));
  assert.equal(store.reserve(60_000), null, "that view was not lent");
  store.returned(lent);
  assert.notEqual(store.reserve(60_000), null);
});

test("store: lists what was used since the last round first, the newest of each kind before the older", () => {
  const store = new ChunkStore(1e6);
  for (const version of [1, 2, 3, 4]) put(store, version, 10);
  const order = () => store.mostRecentFirst().map(({ version }) => version);
  assert.deepEqual(order(), [4, 3, 2, 1]);
  store.find(id(1));
  store.find(id(2));
  assert.deepEqual(order(), [2, 1, 4, 3]);
  assert.deepEqual(order(), [2, 1, 4, 3], "a mark counts for one round");
  put(store, 5, 10);
  store.find(id(3));
  assert.deepEqual(order(), [3, 5, 2, 1, 4]);
});

test("store digest: depends on the set only, and is zero for the empty one", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 53 - 1 }), { maxLength: 20 }),
      (versions) => {
        const forwards = new ChunkStore(1e6);
        const backwards = new ChunkStore(1e6);
        for (const version of versions) put(forwards, version, 1);
        for (const version of versions.toReversed()) put(backwards, version, 1);
        assert.deepEqual(forwards.digest(), backwards.digest());
        forwards.empty();
        assert.deepEqual(forwards.digest(), { low: 0, high: 0 });
        assert.equal(forwards.usedBytes, 0);
      },
    ),
  );
});

test("fingerprints: every field counts in every bit, and 200,000 neighbours are all different in each half", () => {
  const lows = new Set<number>();
  const highs = new Set<number>();
  for (let version = 0; version < 2_000; version++) {
    for (let index = 0; index < 100; index++) {
      const { low, high } = chunkFingerprint(keyHash, version, 0, index);
      lows.add(low);
      highs.add(high);
    }
  }
  // 200,000 random words of 32 bits have about 4.7 pairs alike.
  assert.ok(lows.size > 199_970 && highs.size > 199_970, `${lows.size} ${highs.size}`);
  const base = chunkFingerprint(keyHash, 5, 6, 7);
  const others = [
    chunkFingerprint(keyHash, 5 + 2 ** 32, 6, 7),
    chunkFingerprint(keyHash, 5, 7, 6),
    chunkFingerprint(keyHash, 6, 5, 7),
    ...Array.from({ length: 128 }, (_, bit) => {
      const flipped = keyHash.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return chunkFingerprint(flipped, 5, 6, 7);
    }),
  ];
  for (const { low, high } of others) {
    assert.notEqual(low, base.low);
    assert.notEqual(high, base.high);
  }
});

test("memory: the budget leaves the process its reserve, and is never negative", () => {
  const cases: readonly [memoryMb: number, budgetMb: number][] = [
    [64, 0],
    [128, 20],
    [256, 144],
    [1_536, 1_384],
    [10_240, 9_816],
  ];
  for (const [memoryMb, budgetMb] of cases) {
    const budgetBytes = chunkBudget(memoryMb);
    assert.equal(budgetBytes / (1_024 * 1_024), budgetMb, `${memoryMb} MB`);
    assert.ok(memoryOf(budgetBytes) <= Math.max(0, memoryMb - 104) * 1_024 * 1_024);
  }
});
