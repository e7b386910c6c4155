// The cost model against the paper's figures at the prices of 2020, and against the ledger that books real
// invocations.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Ledger } from "../../../src/core/ledger.ts";
import { PRICES } from "../../../src/core/prices.ts";
import {
  crossoverGetsPerHour,
  hourlyCost,
  type PoolLoad,
} from "../../../src/sim/models/hourly-cost.ts";

const PAPER: PoolLoad = {
  nodes: 400,
  memoryMb: 1_536,
  warmUp: { everyMs: 60_000, runMs: 2 },
  backup: { everyMs: 0, runMs: 0 },
  getsPerHour: 750,
  chunksPerGet: 12,
  chunkMs: 100,
};

test("cost: 2020: warm-up is $0.0648 an hour, a GET of 12 chunks $3.24e-5", () => {
  const cost = hourlyCost(PRICES["lambda-2020"], PAPER);
  assert.equal(cost.warmUp.toPrecision(3), "0.0648");
  assert.equal(cost.perGet.toExponential(2), "3.24e-5");
  assert.equal(cost.backup, 0);
  assert.equal(cost.total, cost.serving + cost.warmUp);
});

test("cost: 2020: against $10.368 an hour it crosses at 312,000 GETs, with backups of 1.6 s", () => {
  const load = { ...PAPER, backup: { everyMs: 300_000, runMs: 1_600 } };
  const crossover = crossoverGetsPerHour(hourlyCost(PRICES["lambda-2020"], load), 10.368);
  assert.equal(Math.round(crossover / 1_000), 312);
});

test("cost: a machine cheaper than the warm-up alone wins from the first GET on", () => {
  assert.equal(crossoverGetsPerHour(hourlyCost(PRICES["lambda-2020"], PAPER), 0.01), 0);
});

test("cost: the model and the ledger agree on an hour, under every price table", () => {
  for (const prices of Object.values(PRICES)) {
    const ledger = new Ledger(prices, PAPER.memoryMb);
    for (let i = 0; i < PAPER.nodes * 60; i++) ledger.recordEstimate("warm-up", 2);
    for (let i = 0; i < PAPER.getsPerHour * 12; i++) ledger.recordEstimate("serve", 100);
    const spent = ledger.report().total.dollars;
    assert(Math.abs(hourlyCost(prices, PAPER).total / spent - 1) < 1e-9, prices.name);
  }
});
