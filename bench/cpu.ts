// The suite `cpu`: how many CPU-seconds does a gigabyte cost, in which process? PUT and GET of 100 MB and 10 MB through
// a proxy, one at a time: client (this process), proxy, functions and the Lambda service, from the kernel's accounts.
// Frozen functions take none. The accounts count in steps of 10 ms, so a figure needs a few gigabytes to settle.

import { randomFillSync } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { formatTable } from "../src/cli/terminal.ts";
import { formatBytes, formatMs } from "../src/cli/units.ts";
import { describeMachine } from "./report.ts";
import { median } from "./speed-bars.ts";
import { openSpeedContest, type PoolShape, type SpeedContest } from "./speed-contest.ts";

/** What can be chosen. */
export interface CpuOptions extends PoolShape {
  readonly rounds: number;
  readonly note: (line: string) => void;
}

const ROLES = ["client", "proxy", "functions", "service"] as const;
type Costs = Record<(typeof ROLES)[number], number>;

/** One operation of one size. */
export interface CpuRow {
  readonly op: string;
  readonly bytes: number;
  readonly medianMs: number;
  /** CPU-seconds for 10^9 bytes, by process. */
  readonly secondsPerGigabyte: Readonly<Costs>;
}

/** What the suite writes. */
export interface CpuReport {
  readonly suite: "cpu";
  readonly at: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly rows: readonly CpuRow[];
}

const BYTES_MAX = 100_000_000;
/** Bytes moved by one operation of one size in one round. */
const BYTES_PER_ROUND = 300_000_000;
/** Of the accounts in /proc: USER_HZ, which is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Runs the suite; Linux only. */
export async function cpu(options: CpuOptions): Promise<CpuReport> {
  const { rounds, nodes, memoryMb, note } = options;
  const contest = await openSpeedContest(options, BYTES_MAX, false);
  try {
    const rows: CpuRow[] = [];
    for (const bytes of [BYTES_MAX, BYTES_MAX / 10]) {
      note(`${formatBytes(bytes)} …`);
      rows.push(...(await measureSize(contest, bytes, rounds)));
    }
    const at = new Date().toISOString();
    const parameters = { rounds, nodes, memoryMb, backups: "off", repairs: "off" };
    return { suite: "cpu", at, machine: describeMachine(), parameters, rows };
  } finally {
    await contest.close();
  }
}

/** The rows as a table. */
export function cpuTable({ rows }: CpuReport): string {
  const lines = rows.map(({ op, bytes, medianMs, secondsPerGigabyte }) => {
    const costs = ROLES.map((role) => secondsPerGigabyte[role]);
    const sum = costs.reduce((a, b) => a + b, 0);
    return [
      formatBytes(bytes),
      op,
      formatMs(medianMs),
      ...[...costs, sum].map((each) => each.toFixed(2)),
    ];
  });
  return formatTable(
    ["size", "op", "median", ...ROLES, "sum (CPU-s/GB)"],
    lines,
    [0, 2, 3, 4, 5, 6, 7],
  );
}

async function measureSize(
  contest: SpeedContest,
  bytes: number,
  rounds: number,
): Promise<readonly CpuRow[]> {
  const { cache } = contest.own.proxy;
  const body = new Uint8Array(bytes);
  randomFillSync(body);
  const into = new Uint8Array(bytes).fill(1);
  const count = Math.max(1, Math.round(BYTES_PER_ROUND / bytes));
  let keys = 0;
  const operations: Readonly<Record<string, () => Promise<unknown>>> = {
    "put new key": () => cache.put(`cpu-${bytes}-${keys++}`, body),
    overwrite: () => cache.put(`cpu-${bytes}`, body),
    "get into reused memory": () => cache.getInto(`cpu-${bytes}`, into),
    get: () => cache.get(`cpu-${bytes}`),
  };
  const sums = new Map<string, { ms: number[]; costs: Costs }>();
  for (let round = 0; round <= rounds; round++) {
    for (const [op, run] of Object.entries(operations)) {
      const sum = sums.get(op) ?? { ms: [], costs: none() };
      sums.set(op, sum);
      const before = readCosts(contest);
      for (let each = 0; each < count; each++) {
        const startedAt = performance.now();
        await run();
        if (round > 0) sum.ms.push(performance.now() - startedAt);
      }
      const after = readCosts(contest);
      if (round > 0) for (const role of ROLES) sum.costs[role] += after[role] - before[role];
    }
    while (keys > 0) await cache.delete(`cpu-${bytes}-${--keys}`);
  }
  const gigabytes = (rounds * count * bytes) / 1e9;
  return [...sums].map(([op, { ms, costs }]) => {
    const secondsPerGigabyte = none();
    for (const role of ROLES)
      secondsPerGigabyte[role] = Math.round((costs[role] / gigabytes) * 1_000) / 1_000;
    return { op, bytes, medianMs: median(ms), secondsPerGigabyte };
  });
}

function none(): Costs {
  return { client: 0, proxy: 0, functions: 0, service: 0 };
}

function readCosts({ pids }: SpeedContest): Costs {
  const { user, system } = process.cpuUsage();
  let functions = 0;
  for (const pid of functionsOf(pids.service)) functions += secondsOf(pid);
  return {
    client: (user + system) / 1e6,
    proxy: secondsOf(pids.proxy),
    functions,
    service: secondsOf(pids.service),
  };
}

/** The processes that the service has started. */
function functionsOf(service: number): readonly number[] {
  const threads = readdirSync(`/proc/${service}/task`);
  return threads.flatMap((thread) =>
    readFileSync(`/proc/${service}/task/${thread}/children`, "latin1")
      .split(" ")
      .filter((text) => text !== "")
      .map(Number),
  );
}

/** What a process has used so far; 0 when it has ended. */
function secondsOf(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}
