// Claims about what all transfers through a proxy may have on their way: a bound together, equal shares, and for each,
// whoever else is slow, a little.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CREDIT_BYTES_INITIAL } from "../../../src/core/limits.ts";
import { Part, PartPool } from "../../../src/proxy/part-pool.ts";
import { TransferBudget, type TransferCredit } from "../../../src/proxy/transfer-credit.ts";

const MIB = 1_024 * 1_024;
const BYTES_MAX = 32 * MIB;
const STEP_BYTES = 64 * 1_024;

test("credit: one transfer alone may have the most of a transfer on its way, and no more than it lacks", () => {
  const credit = new TransferBudget().begin();
  assert.equal(credit.draw(1_000), 1_000);
  assert.equal(credit.draw(1_000), 0, "all of it was allowed");
  assert.equal(
    credit.draw(10 * MIB),
    MIB / 2,
    "in steps: the rest of what it may have comes later",
  );
});

test("credit: a thousand that begin at once stay within the bound and a step for each", () => {
  const budget = new TransferBudget();
  const all = Array.from({ length: 1_000 }, () => budget.begin());
  for (const credit of all) assert.ok(credit.draw(4 * MIB) >= STEP_BYTES);
  assert.ok(budget.bytes <= BYTES_MAX + 1_000 * STEP_BYTES, `${budget.bytes}`);
});

test("credit: where more may be on its way together, each of many is allowed more at once", () => {
  const first = (bytesMax: number): number => {
    const budget = new TransferBudget(bytesMax);
    const all = Array.from({ length: 640 }, () => budget.begin());
    const bytes = all.map((credit) => credit.draw(4 * MIB));
    assert.ok(budget.bytes <= bytesMax + 640 * STEP_BYTES);
    return bytes[0] ?? 0;
  };
  assert.equal(first(BYTES_MAX), STEP_BYTES);
  assert.equal(first(16 * BYTES_MAX), MIB / 2);
});

test("credit: those whose readers do not read leave a step for each that comes later", () => {
  const budget = new TransferBudget();
  const pool = { budget } as PartPool; // As much of one as a part needs.
  for (let slow = 0; slow < 200; slow++) hold(budget.begin(), pool);
  assert.ok(budget.bytes <= BYTES_MAX + 200 * STEP_BYTES, `${budget.bytes}`);
  const later = budget.begin();
  let came = 0;
  for (let left = 4 * MIB; left > 0; ) {
    const bytes = later.draw(left);
    assert.ok(bytes > 0, "nothing of it is on its way, and yet it gets nothing");
    later.onReceived(bytes);
    later.onPassedOn(bytes);
    left -= bytes;
    came += bytes;
  }
  assert.equal(came, 4 * MIB);
});

test("credit: what was allowed and does not come is free again when the transfer begins anew or ends", () => {
  const budget = new TransferBudget();
  const credit = budget.begin();
  credit.draw(4 * MIB);
  credit.restart();
  assert.equal(budget.bytes, 0);
  credit.draw(4 * MIB);
  credit.end();
  credit.end();
  assert.equal(budget.bytes, 0);
  assert.equal(credit.draw(4 * MIB), 0, "it is over");
});

test("credit: whatever happens in whatever order, nothing stands still and the account ends at zero", () => {
  const steps = fc.array(fc.tuple(fc.nat(40), fc.nat(3), fc.integer({ min: 1, max: MIB })), {
    maxLength: 400,
  });
  fc.assert(
    fc.property(steps, (script) => {
      const pool = new PartPool();
      const rows = Array.from({ length: 41 }, () => ({
        credit: pool.budget.begin(),
        left: 3 * MIB,
        promised: 0,
        parts: [] as Part[],
      }));
      for (const [at, what, size] of script) {
        const row = rows[at];
        assert(row !== undefined);
        if (what === 0) {
          const bytes = row.credit.draw(row.left);
          row.promised += bytes;
          const isIdle = row.promised === 0 && row.parts.length === 0;
          assert(!isIdle || row.left === 0, "it waits for nothing");
        } else if (what === 1 && row.promised > 0) {
          const bytes = Math.min(size, row.promised);
          row.promised -= bytes;
          row.left -= bytes;
          row.credit.onReceived(bytes);
          row.parts.push(new Part(pool, pool.take(bytes), 0));
        } else if (what === 2) {
          const part = row.parts.shift();
          row.credit.onPassedOn(part?.bytes.length ?? 0);
          part?.release();
        } else if (what === 3) {
          row.promised = 0;
          row.credit.restart();
        }
        assert(pool.budget.bytes <= BYTES_MAX + rows.length * CREDIT_BYTES_INITIAL);
      }
      for (const { credit, parts } of rows) {
        for (const part of parts) part.release();
        credit.end();
      }
      assert.equal(pool.budget.bytes, 0);
    }),
    { numRuns: 200 },
  );
});

test("parts: a buffer comes back for a part of about its length, and short parts pin no long ones", () => {
  const pool = new PartPool();
  const first = new Part(pool, pool.take(MIB), 0);
  const { buffer } = first.bytes;
  first.release();
  assert.notEqual(pool.take(STEP_BYTES).buffer, buffer);
  assert.equal(pool.take(MIB - 5).buffer, buffer);
  assert.equal(pool.take(STEP_BYTES).buffer.byteLength, STEP_BYTES);
});

/** Takes what it is given, and passes nothing on. */
function hold(credit: TransferCredit, pool: PartPool): void {
  const bytes = credit.draw(4 * MIB);
  credit.onReceived(bytes);
  new Part(pool, new Uint8Array(bytes), 0);
}
