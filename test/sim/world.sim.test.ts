// Seeds of the simulation as tests: enough to notice a broken promise at every run of the tests; `npm run sim` runs more.
// Each is the production code of proxy, functions and clients in virtual time under its own faults.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { CoverageTable } from "../../src/sim/coverage.ts";
import { type Scenario, scenarioOf } from "../../src/sim/scenario.ts";
import { runScenario } from "../../src/sim/world.ts";

const run = (seed: number) => runScenario(scenarioOf(seed));

const SEEDS = 40;

test(`simulation: seeds 1 to ${SEEDS} break no promise, and every kind of fault hits in some`, () => {
  const covered = new CoverageTable();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations, coverage } = run(seed);
    assert.deepEqual(violations, [], `npm run sim -- --seed ${seed} --trace`);
    covered.add(coverage);
  }
  const missed = covered.holes.filter((name) => name.startsWith("fault: "));
  assert.deepEqual(missed, [], "raise the share of these faults in scenario.ts");
});

const fixtures = new URL("fixtures/", import.meta.url);

for (const name of readdirSync(fixtures)) {
  test(`simulation: ${name}, which broke a promise once, breaks none`, () => {
    // Proof of the cast: it was written as one, with every field.
    const scenario = JSON.parse(readFileSync(new URL(name, fixtures), "utf8")) as Scenario;
    assert.deepEqual(runScenario(scenario).violations, []);
  });
}

test("simulation: a seed is one run, to the last microsecond", () => {
  assert.deepEqual(run(5), run(5));
});

test("simulation: what a run wrote down of its callers makes the same run again", () => {
  const scenario = scenarioOf(5);
  const first = runScenario(scenario);
  const again = runScenario({ ...scenario, scripts: first.scripts });
  assert.equal(again.fingerprint, first.fingerprint);
  assert.deepEqual(again.scripts, first.scripts);
});

test("simulation: without trouble every acknowledged object is there and no function has two instances", () => {
  const report = run(8);
  assert.equal(scenarioOf(8).isCalm, true);
  assert.deepEqual(report.violations, []);
  assert.ok(report.hits > 100, `${report.hits} hits`);
});
