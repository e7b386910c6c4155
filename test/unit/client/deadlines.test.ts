// The deadlines of many operations by one timer: each is told in its own millisecond, whatever the others do.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Deadlines, type Expiring } from "../../../src/client/deadlines.ts";
import type { Timer } from "../../../src/core/ports.ts";
import { HandClock } from "./world.ts";

const EXTENSION_MS = 7;

/** Counts the timers that were set. */
class CountingClock extends HandClock {
  timersMade = 0;

  override setTimer(delayMs: number, fire: () => void): Timer {
    this.timersMade += 1;
    return super.setTimer(delayMs, fire);
  }
}

/** Somebody with a deadline, which it moves as often as it has extensions. */
interface Waiter extends Expiring {
  ticket: number;
  dueAt: number;
  readonly toldAt: number[];
}

interface Step {
  /** A new one is due after this; null: the one named is removed. */
  readonly delayMs: number | null;
  readonly extensions: number;
  readonly which: number;
  readonly thenMs: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  delayMs: fc.option(fc.integer({ min: 0, max: 50 })),
  extensions: fc.integer({ min: 0, max: 2 }),
  which: fc.nat(20),
  thenMs: fc.integer({ min: 0, max: 30 }),
});

test("deadlines: each is told when it is due, again when it has moved, never once it was removed", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const clock = new CountingClock();
      const deadlines = new Deadlines(clock);
      const waiters: Waiter[] = [];
      const expected: number[][] = [];
      for (const { delayMs, extensions, which, thenMs } of steps) {
        const now = clock.now();
        if (delayMs === null) {
          const removed = waiters[which];
          if (removed !== undefined) deadlines.remove(removed.ticket);
          expected[which] = (expected[which] ?? []).filter((at) => at <= now);
        } else {
          let left = extensions;
          const waiter: Waiter = {
            dueAt: now + delayMs,
            ticket: 0,
            toldAt: [],
            onDue: () => {
              waiter.toldAt.push(clock.now());
              if (left-- > 0) waiter.dueAt = clock.now() + EXTENSION_MS;
              else deadlines.remove(waiter.ticket);
            },
            abandon: () => assert.fail("the client lives"),
          };
          expected[waiters.length] = Array.from(
            { length: extensions + 1 },
            (_, time) => now + delayMs + time * EXTENSION_MS,
          );
          waiters.push(waiter);
          waiter.ticket = deadlines.add(waiter);
        }
        await clock.pass(thenMs);
      }
      await clock.pass(1_100);
      for (const [index, { toldAt }] of waiters.entries())
        assert.deepEqual(toldAt, expected[index], `waiter ${index}`);
      assert.equal(deadlines.count, 0);
      assert.equal(clock.pendingCount, 0);
    }),
    { numRuns: 60 },
  );
});

test("deadlines: operations that end in time cost two timers together, and none is left a second later", async () => {
  const clock = new CountingClock();
  const deadlines = new Deadlines(clock);
  for (let count = 0; count < 1_000; count++) {
    const expiring = waiting(clock.now() + 60_000, () => assert.fail("it had ended"));
    deadlines.remove(deadlines.add(expiring));
  }
  assert.equal(clock.timersMade, 2);
  await clock.pass(1_000);
  assert.equal(clock.pendingCount, 0);
});

test("deadlines: when the client ends, each that is under way is told once, and none that an earlier one ended", () => {
  const deadlines = new Deadlines(new CountingClock());
  const told: string[] = [];
  const tickets = new Map<string, number>();
  for (const name of ["first", "ended", "ended by first", "last"]) {
    const each = waiting(60_000, (error) => {
      told.push(`${name}: ${String(error)}`);
      deadlines.remove(tickets.get(name) ?? 0);
      if (name === "first") deadlines.remove(tickets.get("ended by first") ?? 0);
    });
    tickets.set(name, deadlines.add(each));
  }
  deadlines.remove(tickets.get("ended") ?? 0);
  deadlines.abandonAll("closed");
  assert.deepEqual(told, ["first: closed", "last: closed"]);
  assert.equal(deadlines.count, 0);
});

function waiting(dueAt: number, abandon: (error: unknown) => void): Expiring {
  return { dueAt, onDue: () => assert.fail("it was not due"), abandon };
}
