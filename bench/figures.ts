// What a suite must show, as figures: what was measured, what is asked, and whether it is met. A figure that is not met
// is told and fails nothing: the machine may be slow. Wrong bytes and errors do fail.

import { loadavg } from "node:os";
import { formatTable } from "../src/cli/terminal.ts";
import { formatBytes, formatMs } from "../src/cli/units.ts";
import { describeMachine } from "./report.ts";

/** One figure; `most`: at most that much is asked, null: it is only told. */
export interface Figure {
  readonly name: string;
  readonly unit: "ms" | "bytes" | "x" | "%" | "MB/s" | "";
  readonly value: number;
  readonly most: number | null;
}

/** What a suite of figures writes. */
export interface FiguresReport {
  readonly suite: string;
  readonly at: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** The load average of the last minute, before and after. */
  readonly load: readonly [number, number];
  readonly figures: readonly Figure[];
  /** Answers that were absent or not what had been stored: must be 0. */
  readonly wrong: number;
  /** What failed, in words: must be none. */
  readonly errors: readonly string[];
}

/** What a suite finds out. */
export type Findings = Pick<FiguresReport, "figures" | "wrong" | "errors">;

/** Runs a suite and puts around it where and under what load it ran. */
export async function reportOf(
  suite: string,
  parameters: FiguresReport["parameters"],
  run: () => Promise<Findings>,
): Promise<FiguresReport> {
  const loadBefore = loadavg()[0] ?? 0;
  const findings = await run();
  return {
    suite,
    at: new Date().toISOString(),
    machine: describeMachine(),
    parameters,
    load: [loadBefore, loadavg()[0] ?? 0],
    ...findings,
  };
}

/** Whether nothing was wrong; slow figures are not. */
export function isSound({ wrong, errors }: FiguresReport): boolean {
  return wrong === 0 && errors.length === 0;
}

/** The figures as a table: measured, asked, met or NOT MET. */
export function figuresTable(report: FiguresReport): string {
  const { figures, load, wrong, errors } = report;
  const lines = figures.map(({ name, unit, value, most }) => [
    name,
    show(value, unit),
    most === null ? "" : `≤ ${show(most, unit)}`,
    most === null ? "" : value <= most ? "met" : "NOT MET",
  ]);
  const table = formatTable(["figure", "measured", "asked", ""], lines, [1, 2]);
  const told = [`load ${load.map((each) => each.toFixed(1)).join(" before, ")} after`];
  if (wrong > 0) told.push(`${wrong} answers WRONG or absent`);
  return [table, "", ...told, ...errors].join("\n");
}

/** The value that `share` of all were not above; NaN without any. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

function show(value: number, unit: Figure["unit"]): string {
  if (Number.isNaN(value)) return "-";
  if (unit === "ms") return formatMs(value);
  if (unit === "bytes") return formatBytes(Math.round(value));
  if (unit === "x") return `${value.toFixed(2)}x`;
  if (unit === "") return String(Math.round(value * 100) / 100);
  return `${value.toFixed(1)} ${unit}`;
}
