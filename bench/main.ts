// `npm run bench`: runs a suite, prints its table, writes its JSON, and compares with the kept baseline.
//
//   npm run bench -- compare --sizes 1MB,10MB --rounds 3    the suite "compare", which is the default; less of it
//   npm run bench -- SUITE --quick                          less of compare, speed, cpu, tail, ping, spread, codes, scale; there is "floor", too
//   npm run bench -- scale --part memory --full             one part of it (start, memory, grid), and all of that
//   npm run bench -- SUITE --json                           JSON on standard output
//   npm run bench -- SUITE --write-baseline                 keep the result as bench/baselines/SUITE.json

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { parseBytes } from "../src/cli/units.ts";
import { codes } from "./codes.ts";
import { compare } from "./compare.ts";
import { cpu, cpuTable } from "./cpu.ts";
import { type Findings, figuresTable, isSound, reportOf } from "./figures.ts";
import { floor, floorTable } from "./floor.ts";
import { ping } from "./ping.ts";
import { readReport, reportTable } from "./report.ts";
import { scale } from "./scale.ts";
import { speed } from "./speed.ts";
import { samplesTable, standingsTable, thinned } from "./speed-bars.ts";
import { spread } from "./spread.ts";
import { tail } from "./tail.ts";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sizes: { type: "string", default: "1KB,1MB,10MB,100MB" },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
    part: { type: "string" },
    nodes: { type: "string", default: "24" },
    memory: { type: "string", default: "512" },
    json: { type: "boolean", default: false },
    "write-baseline": { type: "boolean", default: false },
  },
});

const ROUNDS_DEFAULT = 10;
const ROUNDS_QUICK = 3;
const [suite = "compare"] = positionals;
const rounds = Number(flags.rounds ?? (flags.quick ? ROUNDS_QUICK : ROUNDS_DEFAULT));
if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds: must be a number from 1");
const shape = { nodes: Number(flags.nodes), memoryMb: Number(flags.memory) };
const note = (line: string): void => console.error(line);
const baselinePath = join(import.meta.dirname, "baselines", `${suite}.json`);
const isBaseline = flags["write-baseline"];

const { quick: isQuick, full: isFull, part } = flags;
const FIGURES: Readonly<Record<string, () => Promise<Findings>>> = {
  tail: () => tail({ isQuick, note }),
  ping: () => ping({ isQuick, note }),
  spread: () => spread({ isQuick, note }),
  codes: () => codes({ isQuick, note }),
  scale: () => scale({ isQuick, isFull, part, note }),
};

for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
const figures = FIGURES[suite];
if (figures !== undefined) process.exit(await runFigures(figures));
else if (suite === "compare") process.exit(await runCompare());
else if (suite === "speed") process.exit(await runSpeed());
else if (suite === "cpu") process.exit(await runCpu());
else if (suite === "floor") process.exit(await runFloor());
else
  throw new Error(
    `there is no suite "${suite}"; there are compare, speed, cpu, floor, ${Object.keys(FIGURES).join(", ")}`,
  );

/** Figures that are not met are told; only wrong bytes and errors fail. */
async function runFigures(run: () => Promise<Findings>): Promise<number> {
  const report = await reportOf(suite, { isQuick, isFull, part: part ?? "all" }, run);
  tell(report, [figuresTable(report)]);
  return isSound(report) ? 0 : 1;
}

async function runCompare(): Promise<number> {
  const sizes = flags.sizes.split(",").map((text) => {
    const bytes = parseBytes(text);
    if (bytes === null || bytes < 1) throw new Error(`--sizes: "${text}" is no size`);
    return bytes;
  });
  const poolFlags = ["--nodes", flags.nodes, "--memory", flags.memory];
  const report = await compare({ sizes, rounds, flags: poolFlags, note });
  const baseline = isBaseline ? null : readReport(baselinePath);
  tell(report, [reportTable(report, baseline)]);
  if (baseline !== null && !flags.json)
    console.log(`\nbaseline: commit ${baseline.machine["commit"]}, ${baseline.at}`);
  return report.rows.some((row) => row.wrong > 0) ? 1 : 0;
}

async function runSpeed(): Promise<number> {
  const report = await speed({ ...shape, rounds, note });
  const kept = { ...report, samples: report.samples.map(thinned) };
  tell(kept, [samplesTable(report.samples), standingsTable(report.standings)]);
  return report.samples.some((row) => row.wrong > 0) ? 1 : 0;
}

async function runCpu(): Promise<number> {
  const report = await cpu({ ...shape, rounds, note });
  tell(report, [cpuTable(report)]);
  return 0;
}

async function runFloor(): Promise<number> {
  const report = await floor({ rounds, note });
  tell(report, [floorTable(report)]);
  return 0;
}

/** Writes the report to its file, and to standard output as JSON or as tables. */
function tell(
  report: { readonly machine: Readonly<Record<string, string | number>> },
  tables: readonly string[],
): void {
  const path = isBaseline ? baselinePath : join(import.meta.dirname, "out", `${suite}.json`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(report, null, isBaseline ? 1 : 2)}\n`);
  console.error(`written to ${path}`);
  if (flags.json) return console.log(JSON.stringify(report));
  const machine = Object.entries(report.machine).map(([name, value]) => `${name} ${value}`);
  console.log([machine.join(", "), ...tables].join("\n\n"));
}
