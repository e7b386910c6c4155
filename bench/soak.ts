// `npm run soak`: the acceptance claims that take too long for the tests, on real processes; exit code 1 when one fails.
//
//   npm run soak -- sizes            1 GB and 5 GB through pipes and the library, with peak memory (needs 7 GB free)
//   npm run soak -- sizes 1GB        only this size
//   npm run soak -- kills            10 clients for 60 s while one random instance dies each second
//   npm run soak -- kills 600        the same for 600 s

import { parseBytes } from "../src/cli/units.ts";
import { SEARCH_TRIES_MAX } from "../src/proxy/link-state.ts";
import { runKills } from "../test/e2e/support/kills.ts";
import { runSize } from "../test/e2e/support/sizes.ts";

const NODES = 24;
const PEAK_BYTES_MAX = 300_000_000;
/** Peaks are promised up to this size; the rest of a longer stream must not add to them either. */
const SIZES = ["1GB", "5GB"];
/** Data and parity of 10+2, and room for what is uneven. */
const ROOM_FACTOR = 1.5;
/** What a function keeps for itself, and some more. */
const RESERVE_MB = 160;
const MEGABYTE = 1_048_576;

const [what = "", value] = process.argv.slice(2);
if (what === "sizes") await sizes(value === undefined ? SIZES : [value]);
else if (what === "kills") await kills(Number(value ?? 60));
else {
  console.error("npm run soak -- sizes [SIZE] | kills [SECONDS]");
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
