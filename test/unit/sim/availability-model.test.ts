// The availability model against the paper's formula worked out by hand, the published hourly figures, closed forms,
// and a seeded draw of the same question.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CodeSpec } from "../../../src/core/code.ts";
import type { NodeIndex } from "../../../src/core/ids.ts";
import { choosePlaces } from "../../../src/core/placement.ts";
import { sample } from "../../../src/platform/lambda-service/seeded-random.ts";
import { availability, reclaimRows } from "../../../src/sim/models/availability.ts";
import { Hypergeometric } from "../../../src/sim/models/hypergeometric.ts";
import { reclaimCounts } from "../../../src/sim/models/reclaim-counts.ts";
import { SeededRandom } from "../../../src/sim/seeded-random.ts";

const TEN_TWO: CodeSpec = { dataChunks: 10, parityChunks: 2 };
const TEN_ONE: CodeSpec = { dataChunks: 10, parityChunks: 1 };
const MINUTE_MS = 60_000;

function near(actual: number, expected: number, tolerance = 1e-9, what = ""): void {
  const isNear = Math.abs(actual - expected) <= tolerance * Math.max(Math.abs(expected), 1e-300);
  assert(isNear, `${what} ${actual} is not within ${tolerance} of ${expected}`);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}

/** Certainly this many. */
function exactly(reclaimed: number): number[] {
  return Array.from({ length: reclaimed + 1 }, (_, count) => (count === reclaimed ? 1 : 0));
}

function stripeLoss(nodes: number, code: CodeSpec, reclaimed: number): number {
  return reclaimRows({ nodes, code, stripes: 1 }, exactly(reclaimed))[0]?.stripeLoss ?? Number.NaN;
}

function choose(from: bigint, count: bigint): bigint {
  let ways = 1n;
  for (let i = 0n; i < count; i++) ways = (ways * (from - i)) / (i + 1n);
  return count > from ? 0n : ways;
}

test("model: P(r) has the check values of 400 nodes, for 10+2 and 10+1", () => {
  const expected: readonly [CodeSpec, number, string][] = [
    [TEN_TWO, 3, "2.1e-5"],
    [TEN_TWO, 5, "2.0e-4"],
    [TEN_TWO, 10, "2.2e-3"],
    [TEN_TWO, 12, "3.9e-3"],
    [TEN_TWO, 20, "1.8e-2"],
    [TEN_ONE, 2, "6.9e-4"],
    [TEN_ONE, 5, "6.6e-3"],
    [TEN_ONE, 10, "2.7e-2"],
    [TEN_ONE, 20, "1.0e-1"],
  ];
  for (const [code, reclaimed, value] of expected) {
    assert.equal(stripeLoss(400, code, reclaimed).toExponential(1), value, `P(${reclaimed})`);
  }
});

test("model: up to p reclaimed nodes lose nothing, and all nodes lose everything", () => {
  assert.equal(stripeLoss(400, TEN_TWO, 2), 0);
  near(stripeLoss(400, TEN_TWO, 400), 1);
  near(stripeLoss(12, TEN_TWO, 3), 1);
});

test("hypergeometric: equals whole-number arithmetic to ten digits, whatever the sizes", () => {
  const sizes = fc.integer({ min: 0, max: 1_000 }).chain((population) =>
    fc.record({
      population: fc.constant(population),
      marked: fc.integer({ min: 0, max: population }),
      drawn: fc.integer({ min: 0, max: Math.min(population, 40) }),
    }),
  );
  fc.assert(
    fc.property(sizes, ({ population, marked, drawn }) => {
      const found = new Hypergeometric(population).probabilities(marked, drawn);
      near(sum(found), 1, 1e-9);
      const [n, m, k] = [BigInt(population), BigInt(marked), BigInt(drawn)];
      for (const [i, value] of found.entries()) {
        const ways = choose(m, BigInt(i)) * choose(n - m, k - BigInt(i));
        // Thirty decimal places of the true quotient.
        const exact = Number((ways * 10n ** 30n) / choose(n, k)) / 1e30;
        if (exact > 1e-15) near(value, exact, 1e-10);
      }
    }),
    { numRuns: 60, seed: 20 },
  );
});

test("model: the published losses per minute are the published availabilities per hour", () => {
  const exposure = { nodes: 400, code: TEN_TWO, stripes: 1 };
  for (const [perMinute, perHour] of [
    [0.000_039, 0.9977],
    [0.0011, 0.936],
  ] as const) {
    const probability = perMinute / stripeLoss(400, TEN_TWO, 12);
    const counts = exactly(12).map((each) => each * probability);
    counts[0] = 1 - probability;
    const found = availability(exposure, counts, MINUTE_MS);
    near(found.lossPerInterval, perMinute);
    near(found.availabilityPerHour, perHour, 1e-3);
    near(found.lossPerHour, 1 - found.availabilityPerHour);
  }
});

test("model: the table of September 2019 loses what the paper says of that month, 0.0039 % a minute", () => {
  const counts = reclaimCounts({ kind: "heavy-tailed" }, 400, MINUTE_MS);
  near(sum(counts), 1);
  near(sum(counts.slice(0, 3)), 0.87);
  near(sum(counts.slice(10)), 2 / 1_440);
  const found = availability({ nodes: 400, code: TEN_TWO, stripes: 1 }, counts, MINUTE_MS);
  near(found.lossPerInterval, 0.000_039, 0.05);
  near(found.availabilityPerHour, 0.9977, 1e-3);
});

test("model: under memoryless reclaiming the chunks are independent, so the loss is a binomial tail", () => {
  for (const [perHour, intervalMs] of [
    [36, MINUTE_MS],
    [36, 3_600_000],
    [265, 300_000],
    [5_000, 3_600_000],
  ] as const) {
    const counts = reclaimCounts({ kind: "poisson", perHour }, 400, intervalMs);
    near(sum(counts), 1);
    const gone = -Math.expm1((-perHour / 400) * (intervalMs / 3_600_000));
    let tail = 0;
    for (let lost = 3; lost <= 12; lost++)
      tail += Number(choose(12n, BigInt(lost))) * gone ** lost * (1 - gone) ** (12 - lost);
    const exposure = { nodes: 400, code: TEN_TWO, stripes: 1 };
    near(availability(exposure, counts, intervalMs).lossPerInterval, tail, 1e-8, `${perHour}`);
  }
});

test("model: no reclaims lose nothing; a pool taken at once every six hours loses one interval in 360", () => {
  const exposure = { nodes: 400, code: TEN_TWO, stripes: 1 };
  const quiet = reclaimCounts({ kind: "poisson", perHour: 0 }, 400, MINUTE_MS);
  assert.equal(availability(exposure, quiet, MINUTE_MS).availabilityPerHour, 1);
  const mass = reclaimCounts({ kind: "mass", everyHours: 6 }, 400, MINUTE_MS);
  near(sum(mass), 1);
  near(availability(exposure, mass, MINUTE_MS).lossPerInterval, 1 / 360, 1e-2);
});

test("model: a survival far below the error of 1 is still right", () => {
  // One chunk on one of ten nodes, each gone within the hour but for e^-60.
  const counts = reclaimCounts({ kind: "poisson", perHour: 400 * 60 }, 10, 3_600_000);
  const exposure = { nodes: 10, code: { dataChunks: 1, parityChunks: 0 }, stripes: 1 };
  near(availability(exposure, counts, 3_600_000).availabilityPerHour, Math.exp(-60), 1e-6);
});

test("counts: observed minutes become shares, and a table scales to another pool with its mean", () => {
  const weights = new Map([
    [0, 6],
    [1, 3],
    [5, 1],
  ]);
  const counts = reclaimCounts({ kind: "counts", weights }, 24, MINUTE_MS);
  assert.deepEqual(counts.slice(0, 6), [0.6, 0.3, 0, 0, 0, 0.1]);
  const mean = (each: readonly number[]) => sum(each.map((share, count) => share * count));
  const large = reclaimCounts({ kind: "heavy-tailed" }, 400, MINUTE_MS);
  const small = reclaimCounts({ kind: "heavy-tailed" }, 30, MINUTE_MS);
  near(sum(small), 1);
  near(mean(small), (mean(large) * 30) / 400);
});

test("counts: over several minutes a node that is hit twice counts once", () => {
  const two = reclaimCounts({ kind: "counts", weights: new Map([[1, 1]]) }, 10, 2 * MINUTE_MS);
  near(two[1] ?? 0, 0.1);
  near(two[2] ?? 0, 0.9);
  const long = reclaimCounts({ kind: "heavy-tailed" }, 400, 240 * MINUTE_MS);
  near(sum(long), 1);
  // The mean of nodes never hit is a product over the minutes, whatever the table.
  const perMinute = reclaimCounts({ kind: "heavy-tailed" }, 400, MINUTE_MS);
  const spared = 1 - sum(perMinute.map((share, count) => share * count)) / 400;
  near(sum(long.map((share, count) => share * (1 - count / 400))), spared ** 240, 1e-8);
  assert.throws(() => reclaimCounts({ kind: "heavy-tailed" }, 400, 90_000), RangeError);
});

test("model: an object of more stripes is lost more often, at most in proportion", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 200 }),
      fc.integer({ min: 0, max: 60 }),
      (stripes, reclaimed) => {
        const counts = exactly(reclaimed);
        const loss = (many: number) =>
          availability({ nodes: 60, code: TEN_TWO, stripes: many }, counts, MINUTE_MS)
            .lossPerInterval;
        assert(loss(stripes) >= loss(1) - 1e-12 && loss(stripes) <= stripes * loss(1) + 1e-12);
      },
    ),
    { seed: 3 },
  );
});

test("model: agrees with 40,000 seeded draws through the placement that the proxy uses", () => {
  const [nodes, stripes, draws] = [40, 3, 40_000];
  const code: CodeSpec = { dataChunks: 4, parityChunks: 2 };
  const weights = new Map([
    [2, 1],
    [5, 2],
    [9, 1],
  ]);
  const counts = reclaimCounts({ kind: "counts", weights }, nodes, MINUTE_MS);
  const expected = availability({ nodes, code, stripes }, counts, MINUTE_MS).lossPerInterval;
  const random = new SeededRandom(7);
  // The cast numbers the nodes, as the proxy does.
  const free = Array.from({ length: nodes }, (_, at) => ({ node: at as NodeIndex, freeBytes: 1 }));
  let lost = 0;
  for (let draw = 0; draw < draws; draw++) {
    const reclaimed = random.pick([2, 5, 5, 9]);
    const gone = new Set<number>(sample(random, free, reclaimed).map(({ node }) => node));
    const isLost = Array.from({ length: stripes }, () => choosePlaces(free, 6, random) ?? []).some(
      (places) => places.filter((node) => gone.has(node)).length > code.parityChunks,
    );
    if (isLost) lost++;
  }
  const deviation = Math.sqrt((expected * (1 - expected)) / draws);
  assert(
    Math.abs(lost / draws - expected) < 4 * deviation,
    `${lost / draws}, expected ${expected} ± ${deviation}`,
  );
});
