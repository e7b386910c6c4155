// The command behind `npm run sim`: runs seeds of the simulation one after the other and says which of them broke a
// promise. `--seed N --trace` shows one of them event by event.

import { parseArgs } from "node:util";
import { SystemClock } from "../host/system-clock.ts";
import { scenarioOf } from "../sim/scenario.ts";
import { runScenario } from "../sim/world.ts";

/** Seeds between two lines of progress. */
const PROGRESS_SEEDS = 50;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
  },
});

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (text !== "" && Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${name} must be a whole number from 0, not "${text}"`);
  process.exit(2);
}

const from = wholeNumber(values.seed === undefined ? "from" : "seed", values.seed ?? values.from);
const count = values.seed === undefined ? wholeNumber("seeds", values.seeds) : 1;
const clock = new SystemClock();
const startedAt = clock.now();
const total = { events: 0, operations: 0, hits: 0, failed: 0 };

for (let seed = from; seed < from + count; seed++) {
  const scenario = scenarioOf(seed);
  if (values.trace) console.log(describe(scenario));
  const report = runScenario(scenario, values.trace ? (line) => console.log(line) : () => {});
  total.events += report.events;
  total.operations += report.operations;
  total.hits += report.hits;
  if (report.violations.length > 0) {
    total.failed++;
    console.log(`FAIL sim --seed ${seed}`);
    for (const violation of report.violations) console.log(`  ${violation}`);
  }
  const done = seed - from + 1;
  if (done % PROGRESS_SEEDS === 0 || done === count) console.log(progress(done));
}
process.exitCode = total.failed === 0 ? 0 : 1;

function describe(scenario: object): string {
  return JSON.stringify(scenario, (_name, value: unknown) =>
    value instanceof Map ? Object.fromEntries(value) : value,
  );
}

function progress(done: number): string {
  const seconds = (clock.now() - startedAt) / 1_000;
  const { events, operations, hits, failed } = total;
  const perEvent = ((seconds * 1e6) / Math.max(1, events)).toFixed(1);
  return `${done} seeds, ${failed} failed; ${operations} operations, ${hits} hits; ${events} events at ${perEvent} µs; ${seconds.toFixed(1)} s`;
}
