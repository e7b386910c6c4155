// The cost ledger against the figures of the paper's cost model, and by property: parts add up to the
// whole. Expected values are computed by hand from published prices.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Ledger, PURPOSES } from "../../../src/core/ledger.ts";
import type { BillingReport, InvokeOutcome, Purpose } from "../../../src/core/ports.ts";
import { billedMs, breakEvenMs, PRICES } from "../../../src/core/prices.ts";

function report(billed: number, memoryMb = 1_536): BillingReport {
  return { durationMs: billed, billedMs: billed, memoryMb, maxMemoryMb: 100, initMs: null };
}

function near(actual: number, expected: number, digits = 3): void {
  assert.equal(actual.toPrecision(digits), expected.toPrecision(digits));
}

test("ledger: an hour of warm-up of the paper's 400 functions costs $0.0648 at the prices of 2020", () => {
  const ledger = new Ledger(PRICES["lambda-2020"], 1_536);
  for (let i = 0; i < 400 * 60; i++) ledger.recordReport("warm-up", report(100));
  near(ledger.report().byPurpose["warm-up"].dollars, 0.0648);
});

test("ledger: one GET of 12 chunks within 100 ms costs $3.24e-5 at the prices of 2020", () => {
  const ledger = new Ledger(PRICES["lambda-2020"], 1_536);
  for (let i = 0; i < 12; i++) ledger.recordReport("serve", report(100));
  near(ledger.report().total.dollars, 3.24e-5);
  // ElastiCache's $10.368 an hour, less the warm-up, buys about 312,000 of them.
  const perGet = ledger.report().total.dollars;
  assert.ok(Math.abs((10.368 - 0.0648) / perGet - 312_000) < 8_000);
});

test("prices: an invoke fee is worth 8 ms of 1.5 GB on x86 and 10 ms on arm", () => {
  assert.equal(Math.round(breakEvenMs(PRICES["lambda-x86"], 1_536)), 8);
  assert.equal(Math.round(breakEvenMs(PRICES["lambda-arm"], 1_536)), 10);
});

test("prices: time is billed in whole units, INIT only where the table says so", () => {
  const cases: readonly [keyof typeof PRICES, number, number, number][] = [
    ["lambda-x86", 0, 0, 1],
    ["lambda-x86", 1, 0, 1],
    ["lambda-x86", 1.01, 0, 2],
    ["lambda-x86", 10.5, 120, 131],
    ["lambda-2020", 0.5, 0, 100],
    ["lambda-2020", 100, 0, 100],
    ["lambda-2020", 100.1, 0, 200],
    ["lambda-2020", 99, 500, 100],
  ];
  for (const [name, durationMs, initMs, expected] of cases) {
    assert.equal(billedMs(PRICES[name], durationMs, initMs), expected, `${name} ${durationMs}`);
  }
});

test("prices: every table says when and where it was read", () => {
  for (const table of Object.values(PRICES)) {
    assert.match(table.asOf, /^\d{4}-\d\d-\d\d$/);
    assert.notEqual(table.source, "");
  }
});

test("ledger: what did not start costs nothing; what has no report is estimated and counted as such", () => {
  const ledger = new Ledger(PRICES["lambda-x86"], 1_024);
  const throttled = {
    kind: "notStarted",
    reason: "429",
    isThrottle: true,
    retryAfterMs: null,
  } as const;
  ledger.record("serve", throttled, 500);
  ledger.record("serve", { kind: "returned", payload: "", report: report(7, 1_024) }, 9);
  ledger.record("serve", { kind: "returned", payload: "", report: null }, 9.2);
  ledger.record("serve", { kind: "unknown", message: "reset" }, 1e9);
  const crash = { kind: "crashed", errorType: "x", message: "", report: report(3, 1_024) } as const;
  ledger.record("repair", crash, 5);
  const { byPurpose, estimatedInvocations, total } = ledger.report();
  assert.equal(byPurpose.serve.invocations, 3);
  assert.equal(byPurpose.serve.billedMs, 7 + 10 + 60_000);
  assert.equal(estimatedInvocations.serve, 2);
  assert.equal(estimatedInvocations.repair, 0);
  assert.equal(total.invocations, 4);
});

test("ledger: parts add up to the whole", () => {
  const reports = fc.record({
    billed: fc.integer({ min: 1, max: 900_000 }),
    memoryMb: fc.integer({ min: 128, max: 10_240 }),
  });
  const outcomes: fc.Arbitrary<InvokeOutcome> = fc.oneof(
    reports.map(
      (r): InvokeOutcome => ({
        kind: "returned",
        payload: "",
        report: report(r.billed, r.memoryMb),
      }),
    ),
    fc.constant<InvokeOutcome>({ kind: "unknown", message: "" }),
  );
  const entries = fc.array(
    fc.tuple(
      fc.constantFrom<Purpose>(...PURPOSES),
      outcomes,
      fc.double({ min: 0, max: 1e5, noNaN: true }),
    ),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(entries, (booked) => {
      const ledger = new Ledger(PRICES["lambda-arm"], 1_536);
      for (const [purpose, outcome, elapsedMs] of booked)
        ledger.record(purpose, outcome, elapsedMs);
      const { byPurpose, total } = ledger.report();
      const parts = PURPOSES.map((purpose) => byPurpose[purpose]);
      const sum = (pick: (part: (typeof parts)[number]) => number): number =>
        parts.reduce((acc, part) => acc + pick(part), 0);
      assert.equal(
        sum((part) => part.invocations),
        booked.length,
      );
      assert.equal(total.invocations, booked.length);
      assert.equal(
        sum((part) => part.billedMs),
        total.billedMs,
      );
      assert.ok(
        Math.abs(sum((part) => part.gbSeconds) - total.gbSeconds) <= 1e-9 * total.gbSeconds,
      );
      assert.ok(Math.abs(sum((part) => part.dollars) - total.dollars) <= 1e-9 * total.dollars);
    }),
  );
});
