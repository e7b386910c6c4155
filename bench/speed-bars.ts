// What the suite `speed` must show: each bar names who is compared with whom in which task, and how much is asked of
// this cache through a proxy, past it, and embedded. Arithmetic over samples; it measures nothing.

import { formatTable } from "../src/cli/terminal.ts";
import { formatBytes, formatMs } from "../src/cli/units.ts";
import { WAYS, type Way } from "./speed-contest.ts";

/** One kind of measurement, at one size; the samples of all contestants are interleaved. */
export interface Task {
  readonly op:
    | "get into reused memory"
    | "get"
    | "put new key"
    | "overwrite"
    | "get, first time"
    | "get, 50 in flight";
  readonly bytes: number;
}

/** All samples of one contestant in one task, in milliseconds for one operation. */
export interface Samples extends Task {
  readonly who: string;
  readonly ms: readonly number[];
  /** Answers that were absent or not what had been stored: must be 0. */
  readonly wrong: number;
}

/** A bar: `faster`: at least so many times as fast; `slower`: at most so many times the time. */
export interface Bar extends Task {
  readonly against: string;
  readonly kind: "faster" | "slower";
  readonly asked: Readonly<Record<Way, number>>;
}

/** How a bar stands. */
export interface Standing extends Bar {
  readonly way: Way;
  readonly ratio: number;
  readonly isMet: boolean;
  readonly ourMs: number;
  readonly theirMs: number;
}

const MB = 1_000_000;
const KB = 1_000;
const INTO = "get into reused memory";

/** The table of bars; those on lost chunks compare this cache with itself. */
export const BARS: readonly Bar[] = [
  bar(INTO, 100 * MB, "redis", "faster", 1.5, 2.5),
  bar("get", 100 * MB, "ioredis", "faster", 2, 3),
  bar("put new key", 100 * MB, "redis", "faster", 1, 1.3),
  bar("overwrite", 100 * MB, "redis", "faster", 1, 1.3),
  bar(INTO, 10 * MB, "redis", "faster", 1.3, 2),
  bar("put new key", 10 * MB, "redis", "faster", 1, 1.3),
  bar("overwrite", 10 * MB, "redis", "faster", 1, 1.3),
  bar(INTO, 100 * MB, "memcached", "faster", 0.5, 1),
  bar(INTO, 100 * MB, "no chunk lost", "slower", 1.25, 1.25),
  bar(INTO, 10 * MB, "no chunk lost", "slower", 1.25, 1.25),
  bar("get", KB, "ioredis", "slower", 3.5, 1.8),
  bar("get", KB, "redis", "slower", 3.5, 1.8),
  bar("get, first time", KB, "ioredis", "slower", 3.5, 1.8),
  bar("get, 50 in flight", KB, "ioredis", "faster", 0.6, 1),
];

/** The name under which reads with a lost chunk, and those before the loss, are kept. */
export function lossName(way: Way, isLost: boolean): string {
  return `${way}, ${isLost ? "one chunk lost" : "no chunk lost"}`;
}

/** The median; NaN without samples. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

/** Order statistics enough for a file: the least, the median, the largest, and 98 between. */
const KEPT_SAMPLES_MAX = 101;

/** The same samples in order of size; of many only some, evenly spaced in that order. */
export function thinned({ ms, ...rest }: Samples): Samples & { readonly count: number } {
  const sorted = ms.toSorted((a, b) => a - b);
  const step = Math.max(1, (sorted.length - 1) / (KEPT_SAMPLES_MAX - 1));
  const kept = Array.from(
    { length: Math.min(sorted.length, KEPT_SAMPLES_MAX) },
    (_, index) => sorted[Math.round(index * step)] ?? Number.NaN,
  );
  return { ...rest, count: ms.length, ms: kept };
}

/** Every bar with samples on both sides, by both ways. */
export function standings(all: readonly Samples[]): readonly Standing[] {
  const medianOf = ({ op, bytes }: Task, who: string): number =>
    median(
      all.find((each) => each.op === op && each.bytes === bytes && each.who === who)?.ms ?? [],
    );
  const result: Standing[] = [];
  for (const each of BARS) {
    for (const way of WAYS) {
      const isLoss = each.against === "no chunk lost";
      const ourMs = medianOf(each, isLoss ? lossName(way, true) : way);
      const theirMs = medianOf(each, isLoss ? lossName(way, false) : each.against);
      if (Number.isNaN(ourMs) || Number.isNaN(theirMs)) continue;
      const ratio = each.kind === "faster" ? theirMs / ourMs : ourMs / theirMs;
      const isMet = each.kind === "faster" ? ratio >= each.asked[way] : ratio <= each.asked[way];
      result.push({ ...each, way, ratio, isMet, ourMs, theirMs });
    }
  }
  return result;
}

/** The bars as a table: "1.62x ≥ 1.5", the two medians, and whether it is met. */
export function standingsTable(rows: readonly Standing[]): string {
  const lines = rows.map(({ op, bytes, against, kind, asked, way, ratio, isMet, ...ms }) => [
    formatBytes(bytes),
    op,
    way,
    against,
    formatMs(ms.ourMs),
    formatMs(ms.theirMs),
    `${ratio.toFixed(2)}x`,
    `${kind === "faster" ? "≥" : "≤"} ${asked[way]}`,
    isMet ? "met" : "NOT MET",
  ]);
  const header = ["size", "op", "ours", "against", "ours", "theirs", "ratio", "asked", ""];
  return formatTable(header, lines, [0, 4, 5, 6, 7]);
}

/** All samples as a table of medians and spread. */
export function samplesTable(all: readonly Samples[]): string {
  const lines = all.map(({ op, bytes, who, ms, wrong }) => [
    formatBytes(bytes),
    op,
    who,
    String(ms.length),
    ...[Math.min(...ms), median(ms), Math.max(...ms)].map(formatMs),
    wrong === 0 ? "" : `${wrong} WRONG`,
  ]);
  return formatTable(
    ["size", "op", "who", "count", "min", "median", "max", ""],
    lines,
    [0, 3, 4, 5, 6],
  );
}

function bar(
  op: Task["op"],
  bytes: number,
  against: string,
  kind: Bar["kind"],
  proxy: number,
  shortcut: number,
): Bar {
  return { op, bytes, against, kind, asked: { proxy, direct: shortcut, embedded: shortcut } };
}
