// The memory of a store against naive twins: blocks against a map of granules, the whole against the bytes that each
// chunk was filled with.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChunkBytes } from "../../../src/runtime/chunk-bytes.ts";
import { ChunkMemory } from "../../../src/runtime/chunk-memory.ts";
import { GRANULE_BYTES, MemoryBlock } from "../../../src/runtime/memory-block.ts";

const MIB = 1_024 * 1_024;
const GRANULES = 24;

/** The free runs of a map of granules. */
function runs(isFree: readonly boolean[]): { at: number; granules: number }[] {
  const found: { at: number; granules: number }[] = [];
  isFree.forEach((free, at) => {
    const last = found.at(-1);
    if (!free) return;
    if (last !== undefined && last.at + last.granules === at) last.granules++;
    else found.push({ at, granules: 1 });
  });
  return found;
}

test("block: gives of the shortest run that fits, or the longest; what comes back joins its neighbours", () => {
  const step = fc.record({
    what: fc.constantFrom("take", "take", "give"),
    granules: fc.integer({ min: 1, max: 10 }),
    which: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const block = new MemoryBlock(GRANULES * GRANULE_BYTES);
      const isFree = Array.from({ length: GRANULES }, () => true);
      const taken: { at: number; bytes: number }[] = [];
      const mark = (at: number, bytes: number, free: boolean): void =>
        void isFree.fill(free, at / GRANULE_BYTES, (at + bytes) / GRANULE_BYTES);
      for (const { what, granules, which } of steps) {
        const longest = Math.max(0, ...runs(isFree).map((run) => run.granules));
        assert.equal(block.longestBytes, longest * GRANULE_BYTES);
        assert.equal(block.isUnused, longest === GRANULES);
        if (what === "give") {
          const [extent] = taken.splice(taken.length === 0 ? 0 : which % taken.length, 1);
          if (extent === undefined) continue;
          block.give(extent);
          mark(extent.at, extent.bytes, true);
        } else if (longest > 0) {
          const wanted = Math.min(granules, longest);
          const extent = block.take(granules * GRANULE_BYTES);
          const fitting = runs(isFree).filter((run) => run.granules >= wanted);
          const [lowest] = fitting.sort((a, b) => a.granules - b.granules || a.at - b.at);
          assert.deepEqual(extent, {
            at: (lowest?.at ?? -1) * GRANULE_BYTES,
            bytes: wanted * GRANULE_BYTES,
          });
          taken.push(extent);
          mark(extent.at, extent.bytes, false);
        }
      }
    }),
  );
});

test("block: what is given back twice is told", () => {
  const block = new MemoryBlock(8 * GRANULE_BYTES);
  const first = block.take(2 * GRANULE_BYTES);
  const second = block.take(2 * GRANULE_BYTES);
  block.give(first);
  assert.throws(() => block.give(first), /given back twice/);
  assert.throws(() => block.give({ ...second, bytes: 3 * GRANULE_BYTES }), /given back twice/);
  assert.throws(() => new MemoryBlock(GRANULE_BYTES).give({ at: 0, bytes: 1 }), /given back twice/);
});

test("memory: finds room exactly as long as so much is free, keeps chunks apart, and holds no more than it may", () => {
  const bytesMax = 10 * MIB;
  const step = fc.record({
    what: fc.constantFrom("allocate", "allocate", "free"),
    bytes: fc.oneof(
      fc.integer({ min: 0, max: 2_000 }),
      fc.integer({ min: 100_000, max: 1_500_000 }),
      fc.integer({ min: 3 * MIB, max: 6 * MIB }),
    ),
    which: fc.nat(),
  });
  let inRuns = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const memory = new ChunkMemory(bytesMax, 0);
      const held: { chunk: ChunkBytes; bytes: number; mark: number }[] = [];
      let mark = 0;
      for (const { what, bytes, which } of steps) {
        const taken = held.reduce((sum, each) => sum + Math.ceil(each.bytes / 256) * 256, 0);
        if (what === "free") {
          const [gone] = held.splice(held.length === 0 ? 0 : which % held.length, 1);
          if (gone === undefined) continue;
          memory.free(gone.chunk);
          assert.deepEqual([gone.chunk.length, [...gone.chunk.views()].length], [0, 0]);
        } else {
          const chunk = memory.allocate(bytes);
          assert.equal(chunk !== null, taken + Math.ceil(bytes / 256) * 256 <= bytesMax);
          if (chunk === null) continue;
          assert.equal(chunk.length, bytes);
          mark = (mark + 1) % 256;
          for (const view of chunk.views()) view.fill(mark);
          if ([...chunk.views()].length > 1) inRuns++;
          held.push({ chunk, bytes, mark });
        }
        assert.ok(memory.heldBytes <= bytesMax);
        for (const each of held)
          for (const view of each.chunk.views())
            assert.deepEqual([view[0], view.at(-1)], [each.mark, each.mark]);
      }
    }),
  );
  assert.ok(inRuns > 0);
});

test("memory: a freed chunk's bytes serve chunks of other sizes; none of the host's is asked for", () => {
  const memory = new ChunkMemory(64 * MIB, 0);
  const large = memory.allocate(3_355_444);
  assert.ok(large);
  const { buffer } = large.from(0, 1);
  memory.free(large);
  const small = Array.from({ length: 3 }, () => memory.allocate(1_000_000)!);
  assert.ok(small.every((each) => each.from(0, MIB).buffer === buffer));
  assert.equal(memory.heldBytes, 4 * MIB);
  for (const each of small) memory.free(each);
  assert.equal(memory.allocate(4 * MIB)?.from(0, 1).buffer, buffer, "and these together a larger");
});

test("memory: a chunk longer than a block is overwritten without asking the host for more", () => {
  const memory = new ChunkMemory(64 * MIB, 0);
  for (let version = 0; version < 5; version++) {
    const chunk = memory.allocate(10 * MIB);
    assert.ok(chunk);
    assert.deepEqual([...chunk.views()].length, 3);
    memory.free(chunk);
    assert.equal(memory.heldBytes, 12 * MIB);
  }
});

test("memory: small chunks keep off the blocks of large ones as long as there is room, and the other way round", () => {
  const memory = new ChunkMemory(8 * MIB, 0);
  const [small, large] = [memory.allocate(1_000)!, memory.allocate(MIB)!];
  assert.notEqual(small.from(0, 1).buffer, large.from(0, 1).buffer);
  for (let at = 0; at < 6; at++) assert.ok(memory.allocate(MIB));
  assert.equal(memory.heldBytes, 8 * MIB);
});

test("memory: what chunks take beside their bytes comes out of blocks, which are let go when nothing uses them", () => {
  const memory = new ChunkMemory(16 * MIB, 1_024);
  const large = Array.from({ length: 15 }, () => memory.allocate(MIB)!);
  assert.ok(large.every((chunk) => chunk !== null));
  assert.equal(memory.isOverfull, false);
  for (const chunk of large) memory.free(chunk);
  for (let at = 0; at < 8_192; at++) assert.ok(memory.allocate(256));
  assert.ok(memory.heldBytes <= 8 * MIB, `${memory.heldBytes}`);
});

test("memory: blocks that nothing uses are given back to the host from 64 MiB on, and come again", () => {
  const memory = new ChunkMemory(128 * MIB, 0);
  const chunks = Array.from({ length: 128 }, () => memory.allocate(MIB)!);
  assert.equal(memory.allocate(1), null);
  for (const chunk of chunks) memory.free(chunk);
  assert.equal(memory.heldBytes, 64 * MIB);
  assert.equal(chunks.filter((_, at) => memory.allocate(MIB) !== null || at < 0).length, 128);
});

test("bytes: views end where a run does; what is written across runs stands in both", () => {
  const block = new MemoryBlock(2 * GRANULE_BYTES);
  const memory = new Uint8Array(block.memory);
  const second = { block, at: 200, bytes: 5, next: null };
  const bytes = new ChunkBytes(15, { block, at: 100, bytes: 10, next: second });
  const where = (offset: number, bytesMax: number) => {
    const { byteOffset, length } = bytes.from(offset, bytesMax);
    return [byteOffset, length];
  };
  assert.deepEqual(where(0, 99), [100, 10]);
  assert.deepEqual(where(4, 3), [104, 3]);
  assert.deepEqual(where(9, 3), [109, 1]);
  assert.deepEqual(where(10, 3), [200, 3]);
  assert.throws(() => bytes.from(15, 1), RangeError);
  bytes.write(8, new Uint8Array([1, 2, 3, 4]));
  assert.deepEqual([...memory.subarray(107, 111)], [0, 1, 2, 0]);
  assert.deepEqual([...memory.subarray(199, 203)], [0, 3, 4, 0]);
  assert.deepEqual(
    [...bytes.views()].map(({ length }) => length),
    [10, 5],
  );
  assert.equal(bytes.free()?.next, second);
  assert.deepEqual([bytes.free(), bytes.length, [...bytes.views()]], [null, 0, []]);
});
