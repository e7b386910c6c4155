// The command behind `npm run sim`: runs seeds of the simulation on every processor and says which of them broke a
// promise. `--seed N --trace` shows one of them event by event, `--seed N --minimise` makes the smallest scenario of it
// that still fails, and `--replay FILE` runs such a one again. It judges nothing itself.

import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { SystemClock } from "../host/system-clock.ts";
import { CoverageTable } from "../sim/coverage.ts";
import { minimise } from "../sim/minimise.ts";
import type { RunReport, Violation } from "../sim/report.ts";
import { type Scenario, scenarioOf } from "../sim/scenario.ts";
import { runScenario } from "../sim/world.ts";

/** Seeds between two lines of progress. */
const PROGRESS_SEEDS = 50;
/** Runs that making a scenario smaller may take by default. */
const MINIMISING_RUNS = "2000";

const HELP = `npm run sim -- [options]: whole systems of real cores on a virtual clock, each from a seed, under faults.

  --seeds N          how many seeds to run (200), from --from N (1) on, on --jobs N processors (all)
  --stop-at-first    end with the first seed that breaks a promise
  --seed N           run this one alone; --trace shows it event by event
  --seed N --minimise
                     make its scenario as small as it can be and still fail, in --runs N runs (${MINIMISING_RUNS});
                     --out FILE keeps it
  --replay FILE      run a kept scenario again; --trace as above
  --json             results as JSON
  --help             this

Exit code 0: every promise was kept; 1: one was broken; 2: an option is wrong. See docs/simulation.md.`;

const clock = new SystemClock();

/** What one seed came to, as it passes between threads. */
interface SeedResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly events: number;
  readonly operations: number;
  readonly hits: number;
  readonly coverage: Readonly<Record<string, number>>;
}

function runSeed(seed: number): SeedResult {
  const { violations, events, operations, hits, coverage } = runScenario(scenarioOf(seed));
  return { seed, violations, events, operations, hits, coverage };
}

if (isMainThread) await main();
else parentPort?.on("message", (seed: number) => parentPort?.postMessage(runSeed(seed)));

/** What was asked for; ends the process with exit code 2 where that cannot be understood. */
function readOptions() {
  try {
    return parseArgs({
      options: {
        seeds: { type: "string", default: "200" },
        from: { type: "string", default: "1" },
        jobs: { type: "string", default: String(availableParallelism()) },
        seed: { type: "string" },
        replay: { type: "string" },
        trace: { type: "boolean", default: false },
        minimise: { type: "boolean", default: false },
        runs: { type: "string", default: MINIMISING_RUNS },
        out: { type: "string" },
        json: { type: "boolean", default: false },
        "stop-at-first": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    console.error(
      `${error instanceof Error ? error.message : String(error)}\nsee npm run sim -- --help`,
    );
    process.exit(2);
  }
}

async function main(): Promise<void> {
  const values = readOptions();
  if (values.help) return console.log(HELP);
  const scenario = oneScenario(values.seed, values.replay);
  if (scenario === null) {
    const from = wholeNumber("from", values.from);
    const range = { from, end: from + wholeNumber("seeds", values.seeds) };
    const jobs = Math.max(1, wholeNumber("jobs", values.jobs));
    const options = { isJson: values.json, stopsAtFirst: values["stop-at-first"] };
    process.exitCode = (await runAll(range, jobs, options)) ? 0 : 1;
  } else if (values.minimise) {
    process.exitCode = makeSmaller(scenario, wholeNumber("runs", values.runs), values.out) ? 0 : 1;
  } else {
    if (values.trace) console.log(JSON.stringify({ ...scenario, scripts: null }));
    const report = runScenario(scenario, values.trace ? { onTrace: console.log } : {});
    if (values.json) console.log(JSON.stringify({ ...report, scripts: undefined }));
    else tell(values.replay ?? `--seed ${scenario.seed}`, report);
    process.exitCode = report.violations.length === 0 ? 0 : 1;
  }
}

function oneScenario(seed: string | undefined, file: string | undefined): Scenario | null {
  // Proof of the cast: files are written by this command; what is wrong in one shows as a failing run.
  if (file !== undefined) return (JSON.parse(readFileSync(file, "utf8")) as Replay).scenario;
  return seed === undefined ? null : scenarioOf(wholeNumber("seed", seed));
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (text !== "" && Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${name} must be a whole number from 0, not "${text}"`);
  process.exit(2);
}

/** A scenario that once broke a promise, as it is kept. */
interface Replay {
  readonly broke: readonly string[];
  readonly scenario: Scenario;
}

function tell(name: string, report: RunReport): void {
  const { violations, operations, hits, events } = report;
  console.log(`${violations.length === 0 ? "ok" : "FAIL"} sim ${name}`);
  for (const violation of violations) console.log(`  ${sentence(violation)}`);
  console.log(`${operations} operations, ${hits} hits; ${events} events`);
}

function sentence({ atMs, what }: Violation): string {
  return `at ${atMs.toFixed(2)} ms: ${what}`;
}

function makeSmaller(scenario: Scenario, runsMax: number, out: string | undefined): boolean {
  const smaller = minimise(scenario, runsMax, (line) => console.error(line));
  if (smaller === null) {
    console.log(`nothing to make smaller: seed ${scenario.seed} breaks no promise`);
    return false;
  }
  const replay: Replay = { broke: smaller.violations.map(sentence), scenario: smaller.scenario };
  const json = `${JSON.stringify(replay, null, 1)}\n`;
  if (out === undefined) console.log(json);
  else writeFileSync(out, json);
  return true;
}

/** Runs the seeds on so many threads; false when one broke a promise. */
async function runAll(
  range: { readonly from: number; readonly end: number },
  jobs: number,
  options: { readonly isJson: boolean; readonly stopsAtFirst: boolean },
): Promise<boolean> {
  const startedAt = clock.now();
  const total = { seeds: 0, operations: 0, hits: 0, events: 0 };
  const failed: SeedResult[] = [];
  const covered = new CoverageTable();
  let next = range.from;
  const onResult = (result: SeedResult): void => {
    total.seeds++;
    total.operations += result.operations;
    total.hits += result.hits;
    total.events += result.events;
    covered.add(result.coverage);
    if (result.violations.length > 0) {
      failed.push(result);
      if (options.stopsAtFirst) next = range.end;
      if (!options.isJson) {
        console.log(`FAIL sim --seed ${result.seed}`);
        for (const violation of result.violations) console.log(`  ${sentence(violation)}`);
      }
    }
    if (total.seeds % PROGRESS_SEEDS === 0 && !options.isJson) console.log(progress());
  };
  const seconds = (): number => (clock.now() - startedAt) / 1_000;
  const progress = (): string => {
    const perSecond = (count: number): string => (count / seconds()).toPrecision(3);
    return [
      `${total.seeds} seeds, ${failed.length} failed`,
      `${total.operations} operations, ${total.hits} hits`,
      `${total.events} events`,
      `${seconds().toFixed(1)} s: ${perSecond(total.seeds)} seeds, ${perSecond(total.events / 1_000)} thousand events a second`,
    ].join("; ");
  };
  const take = (): number | null => (next < range.end ? next++ : null);
  const threads = Math.min(jobs, range.end - range.from);
  await Promise.all(Array.from({ length: threads }, () => runThread(take, onResult)));
  if (options.isJson) {
    const sorted = failed.sort((a, b) => a.seed - b.seed);
    console.log(JSON.stringify({ ...range, ...total, seconds: seconds(), jobs, failed: sorted }));
  } else {
    tellCoverage(covered);
    console.log(progress());
  }
  return failed.length === 0;
}

/** What the seeds have met, and what they have not. */
function tellCoverage(covered: CoverageTable): void {
  const rows = [["what", "seeds", "times"], ...covered.rows()];
  for (const [what, runs, count] of rows)
    console.log(
      `${String(what).padEnd(36)}${String(runs).padStart(8)}${String(count).padStart(12)}`,
    );
  if (covered.holes.length > 0) console.log(`never seen: ${covered.holes.join(", ")}`);
}

/** One thread that takes one seed after the other. */
function runThread(
  take: () => number | null,
  onResult: (result: SeedResult) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url));
    const goOn = (): void => {
      const seed = take();
      if (seed === null) void worker.terminate().then(() => resolve(), reject);
      else worker.postMessage(seed);
    };
    worker.on("message", (result: SeedResult) => {
      onResult(result);
      goOn();
    });
    worker.on("error", reject);
    goOn();
  });
}
