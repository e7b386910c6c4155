// What a soak's processes use over time: memory, descriptors and threads of the proxy and the Lambda service, and how
// many functions live with how much memory; and whether these stay flat once the pool is warm. Linux only (/proc).

import { readdirSync, readFileSync } from "node:fs";
import { descendants, isAlive } from "../../e2e/support/processes.ts";

/** One process at one time. */
export interface ProcessSample {
  readonly rssBytes: number;
  readonly pssBytes: number;
  readonly descriptors: number;
  readonly threads: number;
}

/** The whole at one time. */
export interface Sample {
  readonly atMs: number;
  readonly proxy: ProcessSample;
  readonly service: ProcessSample;
  /** Processes below the service. */
  readonly functions: number;
  readonly functionsPssBytes: number;
}

/** How a figure went: its medians in the first and last third after the warm-up. Short runs are not judged. */
export interface Trend {
  readonly name: string;
  readonly early: number;
  readonly late: number;
  readonly most: number;
  readonly isFlat: boolean;
}

/** By then every node has its replica, and what is allocated once has been. */
const WARM_MS = 120_000;
/** What is left of a shorter run says nothing about growth. */
const JUDGED_MS_MIN = 180_000;
/** What a flat figure may grow by: a share of it, and something for what comes and goes. */
const GROWTH_SHARE = 0.15;
const MEMORY_SLACK = 48 * 1_048_576;
const DESCRIPTOR_SLACK = 16;
const THREAD_SLACK = 2;

/** Samples two processes and all below the second one. */
export class Watch {
  readonly samples: Sample[] = [];
  readonly #proxy: number;
  readonly #service: number;
  readonly #seen = new Map<number, string>();

  constructor(proxy: number, service: number) {
    this.#proxy = proxy;
    this.#service = service;
  }

  /** Looks once. */
  sample(atMs: number): Sample {
    const below = descendants(this.#service);
    for (const pid of [this.#proxy, this.#service, ...below, ...descendants(this.#proxy)])
      this.#seen.set(pid, startOf(pid));
    let functionsPssBytes = 0;
    for (const pid of below) functionsPssBytes += pssOf(pid);
    const sample = {
      atMs,
      proxy: sampleProcess(this.#proxy),
      service: sampleProcess(this.#service),
      ...{ functions: below.length, functionsPssBytes },
    };
    this.samples.push(sample);
    return sample;
  }

  /** Processes that were seen once and live still. */
  alive(): readonly number[] {
    return [...this.#seen]
      .filter(([pid, start]) => isAlive(pid) && startOf(pid) === start)
      .map(([pid]) => pid);
  }

  /**
   * Early and late medians of everything that must be flat. How many functions live is bounded otherwise: each lost
   * primary leaves behind those that were started while it was looked for, until somebody kills or reclaims them.
   * So what grows with them is counted for each or without them.
   */
  trends(): readonly Trend[] {
    return [
      this.#trend("proxy RSS", MEMORY_SLACK, ({ proxy }) => proxy.rssBytes),
      this.#trend(
        "proxy descriptors, without functions'",
        DESCRIPTOR_SLACK,
        ({ proxy, functions }) => proxy.descriptors - functions,
      ),
      this.#trend("proxy threads", THREAD_SLACK, ({ proxy }) => proxy.threads),
      this.#trend("service RSS", MEMORY_SLACK, ({ service }) => service.rssBytes),
      this.#trend(
        "service descriptors for a function",
        1,
        ({ service, functions }) => Math.round((10 * service.descriptors) / functions) / 10,
      ),
      this.#trend("service threads", THREAD_SLACK, ({ service }) => service.threads),
      this.#trend("function PSS", MEMORY_SLACK, (sample) =>
        Math.round(sample.functionsPssBytes / sample.functions),
      ),
    ];
  }

  #trend(name: string, slack: number, read: (sample: Sample) => number): Trend {
    const warm = this.samples.filter(({ atMs }) => atMs >= WARM_MS);
    const third = Math.ceil(warm.length / 3);
    const early = median(warm.slice(0, third).map(read));
    const late = median(warm.slice(-third).map(read));
    const most = Math.max(0, ...this.samples.map(read));
    const judgedMs = (warm.at(-1)?.atMs ?? 0) - WARM_MS;
    const isFlat = judgedMs < JUDGED_MS_MIN || late <= early * (1 + GROWTH_SHARE) + slack;
    return { name, early, late, most, isFlat };
  }
}

function sampleProcess(pid: number): ProcessSample {
  const status = readOrEmpty(`/proc/${pid}/status`);
  const of = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  return {
    ...{ rssBytes: of("VmRSS") * 1_024, pssBytes: pssOf(pid), threads: of("Threads") },
    descriptors: entries(`/proc/${pid}/fd`),
  };
}

function pssOf(pid: number): number {
  const text = readOrEmpty(`/proc/${pid}/smaps_rollup`);
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1_024;
}

/** When the process began: a number that is given twice means another process. */
function startOf(pid: number): string {
  return /\) (?:\S+ ){19}(\d+)/.exec(readOrEmpty(`/proc/${pid}/stat`))?.[1] ?? "";
}

function entries(folder: string): number {
  try {
    return readdirSync(folder).length;
  } catch {
    return 0;
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
