// Both billing policies, as tables of what happened and when the instance is due to leave.
// Times are milliseconds after the start of the invocation.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Activity, createPolicy } from "../../../src/core/billing-policy.ts";

const STARTED_AT = 1_000;

/** What happens, at which time after the start; and when the instance is due, after the start. */
interface Row {
  readonly events: readonly (readonly [afterMs: number, activity: Activity])[];
  readonly dueMs: number;
}

const linger10: readonly Row[] = [
  { events: [], dueMs: 10 },
  { events: [[3, "request"]], dueMs: 13 },
  {
    events: [
      [3, "request"],
      [40, "end"],
    ],
    dueMs: 50,
  },
  {
    events: [
      [3, "request"],
      [5, "end"],
      [9, "ping"],
    ],
    dueMs: 19,
  },
  { events: [[250, "ping"]], dueMs: 260 },
];

// 1,536 MB leaves 5 ms before the end of a cycle.
const cycle100: readonly Row[] = [
  { events: [], dueMs: 95 },
  { events: [[10, "request"]], dueMs: 95 },
  // The second request within a cycle buys one more.
  {
    events: [
      [10, "request"],
      [90, "request"],
    ],
    dueMs: 195,
  },
  {
    events: [
      [10, "request"],
      [20, "request"],
      [30, "request"],
    ],
    dueMs: 195,
  },
  // One in each cycle buys nothing but its own.
  {
    events: [
      [90, "request"],
      [110, "request"],
    ],
    dueMs: 195,
  },
  {
    events: [
      [90, "request"],
      [110, "request"],
      [120, "request"],
    ],
    dueMs: 295,
  },
  // Work that ends in a later cycle uses that one up.
  {
    events: [
      [10, "request"],
      [340, "end"],
    ],
    dueMs: 395,
  },
  // It ended within the lead: due at once.
  {
    events: [
      [10, "request"],
      [397, "end"],
    ],
    dueMs: 395,
  },
  { events: [[40, "ping"]], dueMs: 195 },
  { events: [[98, "ping"]], dueMs: 195 },
  {
    events: [
      [40, "ping"],
      [150, "request"],
    ],
    dueMs: 195,
  },
];

test("billing policy: linger is due its time after the last activity", () => {
  for (const row of linger10) check({ kind: "linger", lingerMs: 10 }, 1_536, row);
});

test("billing policy: linger of 0 is due at once", () => {
  check({ kind: "linger", lingerMs: 0 }, 1_536, {
    events: [
      [7, "request"],
      [9, "end"],
    ],
    dueMs: 9,
  });
});

test("billing policy: cycle is due shortly before the end of the last cycle that was bought", () => {
  for (const row of cycle100) check({ kind: "cycle", cycleMs: 100 }, 1_536, row);
});

test("billing policy: the lead before the end of a cycle is 10 to 2 ms, by memory", () => {
  const leads: readonly [memoryMb: number, dueMs: number][] = [
    [128, 90],
    [895, 90],
    [896, 95],
    [1_768, 95],
    [1_769, 98],
    [3_008, 98],
  ];
  for (const [memoryMb, dueMs] of leads) {
    check({ kind: "cycle", cycleMs: 100 }, memoryMb, { events: [], dueMs });
  }
});

test("billing policy: the lead of a very short cycle is at most half of it", () => {
  check({ kind: "cycle", cycleMs: 1 }, 128, { events: [], dueMs: 0.5 });
});

test("billing policy: a due time never goes back", () => {
  const steps = fc.array(
    fc.tuple(fc.nat(300), fc.constantFrom<Activity>("request", "ping", "end")),
    { maxLength: 50 },
  );
  const specs = fc.constantFrom(
    { kind: "linger", lingerMs: 10 } as const,
    { kind: "cycle", cycleMs: 100 } as const,
  );
  fc.assert(
    fc.property(specs, steps, (spec, events) => {
      const policy = createPolicy(spec, 0, 1_536);
      let now = 0;
      let dueAt = policy.dueAt();
      for (const [waitMs, activity] of events) {
        now += waitMs;
        policy.onActivity(now, activity);
        assert.ok(policy.dueAt() >= dueAt);
        dueAt = policy.dueAt();
      }
    }),
  );
});

function check(spec: Parameters<typeof createPolicy>[0], memoryMb: number, row: Row): void {
  const policy = createPolicy(spec, STARTED_AT, memoryMb);
  for (const [afterMs, activity] of row.events) policy.onActivity(STARTED_AT + afterMs, activity);
  const events = row.events.map(([afterMs, activity]) => `${activity} at ${afterMs}`).join(", ");
  assert.equal(policy.dueAt() - STARTED_AT, row.dueMs, `${spec.kind}: ${events}`);
}
