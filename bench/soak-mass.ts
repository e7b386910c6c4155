// `npm run soak -- mass`: 60 % of a pool reclaimed, in each way that matters, and what survives beside what the model
// expects. Only the first case has a bar; the others are shown as they are.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { formatTable } from "../src/cli/terminal.ts";
import { type MassCase, type MassReport, runMass } from "../test/support/soak/mass.ts";

const SHARE = 0.6;
const SURVIVORS_MIN = 0.99;
const REPAIR_RATE = "64";
const AT_ONCE = { share: SHARE, pauseMs: 0, warmUp: "1m", repairRate: REPAIR_RATE };
const ONE_BY_ONE = {
  whom: "instances",
  ...{ share: SHARE, pauseMs: 4_000, backupInterval: "10s", warmUp: "5s" },
} as const;
const CASES: readonly MassCase[] = [
  { ...AT_ONCE, name: "primaries, after a round", whom: "primaries", backupInterval: "2s" },
  { ...AT_ONCE, name: "primaries, no backup", whom: "primaries", backupInterval: "0" },
  { ...AT_ONCE, name: "all instances, after a round", whom: "instances", backupInterval: "2s" },
  { ...ONE_BY_ONE, name: "all instances, one every 4 s", repairRate: REPAIR_RATE },
  { ...ONE_BY_ONE, name: "the same, no repairs", repairRate: "0" },
];

/** Runs the cases; the bars that were missed, in words. */
export async function soakMass(args: readonly string[]): Promise<string[]> {
  const { values: flags } = parseArgs({ args: [...args], options: { json: { type: "string" } } });
  const reports: MassReport[] = [];
  for (const each of CASES) {
    console.error(each.name);
    reports.push(await runMass(each));
  }
  const rows = reports.map((report) => [
    report.name,
    String(report.killed),
    String(report.nodesLost ?? "-"),
    `${report.survived} of ${report.objects}`,
    percent(report.survived / report.objects),
    report.expectedGiven === null ? "-" : percent(report.expectedGiven),
    report.expected === null ? "-" : percent(report.expected),
    String(report.failovers),
    `${report.missesLost} + ${report.missesUnreachable}`,
    String(report.repairs),
  ]);
  const header = [
    "60 % of",
    "killed",
    "nodes lost",
    "survived",
    "",
    "expected for these",
    "expected",
  ];
  const right = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  console.log(formatTable([...header, "failovers", "lost + unreachable", "repairs"], rows, right));
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(reports, null, 2)}\n`);
  const missed = reports.flatMap(({ wrong, name }) =>
    wrong === 0 ? [] : [`${name}: ${wrong} objects with wrong bytes`],
  );
  const [first] = reports;
  if (first !== undefined && first.survived < SURVIVORS_MIN * first.objects)
    missed.push(`${first.name}: ${first.survived} of ${first.objects} survived`);
  return missed;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
