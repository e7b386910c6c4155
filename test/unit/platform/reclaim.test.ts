// The reclaim models in virtual time: rates and shapes against what was measured, and that a seed
// decides everything.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createReclaimModel,
  HEAVY_TAIL,
  type ReclaimCandidate,
  type ReclaimSpec,
} from "../../../src/platform/lambda-service/reclaim.ts";
import { seededRandom } from "../../../src/platform/lambda-service/seeded-random.ts";

const MINUTE_MS = 60_000;

/** Steps once a minute over a pool; `refill` replaces what was taken, as a warmed pool does. */
function run(
  spec: ReclaimSpec,
  options: { seed: number; pool: number; minutes: number; refill: boolean },
): number[] {
  const model = createReclaimModel(spec, seededRandom(options.seed), 0);
  const fresh = (): ReclaimCandidate[] =>
    Array.from({ length: options.pool }, (_, index) => ({ id: `i${index}`, idleSinceMs: 0 }));
  let idle = fresh();
  const counts: number[] = [];
  for (let minute = 1; minute <= options.minutes; minute++) {
    const taken = new Set(model.step(minute * MINUTE_MS, idle));
    counts.push(taken.size);
    idle = options.refill ? fresh() : idle.filter(({ id }) => !taken.has(id));
  }
  return counts;
}

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

test("reclaim none: takes nothing", () => {
  assert.equal(sum(run({ kind: "none" }, { seed: 1, pool: 400, minutes: 600, refill: true })), 0);
});

test("reclaim idle: instances halve at every multiple of 380 s and not between", () => {
  const model = createReclaimModel({ kind: "idle" }, seededRandom(7), 0);
  let idle = Array.from({ length: 1024 }, (_, index) => ({ id: `i${index}`, idleSinceMs: 0 }));
  for (let period = 1; period <= 4; period++) {
    assert.equal(model.step(period * 380_000 - 1, idle).length, 0);
    const before = idle.length;
    const taken = new Set(model.step(period * 380_000, idle));
    idle = idle.filter(({ id }) => !taken.has(id));
    assert.ok(Math.abs(idle.length / before - 0.5) < 0.12, `${before} became ${idle.length}`);
  }
});

test("reclaim idle: an instance that is used again starts anew", () => {
  const model = createReclaimModel({ kind: "idle" }, seededRandom(3), 0);
  for (let at = 0; at < 3_600_000; at += 60_000) {
    const idle = Array.from({ length: 100 }, (_, index) => ({ id: `i${index}`, idleSinceMs: at }));
    assert.equal(model.step(at + 59_000, idle).length, 0);
  }
});

test("reclaim idle: a step over several periods takes as much as single steps", () => {
  const model = createReclaimModel({ kind: "idle", halvingS: 10 }, seededRandom(5), 0);
  const idle = Array.from({ length: 4000 }, (_, index) => ({ id: `i${index}`, idleSinceMs: 0 }));
  const left = 4000 - model.step(30_000, idle).length;
  assert.ok(Math.abs(left - 500) < 90, `${left} of 4000 are left after three halvings`);
});

test("reclaim poisson: 36 an hour over 400 by default", () => {
  const taken = sum(
    run({ kind: "poisson" }, { seed: 11, pool: 400, minutes: 50 * 60, refill: true }),
  );
  assert.ok(Math.abs(taken / 50 - 36) < 4, `${taken / 50} an hour`);
});

test("reclaim heavy-tailed: the table is a distribution with the measured points", () => {
  const total = HEAVY_TAIL.reduce((before, [, probability]) => before + probability, 0);
  assert.ok(Math.abs(total - 1) < 1e-9);
  assert.ok(HEAVY_TAIL.every(([, probability]) => probability > 0));
  const share = (isIn: (count: number) => boolean): number =>
    HEAVY_TAIL.filter(([count]) => isIn(count)).reduce((before, [, p]) => before + p, 0);
  assert.ok(Math.abs(share((count) => count <= 2) - 0.87) < 1e-9);
  assert.ok(Math.abs(share((count) => count >= 10) - 2 / 1440) < 1e-9);
});

test("reclaim heavy-tailed: 87 % of minutes lose at most two of 400", () => {
  const counts = run(
    { kind: "heavy-tailed" },
    { seed: 2, pool: 400, minutes: 20 * 1440, refill: true },
  );
  const small = counts.filter((count) => count <= 2).length / counts.length;
  const large = counts.filter((count) => count >= 10).length / counts.length;
  assert.ok(Math.abs(small - 0.87) < 0.01, `${small}`);
  assert.ok(large > 0.0005 && large < 0.003, `${large}`);
});

test("reclaim mass: nothing for six hours, then 60 to 100 % at once", () => {
  const counts = run({ kind: "mass" }, { seed: 9, pool: 400, minutes: 24 * 60, refill: true });
  counts.forEach((count, index) => {
    if ((index + 1) % 360 === 0) assert.ok(count >= 240 && count <= 400, `${count}`);
    else assert.equal(count, 0);
  });
});

test("reclaim: the same seed takes the same instances, another seed others", () => {
  for (const kind of ["idle", "poisson", "heavy-tailed", "mass"] as const) {
    const options = { pool: 400, minutes: 500, refill: true };
    const first = run({ kind }, { seed: 1, ...options });
    assert.deepEqual(run({ kind }, { seed: 1, ...options }), first);
    if (kind !== "idle") assert.notDeepEqual(run({ kind }, { seed: 2, ...options }), first);
  }
});
