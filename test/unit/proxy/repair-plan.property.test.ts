// The plan of repairs and its budget under random sequences: the order, one claim at a time, no more memory and no more
// bytes and money than they may use. Each is compared with what a naive look at everything says.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { instanceId, nodeIndex, type ObjectKey, version } from "../../../src/core/ids.ts";
import { layoutOfStripes } from "../../../src/core/layout.ts";
import type { ObjectVersion } from "../../../src/proxy/object-version.ts";
import { RepairBudget } from "../../../src/proxy/repair-budget.ts";
import {
  CLAIM_MS_MAX,
  type DegradedStripe,
  missingOf,
  RepairPlan,
} from "../../../src/proxy/repair-plan.ts";

const CODE = { dataChunks: 3, parityChunks: 3 };
const CHUNKS = 6;
const STRIPES = 2;
const nobody = (): boolean => false;

function objectOf(number: number, usedAt = 0): ObjectVersion {
  return {
    key: `k${number}` as ObjectKey, // A plain ASCII key.
    keyHash: new Uint8Array(16),
    version: version(number),
    code: CODE,
    layout: layoutOfStripes(STRIPES, 300, 300),
    createdAtMs: 0,
    expiresAtMs: 0,
    metadata: [],
    places: Array.from({ length: STRIPES * CHUNKS }, (_, at) => ({
      node: nodeIndex(at % CHUNKS),
      instance: instanceId("i"),
    })),
    usedAt,
    pins: 0,
    isCurrent: true,
  };
}

/** Loses so many chunks of a stripe, or gives all back with 0. */
function lose(plan: RepairPlan, object: ObjectVersion, stripe: number, count: number): void {
  for (let index = 0; index < CHUNKS; index++) {
    const place = object.places[stripe * CHUNKS + index];
    if (place !== undefined) place.instance = index < count ? null : instanceId("i");
  }
  plan.note(object, stripe);
}

test("repair plan: what is taken is always the stripe with the least to spare, then the one used last; never one that is claimed or pausing", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("lose" as const),
      object: fc.nat(7),
      stripe: fc.nat(STRIPES - 1),
      count: fc.nat(CHUNKS),
    }),
    fc.record({ kind: fc.constant("use" as const), object: fc.nat(7), usedAt: fc.nat(100) }),
    fc.record({ kind: fc.constant("retire" as const), object: fc.nat(7) }),
    fc.record({ kind: fc.constant("take" as const) }),
    fc.record({ kind: fc.constant("release" as const), isFailure: fc.boolean() }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(2 * CLAIM_MS_MAX) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const plan = new RepairPlan();
      const objects = Array.from({ length: 8 }, (_, at) => objectOf(at + 1));
      const claimed = new Map<string, number>();
      const pausing = new Map<string, number>();
      const held: DegradedStripe[] = [];
      let now = 0;
      const name = ({ object, stripe }: DegradedStripe): string => `${object.version}.${stripe}`;
      const degraded = (): DegradedStripe[] =>
        objects
          .filter(({ isCurrent }) => isCurrent)
          .flatMap((object) => [0, 1].map((stripe) => ({ object, stripe })))
          .filter(({ object, stripe }) => {
            const missing = missingOf(object, stripe).length;
            return missing > 0 && missing <= CODE.parityChunks;
          });
      for (const each of steps) {
        const object = "object" in each ? objects[each.object] : undefined;
        if (each.kind === "lose" && object?.isCurrent === true) {
          lose(plan, object, each.stripe, each.count);
          const isListed = each.count > 0 && each.count <= CODE.parityChunks;
          if (!isListed) {
            claimed.delete(name({ object, stripe: each.stripe }));
            pausing.delete(name({ object, stripe: each.stripe }));
          }
        } else if (each.kind === "use" && object !== undefined) object.usedAt = each.usedAt;
        else if (each.kind === "retire" && object !== undefined) {
          object.isCurrent = false;
          plan.forget(object);
        } else if (each.kind === "wait") now += each.ms;
        else if (each.kind === "take") {
          const free = degraded().filter(
            (stripe) =>
              (claimed.get(name(stripe)) ?? 0) <= now && (pausing.get(name(stripe)) ?? 0) <= now,
          );
          const spare = (of: DegradedStripe): number =>
            CODE.parityChunks - missingOf(of.object, of.stripe).length;
          const rank = (of: DegradedStripe): readonly number[] => [
            spare(of),
            -of.object.usedAt,
            -Number(of.object.version),
          ];
          const best = free.map(rank).sort((a, b) => compare(a, b))[0];
          const taken = plan.take(now, nobody);
          assert.deepEqual(taken === null ? undefined : rank(taken), best);
          if (taken === null) continue;
          claimed.set(name(taken), now + CLAIM_MS_MAX);
          held.push(taken);
        } else if (each.kind === "release") {
          const taken = held.shift();
          if (taken === undefined) continue;
          const isListed = degraded().some((of) => name(of) === name(taken));
          assert.equal(plan.release(taken, now, each.isFailure), !isListed);
          claimed.delete(name(taken));
          const next = plan.nextAt(now);
          if (!isListed || !each.isFailure) continue;
          assert.ok(next !== null && next > now, "one that failed pauses");
          // Doubling from half a second to half a minute: what it is exactly, the plan alone knows.
          for (let at = now; at <= now + 40_000; at += 250)
            if (!isPausing(plan, taken, at)) {
              pausing.set(name(taken), at);
              break;
            }
          assert.ok((pausing.get(name(taken)) ?? 0) > now);
        }
        assert.equal(plan.size, degraded().length);
        assert.equal(
          plan.exposed,
          degraded().filter((of) => missingOf(of.object, of.stripe).length === CODE.parityChunks)
            .length,
        );
      }
    }),
    { numRuns: 300 },
  );
});

/** Whether the stripe could not be taken at that time; claims nothing. */
function isPausing(plan: RepairPlan, stripe: DegradedStripe, at: number): boolean {
  const seen: DegradedStripe[] = [];
  plan.take(at, (each) => {
    seen.push(each);
    return true; // So that nothing is taken, and all that could be are looked at.
  });
  return !seen.some((each) => each.object === stripe.object && each.stripe === stripe.stripe);
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

test("repair plan: it never lists more than its maximum, keeps those with least to spare, and finds the others again", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 40 }), (counts) => {
      const most = 6;
      const plan = new RepairPlan(most);
      const objects = counts.map((_, at) => objectOf(at + 1));
      for (const [at, count] of counts.entries()) {
        const object = objects[at];
        if (object !== undefined) lose(plan, object, 0, count);
        assert.ok(plan.size <= most);
      }
      const exposed = counts.filter((count) => count === CODE.parityChunks).length;
      assert.equal(plan.exposed, Math.min(most, exposed));
      let repaired = 0;
      for (let now = 0; repaired < counts.length; now++) {
        if (plan.wantsRestock) plan.restock(objects);
        const taken = plan.take(now, nobody);
        assert.ok(taken !== null, `${repaired} of ${counts.length} were found`);
        lose(plan, taken.object, taken.stripe, 0);
        repaired++;
      }
      assert.equal(plan.size, 0);
    }),
  );
});

test("repair budget: in no span of time do more bytes begin than its rate, one second's bytes and one repair", () => {
  const step = fc.record({ waitMs: fc.nat(3_000), bytes: fc.integer({ min: 1, max: 5_000 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const bytesPerSecond = 1_000;
      const budget = new RepairBudget({ bytesPerSecond, dollarsPerHour: 1 }, 0);
      const begun: { at: number; bytes: number }[] = [];
      let now = 0;
      for (const { waitMs, bytes } of steps) {
        now += waitMs;
        const wait = budget.waitMs(now, 0);
        if (wait > 0) {
          assert.ok(budget.waitMs(now + wait, 0) === 0, "who waits as long as told may begin");
          continue;
        }
        budget.spend(bytes, now);
        begun.push({ at: now, bytes });
      }
      for (const [first, from] of begun.entries()) {
        let sum = 0;
        let largest = 0;
        for (const { at, bytes } of begun.slice(first)) {
          sum += bytes;
          largest = Math.max(largest, bytes);
          const allowed = bytesPerSecond * ((at - from.at) / 1_000 + 1) + largest;
          assert.ok(sum <= allowed + 1e-6, `${sum} bytes, ${allowed} allowed`);
        }
      }
    }),
  );
});

test("repair budget: within an hour nothing begins once its money is spent, and again when the hour has moved on", () => {
  const budget = new RepairBudget({ bytesPerSecond: 1e6, dollarsPerHour: 0.5 }, 0);
  const minute = 60_000;
  let dollars = 3; // Of earlier hours, before anybody asked.
  const begun: number[] = [];
  for (let at = 0; at < 5 * 60; at++) {
    if (budget.waitMs(at * minute, dollars) > 0) continue;
    dollars += 0.125; // Without a rounding error.
    begun.push(at);
  }
  for (const from of begun) {
    const within = begun.filter((at) => at >= from && at < from + 60).length;
    assert.ok(within <= 4, `${within} of 12.5 cents each within the hour from minute ${from}`);
  }
  assert.ok(begun.length >= 16, `${begun.length} in five hours`);
});

test("repair budget: a rate of 0 is no repair at all", () => {
  const budget = new RepairBudget({ bytesPerSecond: 0, dollarsPerHour: 1 }, 0);
  assert.equal(budget.waitMs(1e9, 0), Number.POSITIVE_INFINITY);
});
