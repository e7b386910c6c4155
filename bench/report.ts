// How results are shown and kept: where they were measured, a table, and a comparison with a named baseline.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import type { LatencySummary } from "../src/cli/bench/histogram.ts";
import { formatTable } from "../src/cli/terminal.ts";
import { formatBytes, formatMs, formatRate } from "../src/cli/units.ts";
import { REDIS } from "./servers.ts";

/** One line of results: one contestant, one operation, one size. */
export interface ResultRow {
  readonly name: string;
  readonly op: "put" | "get";
  readonly bytes: number;
  readonly latency: LatencySummary;
  /** Answers that were absent or not what had been stored: must be 0. */
  readonly wrong: number;
}

/** What a suite writes. */
export interface BenchReport {
  readonly suite: string;
  readonly at: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly rows: readonly ResultRow[];
}

/** The machine and the software that the figures belong to. */
export function describeMachine(): BenchReport["machine"] {
  const git = spawnSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" });
  const redis = spawnSync(REDIS, ["--version"], { encoding: "utf8" });
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memory: formatBytes(totalmem()),
    system: `${process.platform} ${release()}`,
    node: process.version,
    commit: git.status === 0 ? git.stdout.trim() : "unknown",
    redis: /v=(\S+)/.exec(redis.stdout ?? "")?.[1] ?? "absent",
  };
}

/** The table of a report; with a baseline, the ratio of the medians to it. */
export function reportTable(report: BenchReport, baseline: BenchReport | null): string {
  const rows = report.rows.map((row) => [
    formatBytes(row.bytes),
    row.op,
    row.name,
    String(row.latency.count),
    ...[row.latency.min, row.latency.p50, row.latency.p90, row.latency.max].map(formatMs),
    formatRate(row.bytes, row.latency.p50),
    row.wrong === 0 ? "" : `${row.wrong} WRONG`,
    ...(baseline === null ? [] : [ratioTo(baseline, row)]),
  ]);
  const header = ["size", "op", "who", "count", "min", "p50", "p90", "max", "rate at p50", ""];
  const right = [0, 3, 4, 5, 6, 7, 8, 10];
  return formatTable(baseline === null ? header : [...header, "p50 / baseline"], rows, right);
}

function ratioTo(baseline: BenchReport, row: ResultRow): string {
  const before = baseline.rows.find(
    (each) => each.name === row.name && each.op === row.op && each.bytes === row.bytes,
  );
  return before === undefined ? "-" : (row.latency.p50 / before.latency.p50).toFixed(2);
}

/** A report that was kept; null when there is none. */
export function readReport(path: string): BenchReport | null {
  try {
    // Our own writing, in the repository.
    return JSON.parse(readFileSync(path, "utf8")) as BenchReport;
  } catch {
    return null;
  }
}
