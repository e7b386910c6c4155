/**
 * Random codes, sizes, lengths, alignments, losses, and places of the buffers: in ordinary memory, in an arena, or mixed.
 * Both kernels agree with the naive twin, and nothing outside a wanted shard is written.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createArena } from "../../../src/erasure/arena.ts";
import { createCode, createPortableCode, type ErasureCode } from "../../../src/erasure/code.ts";
import { bytesOf, encodeNaive } from "./naive.ts";

const SHARD_BYTES_MAX = 400;
const GUARD = 0xa5;
const arena = createArena(256 * (SHARD_BYTES_MAX + 64));

/** Cuts unaligned buffers with guard bytes between them, from an arena or from ordinary memory. */
class Cutter {
  readonly #ordinary = new Uint8Array(arena.bytes.length).fill(GUARD);
  readonly #cut: Uint8Array[] = [];
  #at = 0;

  constructor() {
    arena.bytes.fill(GUARD);
  }

  take(byteCount: number, gap: number, inArena: boolean): Uint8Array {
    this.#at += 1 + gap;
    const memory = inArena ? arena.bytes : this.#ordinary;
    const cut = memory.subarray(this.#at, this.#at + byteCount);
    this.#at += byteCount;
    this.#cut.push(cut);
    return cut;
  }

  /** Clears what was handed out; all else must still be guard bytes. */
  checkGuards(): void {
    for (const cut of this.#cut) cut.fill(GUARD);
    assert.ok(arena.bytes.every((byte) => byte === GUARD));
    assert.ok(this.#ordinary.every((byte) => byte === GUARD));
  }
}

const scenario = fc
  .record({
    dataShards: fc.oneof(fc.integer({ min: 1, max: 14 }), fc.constantFrom(60, 120)),
    parityShards: fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constantFrom(20)),
    shardBytes: fc.oneof(
      fc.integer({ min: 1, max: SHARD_BYTES_MAX }),
      fc.constantFrom(15, 16, 63, 64, 65, 128),
    ),
    seed: fc.nat(1_000_000),
    gap: fc.nat(20),
    memory: fc.constantFrom("ordinary", "arena", "mixed"),
    shortBy: fc.array(fc.nat(SHARD_BYTES_MAX), { maxLength: 6 }),
  })
  .filter(({ dataShards }) => dataShards > 0);

type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never;

/** A choice among n by the scenario's seed, different for each use. */
function pick(run: Scenario, use: number, n: number): number {
  return (bytesOf(run.seed + use * 7919, 4).reduce((sum, byte) => sum * 256 + byte, 0) >>> 0) % n;
}

function checkScenario(run: Scenario, code: ErasureCode): void {
  const { dataShards, parityShards, shardBytes } = run;
  const shardCount = dataShards + parityShards;
  const cutter = new Cutter();
  const buffers = Array.from({ length: shardCount }, (_, index) => {
    const isShort = index < dataShards && index >= dataShards - run.shortBy.length;
    const shortBy = isShort ? (run.shortBy[dataShards - 1 - index] ?? 0) : 0;
    const inArena = run.memory === "arena" || (run.memory === "mixed" && pick(run, index, 2) === 1);
    return cutter.take(Math.max(0, shardBytes - shortBy), run.gap, inArena);
  });
  const data = buffers.slice(0, dataShards);
  const parity = buffers.slice(dataShards);
  data.forEach((shard, index) => {
    shard.set(bytesOf(run.seed + index, shard.length));
  });
  code.encode(data, parity, shardBytes);
  assert.deepEqual(parity.map(plain), encodeNaive(data, parityShards, shardBytes).map(plain));
  assert.ok(code.verify(data, parity, shardBytes));

  const originals = buffers.map((buffer) => buffer.slice());
  const isMissing = buffers.map(() => false);
  for (let count = 0; count < parityShards; count += 1) {
    isMissing[pick(run, 1000 + count, shardCount)] = true;
  }
  const wanted = isMissing.map((missing, index) => missing && pick(run, 2000 + index, 4) > 0);
  const present = isMissing.map((missing) => !missing);
  buffers.forEach((buffer, index) => {
    if (isMissing[index]) buffer.fill(0x3c);
  });
  code.reconstruct(buffers, present, wanted, shardBytes);
  buffers.forEach((buffer, index) => {
    const original = originals[index] ?? new Uint8Array();
    const isUntouched = isMissing[index] && !wanted[index];
    const expected = isUntouched ? new Uint8Array(buffer.length).fill(0x3c) : original;
    assert.deepEqual(plain(buffer), plain(expected), `shard ${index}`);
  });
  cutter.checkGuards();
}

/** Equal content is what counts, not the kind of memory below. */
function plain(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

test("codes: WebAssembly agrees with the naive twin wherever the buffers lie", () => {
  fc.assert(
    fc.property(scenario, (run) => {
      checkScenario(run, createCode(run.dataShards, run.parityShards));
    }),
    { numRuns: 80 },
  );
});

test("codes: the portable twin agrees with the naive one wherever the buffers lie", () => {
  fc.assert(
    fc.property(scenario, (run) => {
      checkScenario(run, createPortableCode(run.dataShards, run.parityShards));
    }),
    { numRuns: 40 },
  );
});

test("codes: SIMD and portable agree over many tiles, with a tail, in place and not", () => {
  const shardBytes = 3 * 16384 + 1000 + 7;
  for (const [dataShards, parityShards] of [
    [10, 2],
    [4, 2],
    [6, 4],
    [100, 3],
  ] as const) {
    const shards = (memory: Uint8Array) =>
      Array.from({ length: dataShards + parityShards }, (_, index) => {
        const shard = memory.subarray(index * (shardBytes + 3)).subarray(0, shardBytes);
        if (index < dataShards) shard.set(bytesOf(index, shardBytes));
        return shard;
      });
    const memoryBytes = (dataShards + parityShards) * (shardBytes + 3);
    const ways = [
      [createPortableCode(dataShards, parityShards), shards(new Uint8Array(memoryBytes))],
      [createCode(dataShards, parityShards), shards(new Uint8Array(memoryBytes))],
      [createCode(dataShards, parityShards), shards(createArena(memoryBytes).bytes)],
    ] as const;
    const results = ways.map(([code, all]) => {
      code.encode(all.slice(0, dataShards), all.slice(dataShards), shardBytes);
      const wanted = all.map((_, index) => index % 4 === 1 && index < 4 * parityShards);
      const originals = all.filter((_, index) => wanted[index]).map(plain);
      for (const [index, shard] of all.entries()) if (wanted[index]) shard.fill(1);
      code.reconstruct(
        all,
        wanted.map((isLost) => !isLost),
        wanted,
        shardBytes,
      );
      assert.deepEqual(all.filter((_, index) => wanted[index]).map(plain), originals);
      return all.slice(dataShards).map(plain);
    });
    assert.deepEqual(results[1], results[0]);
    assert.deepEqual(results[2], results[0]);
  }
});
