// `npm run soak -- survive`: reads the flags, runs the soak, prints its table, and says which bar was missed.
//
//   npm run soak -- survive [--minutes 30] [--no-backup] [--rate CALLS/S] [--keys N] [--kill-every 40s] [--five-every 5m]
//                           [--json FILE]

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { formatTable } from "../src/cli/terminal.ts";
import { formatBytes, formatDollars, formatMs, parseDurationMs } from "../src/cli/units.ts";
import { SEARCH_TRIES_MAX } from "../src/proxy/link-state.ts";
import { runSurvive, type SurviveReport } from "../test/support/soak/survive.ts";

/** What is promised under ordinary reclaiming. */
const HIT_RATIO_MIN = 0.999;
/** The service's own, which ends everything when the service is killed. */
const WATCHDOGS = 1;
const MISSES_SHOWN = 40;

/** Runs it; the bars that were missed, in words. */
export async function soakSurvive(args: readonly string[]): Promise<string[]> {
  const { values: flags } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "30" },
      rate: { type: "string", default: "8" },
      keys: { type: "string", default: "40" },
      "kill-every": { type: "string", default: "40s" },
      "five-every": { type: "string", default: "5m" },
      "no-backup": { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const report = await runSurvive({
    ...{ minutes: number(flags.minutes), rate: number(flags.rate), keys: number(flags.keys) },
    ...{ clients: 8, nodes: 24, memoryMb: 256, hasBackup: !flags["no-backup"] },
    ...{ oneEveryMs: duration(flags["kill-every"]), manyEveryMs: duration(flags["five-every"]) },
    many: 5,
    note: (line) => console.error(line),
  });
  print(report);
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
  return missedBars(report);
}

/** What was promised and did not come true. Without backup the hits are a comparison, not a promise. */
export function missedBars({ plan, hits, ...report }: SurviveReport): string[] {
  const missed = [...report.faults, ...report.leftOver];
  if (hits.counted === 0) missed.push("no GET was made of anything that had to be there");
  if (plan.hasBackup && hits.ratio < HIT_RATIO_MIN)
    missed.push(`${percent(hits.ratio)} of the GETs hit, and ${percent(HIT_RATIO_MIN)} must`);
  if (report.counters.evictions > 0) missed.push(`${report.counters.evictions} objects evicted`);
  for (const { name, early, late, isFlat } of report.trends)
    if (!isFlat) missed.push(`${name} grew from ${figure(name, early)} to ${figure(name, late)}`);
  const functions = Math.max(...report.samples.map((sample) => sample.functions));
  const functionsMax = (2 + SEARCH_TRIES_MAX) * plan.nodes + WATCHDOGS;
  if (functions > functionsMax)
    missed.push(`${functions} function processes at once, at most ${functionsMax}`);
  return missed;
}

function print(report: SurviveReport): void {
  const { plan, hits, counters, cost } = report;
  const victims = report.kills.flatMap((kill) => kill.victims);
  const primaries = victims.filter(({ role }) => role === "primary").length;
  const rows = [
    ["run", `${plan.minutes} min, ${plan.hasBackup ? "backup every 30 s" : "no backup"}`],
    ["calls", `${plan.clients} clients, ${plan.rate}/s; ${formatBytes(report.bytesRead)} read`],
    ["GETs that had to hit", `${hits.counted} (${hits.uncounted} others)`],
    ["hit", `${hits.hits}: ${percent(hits.ratio)}`],
    ["missed", JSON.stringify(hits.missesBy)],
    ["wrong bytes, impossible reads", String(report.faults.length)],
    ["PUTs and DELETEs", `${report.mutations}, failed ${report.errors.length}`],
    ["killed", `${victims.length}: ${primaries} primaries, ${victims.length - primaries} replicas`],
    ["GET p99, slowest", `${formatMs(report.p99GetMs)}, ${formatMs(report.slowestGetMs)}`],
    ["failovers, searches", `${counters.failovers}, ${counters.searches}`],
    ["rounds", `${counters.backups}, aborted ${counters.backupsAborted}`],
    ["copied", `${counters.backupChunks} chunks, ${formatBytes(counters.backupBytes)}`],
    ["repaired", `${counters.repairs} chunks`],
    ["billed", formatDollars(cost.total.dollars)],
    ["function processes", `${report.samples.at(-1)?.functions} at the end`],
    ["left over", report.leftOver.length === 0 ? "nothing" : report.leftOver.join(", ")],
  ];
  console.log(formatTable(["", ""], rows));
  console.log("");
  const trends = report.trends.map(({ name, early, late, most, isFlat }) => [
    name,
    ...[early, late, most].map((value) => figure(name, value)),
    isFlat ? "" : "GREW",
  ]);
  console.log(formatTable(["", "early", "late", "most", ""], trends, [1, 2, 3]));
  if (hits.misses.length > 0) {
    const misses = hits.misses
      .slice(0, MISSES_SHOWN)
      .map((miss) => [
        ...[formatMs(miss.atMs), miss.key, miss.why, formatMs(miss.tookMs), formatMs(miss.ageMs)],
        `${miss.kill} (${miss.primariesKilled} primaries), ${formatMs(miss.sinceKillMs)} before`,
      ]);
    console.log(`\n${formatTable(["at", "key", "why", "took", "stored before", "kill"], misses)}`);
  }
  for (const error of report.errors.slice(0, MISSES_SHOWN)) console.log(error);
  if (report.notes !== "") console.log(report.notes);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(3)} %`;
}

function figure(name: string, value: number): string {
  return /RSS|PSS/.test(name) ? formatBytes(value) : String(value);
}

function number(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`"${text}" is no number above 0`);
  return value;
}

function duration(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === null || ms <= 0) throw new Error(`"${text}" is no time`);
  return ms;
}
