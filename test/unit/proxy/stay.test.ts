// How long a function is told to wait for more work.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeIndex } from "../../../src/core/ids.ts";
import type { Purpose } from "../../../src/core/ports.ts";
import type { InvokeCause } from "../../../src/proxy/link-context.ts";
import { Stays } from "../../../src/proxy/stay.ts";

const BASE_MS = 24;
const GROWTH = 8;
const NODE = nodeIndex(3);

function stays(): Stays {
  return new Stays({ policy: { kind: "linger", lingerMs: BASE_MS }, growthMax: GROWTH });
}

/** An Invoke after a break of its own. */
const after = (idleMs: number, purpose: Purpose = "serve"): InvokeCause => ({
  purpose,
  idleMs,
  workedAt: Number.isFinite(idleMs) ? worked++ : Number.NEGATIVE_INFINITY,
});
let worked = 0;

function lingers(idle: readonly number[]): readonly number[] {
  return lingersOf(idle.map((idleMs) => after(idleMs)));
}

function lingersOf(causes: readonly InvokeCause[]): readonly number[] {
  const all = stays();
  return causes.map((cause) => {
    const policy = all.policyOf(NODE, cause);
    assert(policy.kind === "linger");
    return policy.lingerMs;
  });
}

test("stay: a node that idled for long waits as long as costs one invoke fee", () => {
  assert.deepEqual(lingers([Number.POSITIVE_INFINITY, 10_000, 193]), [BASE_MS, BASE_MS, BASE_MS]);
});

test("stay: one short break is answered with a longer wait, two with the longest that covers both", () => {
  assert.deepEqual(lingers([Number.POSITIVE_INFINITY, 40, 100, 60, 190]), [24, 60, 150, 150, 192]);
});

test("stay: after one break only half of the growth is risked, and a long break ends it", () => {
  assert.deepEqual(lingers([1_000, 150, 1_000, 150, 150]), [24, 96, 24, 96, 192]);
});

test("stay: Invokes that seek the primary after one break are one break, not a habit", () => {
  const [first, second] = [after(50), after(60)];
  const seek = (cause: InvokeCause): InvokeCause => ({ ...cause, idleMs: cause.idleMs + 30 });
  assert.deepEqual(lingersOf([after(1_000), first, seek(first), seek(first)]), [24, 75, 96, 96]);
  assert.deepEqual(lingersOf([first, second, seek(second)]), [75, 90, 135]);
});

test("stay: nodes do not learn from one another, and other policies are as they are", () => {
  const all = stays();
  for (let times = 0; times < 3; times++) all.policyOf(NODE, after(50));
  assert.deepEqual(all.policyOf(nodeIndex(4), after(5_000)), { kind: "linger", lingerMs: 24 });
  const cycle = { kind: "cycle", cycleMs: 100 } as const;
  assert.deepEqual(new Stays({ policy: cycle, growthMax: 1 }).policyOf(NODE, after(5)), cycle);
});

test("stay: who is kept warm or backed up waits for nothing, and what a user chose is kept", () => {
  const all = stays();
  for (const purpose of ["warm-up", "backup"] as const)
    assert.deepEqual(all.policyOf(NODE, after(10, purpose)), { kind: "linger", lingerMs: 0 });
  const chosen = { kind: "linger", lingerMs: 70 } as const;
  const fixed = new Stays({ policy: chosen, growthMax: 1 });
  for (let times = 0; times < 3; times++)
    assert.deepEqual(fixed.policyOf(NODE, after(100)), chosen);
});
