// How long a function is told to wait for more work, and what a node remembers of its breaks.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Purpose } from "../../../src/core/ports.ts";
import { LinkActivity } from "../../../src/proxy/link-activity.ts";
import { policyFor, type StayPlan } from "../../../src/proxy/stay.ts";

const BASE_MS = 24;
const GROWTH = 8;
const EVER = Number.POSITIVE_INFINITY;
const PLAN: StayPlan = { policy: { kind: "linger", lingerMs: BASE_MS }, growthMax: GROWTH };

function lingerAfter(breaks: readonly number[], purpose: Purpose = "serve"): number {
  const policy = policyFor(PLAN, { purpose, breaks });
  assert(policy.kind === "linger");
  return policy.lingerMs;
}

/** The rule in words: each break costs its length if it is sat through, and else the wait and four fees. */
function cost(lingerMs: number, breaks: readonly number[]): number {
  return breaks
    .map((each) => (each <= lingerMs ? each : lingerMs + 4 * BASE_MS))
    .reduce((sum, each) => sum + each, 0);
}

test("stay: a node that idled for long waits as long as costs one invoke fee", () => {
  for (const breaks of [[], [EVER], [EVER, 10_000], [10_000, 193, 5_000]])
    assert.equal(lingerAfter(breaks), BASE_MS);
});

test("stay: a node whose demand comes in turns waits for the next of a turn, also after the break between two", () => {
  assert.equal(lingerAfter([EVER, 40]), 60);
  assert.equal(lingerAfter([3_000, 35, 38, 3_000]), 53);
  assert.equal(lingerAfter([3_000, 35, 35, 3_000, 36, 36, 3_000]), 53);
});

test("stay: regular breaks are sat through up to what a wake is worth", () => {
  assert.equal(lingerAfter([110, 110, 110]), 165);
  assert.equal(lingerAfter([119, 119]), 179);
  assert.equal(lingerAfter([121, 121]), BASE_MS);
});

test("stay: one short break among many long ones is no reason to wait for another", () => {
  assert.equal(lingerAfter([9_000, 9_000, 40, 9_000, 9_000, 9_000, 9_000, 9_000]), BASE_MS);
});

test("stay: no wait is longer than the growth allows, or would have cost more than the shortest", () => {
  const breakMs = fc.oneof(fc.integer({ min: 25, max: 300 }), fc.constantFrom(EVER, 5_000));
  fc.assert(
    fc.property(fc.array(breakMs, { maxLength: 8 }), (breaks) => {
      const lingerMs = lingerAfter(breaks);
      assert(lingerMs >= BASE_MS && lingerMs <= GROWTH * BASE_MS);
      assert(cost(lingerMs, breaks) <= cost(BASE_MS, breaks));
      // Nor more than any other that it might have chosen: half as long again as one of the breaks.
      for (const each of breaks) {
        const other = Math.min(Math.round(1.5 * each), GROWTH * BASE_MS);
        if (other >= each) assert(cost(lingerMs, breaks) <= cost(Math.max(BASE_MS, other), breaks));
      }
    }),
  );
});

test("stay: other policies and what a user chose are as they are", () => {
  const cause = { purpose: "serve", breaks: [50, 50, 50] } as const;
  const cycle = { kind: "cycle", cycleMs: 100 } as const;
  assert.deepEqual(policyFor({ policy: cycle, growthMax: 1 }, cause), cycle);
  const chosen = { kind: "linger", lingerMs: 30 } as const;
  assert.deepEqual(policyFor({ policy: chosen, growthMax: 1 }, cause), chosen);
});

test("stay: who is kept warm or backed up waits for nothing", () => {
  for (const purpose of ["warm-up", "backup"] as const)
    assert.equal(lingerAfter([30, 30], purpose), 0);
});

test("activity: remembers the last eight breaks that were longer than every node waits", () => {
  const activity = new LinkActivity(BASE_MS);
  let now = 1_000;
  const wantedAfter = (ms: number, purpose: Purpose = "serve"): void => {
    now += ms;
    activity.noteWanted(purpose, now);
    now += 5;
    activity.noteWorked(now);
  };
  wantedAfter(0);
  assert.deepEqual(activity.breaks, [EVER]);
  wantedAfter(40);
  for (let count = 0; count < 20; count++) wantedAfter(3);
  wantedAfter(2_000);
  assert.deepEqual(activity.breaks, [EVER, 40, 2_000]);
  for (let count = 0; count < 8; count++) wantedAfter(50 + count);
  assert.deepEqual(activity.breaks, [50, 51, 52, 53, 54, 55, 56, 57]);
});

test("activity: Invokes that seek the primary are one break, and what nobody asked for is none", () => {
  const activity = new LinkActivity(BASE_MS);
  activity.noteWanted("serve", 5);
  activity.noteWanted("serve", 35);
  assert.deepEqual(activity.breaks, [EVER]);
  activity.noteWorked(100);
  activity.noteWanted("warm-up", 160);
  activity.noteWanted("backup", 170);
  activity.noteWanted("repair", 200);
  activity.noteWanted("serve", 230);
  assert.deepEqual(activity.breaks, [EVER, 100]);
});
