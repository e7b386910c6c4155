// The judgement of registers against a naive twin that tries every order of all operations of one key.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { misplacedIn } from "../../../src/sim/register-order.ts";

/** A write, or the hit of one; `sees` is the number of the write in either case. */
interface Operation {
  readonly isWrite: boolean;
  readonly sees: number;
  readonly from: number;
  readonly to: number;
}

/** Whether some order respects time, and lets every hit follow its write with no other write in between. */
function canBeOrdered(left: readonly Operation[], inEffect: number | null): boolean {
  if (left.length === 0) return true;
  const firstEnd = Math.min(...left.map(({ to }) => to));
  return left.some((next) => {
    // Whatever ends before it begins comes first.
    if (next.from > firstEnd) return false;
    if (!next.isWrite && next.sees !== inEffect) return false;
    const rest = left.filter((other) => other !== next);
    return canBeOrdered(rest, next.sees);
  });
}

const arbitraryTime = fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 12 }));
/** Writes, each with the hits that saw it; no two ends or beginnings at once. */
const arbitraryRun = fc
  .array(fc.tuple(arbitraryTime, fc.array(arbitraryTime, { maxLength: 2 })), {
    minLength: 1,
    maxLength: 4,
  })
  .map((writes) => {
    const operations: Operation[] = [];
    let order = 0;
    const add = (isWrite: boolean, sees: number, [at, length]: readonly [number, number]): void => {
      order++;
      const from = at + order / 64;
      operations.push({ isWrite, sees, from, to: from + length + 1 / 128 });
    };
    for (const [sees, [time, hits]] of writes.entries()) {
      add(true, sees, time);
      for (const hit of hits) add(false, sees, hit);
    }
    return operations;
  })
  // Who sees what was not begun by then is judged elsewhere.
  .filter((operations) =>
    operations.every(
      ({ sees, to }) => (operations.find((each) => each.sees === sees)?.from ?? 0) <= to,
    ),
  );

test("register: a run is judged wrong exactly when no order of its operations explains it", () => {
  let wrong = 0;
  const property = fc.property(arbitraryRun, (operations) => {
    const spans = operations
      .filter(({ isWrite }) => isWrite)
      .map(({ sees }) => {
        const own = operations.filter((each) => each.sees === sees);
        return {
          firstEndAt: Math.min(...own.map(({ to }) => to)),
          lastBeginAt: Math.max(...own.map(({ from }) => from)),
        };
      });
    const isRight = canBeOrdered(operations, null);
    if (!isRight) wrong++;
    assert.equal(misplacedIn(spans).length === 0, isRight);
  });
  fc.assert(property, { numRuns: 1_000 });
  assert.ok(wrong > 50, `only ${wrong} runs were wrong`);
});
