// `npm run soak`: the acceptance claims that take too long for the tests, on real processes; exit code 1 when one fails.
//
//   npm run soak -- sizes [1GB]      1 GB and 5 GB through pipes and the library, with peak memory (needs 7 GB free)
//   npm run soak -- kills [600]      10 clients for 60 s while one random instance dies each second
//   npm run soak -- survive          30 minutes of kills by a timetable: hits, leaks, wrong bytes; flags: soak-survive.ts
//   npm run soak -- mass             60 % of a pool reclaimed at once, and what survives; --json FILE
//   npm run soak -- rounds           what backup rounds move and bill at 78 MB/s

import { parseBytes } from "../src/cli/units.ts";
import { SEARCH_TRIES_MAX } from "../src/proxy/link-state.ts";
import { runKills } from "../test/e2e/support/kills.ts";
import { runSize } from "../test/e2e/support/sizes.ts";
import { soakMass } from "./soak-mass.ts";
import { soakRounds } from "./soak-rounds.ts";
import { soakSurvive } from "./soak-survive.ts";

const NODES = 24;
const PEAK_BYTES_MAX = 300_000_000;
/** Peaks are promised up to this size; the rest of a longer stream must not add to them either. */
const SIZES = ["1GB", "5GB"];
/** Data and parity of 10+2, and room for what is uneven. */
const ROOM_FACTOR = 1.5;
/** What a function keeps for itself, and some more. */
const RESERVE_MB = 160;
const MEGABYTE = 1_048_576;

for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
const [what = "", value] = process.argv.slice(2);
if (what === "sizes") await sizes(value === undefined ? SIZES : [value]);
else if (what === "kills") await kills(Number(value ?? 60));
else if (what === "survive") conclude(await soakSurvive(process.argv.slice(3)));
else if (what === "mass") conclude(await soakMass(process.argv.slice(3)));
else if (what === "rounds") conclude(await soakRounds());
else {
  console.error("npm run soak -- sizes [SIZE] | kills [SECONDS] | survive [FLAGS] | mass | rounds");
  process.exitCode = 2;
}

async function sizes(texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    const bytes = parseBytes(text);
    if (bytes === null) throw new Error(`"${text}" is no size`);
    const memoryMb = Math.ceil((bytes * ROOM_FACTOR) / NODES / MEGABYTE + RESERVE_MB);
    const report = await runSize({ bytes, nodes: NODES, memoryMb });
    const faults = [...report.faults];
    for (const name of ["putPeakBytes", "getPeakBytes", "proxyPeakBytes"] as const) {
      if (report[name] > PEAK_BYTES_MAX) faults.push(`${name} is above ${PEAK_BYTES_MAX}`);
    }
    tell({ nodes: NODES, memoryMb, ...report, faults }, faults.length);
  }
}

async function kills(seconds: number): Promise<void> {
  const report = await runKills({ seconds, clients: 10, nodes: NODES, memoryMb: 256 });
  const { load, faults, unexplained, instancesStarted, reclaims } = report;
  const startsMax = NODES + (1 + SEARCH_TRIES_MAX) * reclaims;
  const excess = Math.max(0, instancesStarted - startsMax);
  tell(
    { seconds, startsMax, ...report },
    faults.length + unexplained.length + load.errors.length + excess,
  );
}

function tell(report: object, faultCount: number): void {
  console.log(JSON.stringify(report, null, 2));
  console.log(faultCount === 0 ? "as claimed" : `${faultCount} faults`);
  if (faultCount > 0) process.exitCode = 1;
}

function conclude(missed: readonly string[]): void {
  for (const bar of missed) console.log(bar);
  console.log(missed.length === 0 ? "as claimed" : `${missed.length} faults`);
  if (missed.length > 0) process.exitCode = 1;
}
