// The suite `compare`: how long does one PUT, and one GET, of 1 KB to 100 MB take, beside Redis and memcached on
// the same machine in the same minutes? Rounds of all contestants are interleaved, so that what else the machine
// does falls on all of them. One operation at a time; every body that comes back is checked.

import { randomFillSync } from "node:crypto";
import { Histogram } from "../src/cli/bench/histogram.ts";
import { BodySource } from "../src/cli/bench/run.ts";
import { formatBytes } from "../src/cli/units.ts";
import { type Contestant, openContest } from "./contestants.ts";
import { type BenchReport, describeMachine, type ResultRow } from "./report.ts";

/** What can be chosen. */
export interface CompareOptions {
  readonly sizes: readonly number[];
  readonly rounds: number;
  /** Flags for `infinicache up`. */
  readonly flags: readonly string[];
  readonly note: (line: string) => void;
}

/** Few operations of large sizes, many of small ones: each size takes some seconds. */
const BYTES_PER_ROUND = 40_000_000;
const OPERATIONS_PER_ROUND_MAX = 40;
/** Different keys in a round; the same ones in each round, so overwriting is part of it. */
const KEYS_MAX = 4;

/** Runs the suite. */
export async function compare(options: CompareOptions): Promise<BenchReport> {
  const { sizes, rounds, flags, note } = options;
  const bytesMax = Math.max(...sizes);
  const contest = await openContest(flags, bytesMax);
  for (const each of contest.absent) note(`left out, since it is not installed: ${each}`);
  try {
    const bodies = new BodySource(bytesMax, (into) => void randomFillSync(into));
    const rows: ResultRow[] = [];
    for (const bytes of sizes) {
      note(`${formatBytes(bytes)} …`);
      rows.push(...(await measureSize(contest.contestants, bodies, bytes, rounds)));
    }
    const machine = describeMachine();
    const parameters = { sizes, rounds, flags, concurrency: 1 };
    return { suite: "compare", at: new Date().toISOString(), machine, parameters, rows };
  } finally {
    await contest.close();
  }
}

class Measure {
  readonly put = new Histogram();
  readonly get = new Histogram();
  wrong = 0;
}

async function measureSize(
  contestants: readonly Contestant[],
  bodies: BodySource,
  bytes: number,
  rounds: number,
): Promise<ResultRow[]> {
  const perRound = Math.max(
    1,
    Math.min(OPERATIONS_PER_ROUND_MAX, Math.floor(BYTES_PER_ROUND / bytes)),
  );
  const measures = new Map(contestants.map(({ name }) => [name, new Measure()]));
  // The first round warms code, connections and memory on all sides, and is not counted.
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const contestant = contestants[(turn + round) % contestants.length];
      const measure = measures.get(contestant?.name ?? "");
      if (contestant === undefined || measure === undefined) continue;
      await measureRound(
        contestant,
        bodies,
        bytes,
        perRound,
        round === 0 ? new Measure() : measure,
      );
    }
  }
  return contestants.flatMap(({ name }) => {
    const measure = measures.get(name) ?? new Measure();
    return (["put", "get"] as const).map((op) => {
      const wrong = op === "get" ? measure.wrong : 0;
      return { name, op, bytes, latency: measure[op].summary(), wrong };
    });
  });
}

async function measureRound(
  { client, name }: Contestant,
  bodies: BodySource,
  bytes: number,
  count: number,
  measure: Measure,
): Promise<void> {
  const keyOf = (index: number) =>
    `compare-${name.replaceAll(/\W+/g, "-")}-${bytes}-${index % KEYS_MAX}`;
  for (let index = 0; index < count; index++) {
    const body = bodies.body(index % KEYS_MAX, bytes);
    const startedAt = performance.now();
    await client.put(keyOf(index), body);
    measure.put.record(performance.now() - startedAt);
  }
  for (let index = 0; index < count; index++) {
    const startedAt = performance.now();
    const found = await client.get(keyOf(index));
    measure.get.record(performance.now() - startedAt);
    if (found === null || !bodies.isRight(index % KEYS_MAX, bytes, found)) measure.wrong++;
  }
}
