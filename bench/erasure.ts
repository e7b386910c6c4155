/**
 * How fast are coding and checksums beside memcpy, on one core? 100 MB as 10+2, all cases interleaved in one run.
 * `node tools/node bench/erasure.ts [--json] [--write-baseline] [--rounds N]`; exits 1 when a bar is missed.
 *
 * All buffers are warm: allocated once, touched, and used again in every round, as pooled stripes are; a first touch
 * would cost as much as the work. The first rounds are not counted: WebAssembly starts in the baseline compiler.
 */
import { readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { argv, exit, version } from "node:process";
import { parseArgs } from "node:util";
import { crc32 } from "node:zlib";
import { hashBytes } from "../src/checksum/chunk-digest.ts";
import { createPortableHasher } from "../src/checksum/hasher.ts";
import { createArena, shardStride } from "../src/erasure/arena.ts";
import { createCode, createPortableCode } from "../src/erasure/code.ts";

const DATA_SHARDS = 10;
const PARITY_SHARDS = 2;
const SHARD_BYTES = 10_000_000;
const OBJECT_BYTES = DATA_SHARDS * SHARD_BYTES;
const WARM_UP_ROUNDS = 4;
const BASELINE = new URL("./baselines/erasure.json", import.meta.url);

interface Case {
  readonly name: string;
  /** The least ratio to memcpy, where one is promised. */
  readonly ratioMin: number | null;
  readonly run: () => void;
}

interface Result {
  readonly name: string;
  readonly gigabytesPerSecond: number;
  readonly slowest: number;
  readonly fastest: number;
  readonly ratioToMemcpy: number;
  readonly ratioMin: number | null;
}

function fill(bytes: Uint8Array): Uint8Array {
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = Math.imul(at, 2654435761) >>> 19;
  return bytes;
}

/** Shards at a stride of `memory`; data is filled and parity encoded. */
function codedShards(memory: Uint8Array): Uint8Array[] {
  const stride = shardStride(SHARD_BYTES);
  const shards = Array.from({ length: DATA_SHARDS + PARITY_SHARDS }, (_, index) =>
    memory.subarray(index * stride, index * stride + SHARD_BYTES),
  );
  createCode(DATA_SHARDS, PARITY_SHARDS).encode(
    shards.slice(0, DATA_SHARDS).map(fill),
    shards.slice(DATA_SHARDS),
    SHARD_BYTES,
  );
  return shards;
}

function reconstructCase(
  name: string,
  shards: Uint8Array[],
  lost: number[],
  ratioMin: number,
): Case {
  const code = createCode(DATA_SHARDS, PARITY_SHARDS);
  const wanted = shards.map((_, index) => lost.includes(index));
  const present = wanted.map((isLost) => !isLost);
  const run = () => code.reconstruct(shards, present, wanted, SHARD_BYTES);
  return { name, ratioMin, run };
}

function cases(): readonly Case[] {
  const source = fill(new Uint8Array(OBJECT_BYTES));
  const target = new Uint8Array(OBJECT_BYTES).fill(1);
  const memoryBytes = shardStride(SHARD_BYTES) * (DATA_SHARDS + PARITY_SHARDS);
  const arena = codedShards(createArena(memoryBytes).bytes);
  const ordinary = codedShards(new Uint8Array(memoryBytes));
  const code = createCode(DATA_SHARDS, PARITY_SHARDS);
  const wide = createCode(DATA_SHARDS, 4);
  const portable = createPortableCode(DATA_SHARDS, PARITY_SHARDS);
  const portableHasher = createPortableHasher();
  const arenaData = arena.slice(0, DATA_SHARDS);
  const arenaParity = arena.slice(DATA_SHARDS);
  const data = ordinary.slice(0, DATA_SHARDS);
  const parity = ordinary.slice(DATA_SHARDS);
  const wideParity = [...parity, new Uint8Array(SHARD_BYTES), new Uint8Array(SHARD_BYTES)];
  const plain = (name: string, run: () => void, ratioMin: number | null = null): Case => ({
    name,
    ratioMin,
    run,
  });
  return [
    plain("memcpy", () => target.set(source)),
    plain("encode 10+2 in place", () => code.encode(arenaData, arenaParity, SHARD_BYTES), 0.9),
    plain("encode 10+2 from ordinary buffers", () => code.encode(data, parity, SHARD_BYTES), 0.45),
    reconstructCase("one lost, in place", arena, [3], 0.6),
    reconstructCase("one lost, ordinary buffers", ordinary, [3], 0.6),
    reconstructCase("two lost, in place", arena, [1, 4], 0.35),
    reconstructCase("two lost, ordinary buffers", ordinary, [1, 4], 0.35),
    plain("verify 10+2 in place", () => void code.verify(arenaData, arenaParity, SHARD_BYTES)),
    plain("encode 10+4 from ordinary buffers", () => wide.encode(data, wideParity, SHARD_BYTES)),
    plain("encode 10+2 portable", () => portable.encode(data, parity, SHARD_BYTES)),
    plain("digest", () => void hashBytes(1, 2, source)),
    plain("digest portable", () => {
      portableHasher.reset(1, 2);
      portableHasher.update(source);
      portableHasher.digest();
    }),
    plain("zlib.crc32", () => void crc32(source)),
  ];
}

function measure(all: readonly Case[], rounds: number): Result[] {
  const times = new Map(all.map((one) => [one.name, [] as number[]]));
  for (let round = 0; round < WARM_UP_ROUNDS + rounds; round += 1) {
    for (const { name, run } of all) {
      const start = performance.now();
      run();
      const elapsedMs = performance.now() - start;
      if (round >= WARM_UP_ROUNDS) times.get(name)?.push(elapsedMs);
    }
  }
  const speeds = all.map(({ name }) =>
    (times.get(name) ?? []).map((ms) => OBJECT_BYTES / ms / 1e6).sort((a, b) => a - b),
  );
  const median = (sorted: readonly number[]) => sorted[sorted.length >> 1] ?? Number.NaN;
  return all.map(({ name, ratioMin }, index) => {
    const sorted = speeds[index] ?? [];
    return {
      name,
      gigabytesPerSecond: round2(median(sorted)),
      slowest: round2(sorted[0] ?? Number.NaN),
      fastest: round2(sorted.at(-1) ?? Number.NaN),
      ratioToMemcpy: round2(median(sorted) / median(speeds[0] ?? [])),
      ratioMin,
    };
  });
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}

async function baselineSpeeds(): Promise<ReadonlyMap<string, number>> {
  try {
    // Written by this file, below.
    const parsed = JSON.parse(await readFile(BASELINE, "utf8")) as { results: Result[] };
    return new Map(parsed.results.map((result) => [result.name, result.ratioToMemcpy]));
  } catch {
    return new Map();
  }
}

function table(results: readonly Result[], baseline: ReadonlyMap<string, number>): string {
  const rows = results.map((result) => [
    result.name,
    result.gigabytesPerSecond.toFixed(2),
    `${result.slowest.toFixed(2)}–${result.fastest.toFixed(2)}`,
    result.ratioToMemcpy.toFixed(2),
    result.ratioMin === null ? "" : `≥ ${result.ratioMin}`,
    baseline.get(result.name)?.toFixed(2) ?? "",
  ]);
  const all = [["case", "GB/s", "spread", "× memcpy", "bar", "baseline"], ...rows];
  const widths = all[0]?.map((_, column) =>
    Math.max(...all.map((row) => row[column]?.length ?? 0)),
  );
  return all
    .map((row) => row.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)).join("  "))
    .join("\n");
}

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    json: { type: "boolean", default: false },
    "write-baseline": { type: "boolean", default: false },
    rounds: { type: "string", default: "15" },
  },
});
const results = measure(cases(), Number(values.rounds));
const report = {
  machine: `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}`,
  node: version,
  parameters: `${OBJECT_BYTES / 1e6} MB, ${values.rounds} interleaved rounds, medians, warm buffers`,
  results,
};
if (values.json) {
  console.log(JSON.stringify(report, null, 2));
} else {
  console.log(`${report.machine}, Node ${report.node}; ${report.parameters}\n`);
  console.log(table(results, await baselineSpeeds()));
}
if (values["write-baseline"]) await writeFile(BASELINE, `${JSON.stringify(report, null, 2)}\n`);
const missed = results.filter(({ ratioMin, ratioToMemcpy }) => ratioToMemcpy < (ratioMin ?? 0));
for (const { name } of missed) console.error(`bar missed: ${name}`);
exit(missed.length > 0 ? 1 : 0);
