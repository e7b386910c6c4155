// `npm run bench`: runs a suite, prints its table, writes its JSON, and compares with the kept baseline.
//
//   npm run bench                                   the suite "compare"
//   npm run bench -- --sizes 1MB,10MB --rounds 3    less of it
//   npm run bench -- --json                         JSON on standard output
//   npm run bench -- --write-baseline               keep the result as bench/baselines/compare.json

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { parseBytes } from "../src/cli/units.ts";
import { compare } from "./compare.ts";
import { readReport, reportTable } from "./report.ts";

const { values: flags } = parseArgs({
  options: {
    sizes: { type: "string", default: "1KB,1MB,10MB,100MB" },
    rounds: { type: "string", default: "10" },
    nodes: { type: "string", default: "24" },
    memory: { type: "string", default: "512" },
    json: { type: "boolean", default: false },
    "write-baseline": { type: "boolean", default: false },
  },
});

const sizes = flags.sizes.split(",").map((text) => {
  const bytes = parseBytes(text);
  if (bytes === null || bytes < 1) throw new Error(`--sizes: "${text}" is no size`);
  return bytes;
});
const rounds = Number(flags.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new Error("--rounds: must be a number from 1");

const report = await compare({
  sizes,
  rounds,
  flags: ["--nodes", flags.nodes, "--memory", flags.memory],
  note: (line) => console.error(line),
});
const baselinePath = join(import.meta.dirname, "baselines", "compare.json");
const outPath = join(import.meta.dirname, "out", "compare.json");
write(flags["write-baseline"] ? baselinePath : outPath);
if (flags.json) console.log(JSON.stringify(report));
else {
  const { machine } = report;
  console.log(
    Object.entries(machine)
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
  );
  const baseline = flags["write-baseline"] ? null : readReport(baselinePath);
  console.log(`\n${reportTable(report, baseline)}`);
  if (baseline !== null)
    console.log(`\nbaseline: commit ${baseline.machine["commit"]}, ${baseline.at}`);
}
process.exit(report.rows.some((row) => row.wrong > 0) ? 1 : 0);

function write(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
  console.error(`written to ${path}`);
}
