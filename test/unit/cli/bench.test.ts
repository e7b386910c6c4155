// The load generator's pure parts: percentiles against sorting, key distributions against their law, mixes
// against their shares.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Histogram } from "../../../src/cli/bench/histogram.ts";
import { seededRandom } from "../../../src/cli/bench/random.ts";
import { BodySource } from "../../../src/cli/bench/run.ts";
import { createWorkload, type Distribution } from "../../../src/cli/bench/workload.ts";
import { ZipfSampler } from "../../../src/cli/bench/zipf.ts";

test("histogram: percentiles are within 1 % of those of the sorted list", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.002, max: 100_000, noNaN: true }), {
        minLength: 1,
        maxLength: 200,
      }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, share) => {
        const histogram = new Histogram();
        for (const value of values) histogram.record(value);
        const sorted = [...values].sort((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? 0;
        const found = histogram.percentile(share);
        assert(Math.abs(found - exact) <= exact * 0.0101, `${found} for ${exact}`);
      },
    ),
  );
});

test("histogram: knows both ends exactly, and is zero when empty", () => {
  const histogram = new Histogram();
  assert.equal(histogram.summary().p99, 0);
  for (const ms of [3.7, 12.25, 0.4]) histogram.record(ms);
  const { min, max, count } = histogram.summary();
  assert.deepEqual({ min, max, count }, { min: 0.4, max: 12.25, count: 3 });
});

test("zipf: the most popular of 1,000 ranks comes up as often as its law says", () => {
  const random = seededRandom(3);
  const zipf = new ZipfSampler(1_000);
  const counts = new Map<number, number>();
  const draws = 200_000;
  for (let draw = 0; draw < draws; draw++) {
    const rank = zipf.sample(random.u32() / 2 ** 32);
    assert(rank >= 0 && rank < 1_000);
    counts.set(rank, (counts.get(rank) ?? 0) + 1);
  }
  let zeta = 0;
  for (let rank = 1; rank <= 1_000; rank++) zeta += rank ** -0.99;
  const share = (counts.get(0) ?? 0) / draws;
  assert(Math.abs(share - 1 / zeta) < 0.01, `${share}`);
  assert((counts.get(0) ?? 0) > (counts.get(10) ?? 0) * 5);
});

test("zipf: one or two keys are drawn within bounds", () => {
  for (const count of [1, 2, 3]) {
    const zipf = new ZipfSampler(count);
    for (const uniform of [0, 0.3, 0.7, 0.999999]) {
      const rank = zipf.sample(uniform);
      assert(Number.isInteger(rank) && rank >= 0 && rank < count, `${rank} of ${count}`);
    }
  }
});

test("workload: the mixes of YCSB have their shares, and keys stay in range", () => {
  const shares: Readonly<Record<string, Readonly<Record<string, number>>>> = {
    "ycsb-a": { get: 0.5, put: 0.5 },
    "ycsb-b": { get: 0.95, put: 0.05 },
    "ycsb-c": { get: 1 },
    "ycsb-d": { get: 0.95, put: 0.05 },
    "ycsb-e": { scan: 0.95, put: 0.05 },
    "ycsb-f": { get: 0.5, modify: 0.5 },
  };
  for (const [name, expected] of Object.entries(shares)) {
    const spec = { op: "mixed", firstKey: 1, lastKey: 50, bytesMin: 10, bytesMax: 20 } as const;
    const workload = createWorkload(
      { ...spec, distribution: name as Distribution },
      seededRandom(1),
    );
    const counts: Record<string, number> = {};
    for (let step = 0; step < 20_000; step++) {
      const next = workload.next();
      counts[next.kind] = (counts[next.kind] ?? 0) + 1;
      assert(next.key >= 1);
      if (next.kind !== "scan") assert(next.bytes >= 10 && next.bytes <= 20);
    }
    for (const [kind, share] of Object.entries(expected)) {
      assert(Math.abs((counts[kind] ?? 0) / 20_000 - share) < 0.02, `${name} ${kind}`);
    }
  }
});

test("workload: the same seed draws the same steps", () => {
  const draw = () => {
    const spec = {
      op: "mixed",
      distribution: "zipf",
      firstKey: 1,
      lastKey: 9,
      bytesMin: 1,
      bytesMax: 99,
    } as const;
    const workload = createWorkload(spec, seededRandom(7));
    return Array.from({ length: 50 }, () => workload.next());
  };
  assert.deepEqual(draw(), draw());
});

test("bodies: another key's body, a shorter one and a changed end are found out", () => {
  const source = new BodySource(100, (into) => into.fill(7));
  const body = source.body(5, 100);
  assert(source.isRight(5, 100, body));
  assert(!source.isRight(6, 100, body));
  assert(!source.isRight(5, 100, body.subarray(0, 99)));
  body[99] = 8;
  assert(!source.isRight(5, 100, body));
});
