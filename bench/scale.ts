// The suite `scale`: how long a pool of 400 takes to be ready and how much memory; what a proxy has resident while 32
// clients stream 100 MB objects, and whether that grows; and throughput and latency as clients, nodes and proxies grow.
// Clients are processes of their own. Linux only, for memory as the kernel counts it.

import { setTimeout as sleep } from "node:timers/promises";
import { treeMemory } from "../test/e2e/support/processes.ts";
import { type Figure, type Findings, quantile } from "./figures.ts";
import { fill, type MoverPlan, type MoverReport, startMovers } from "./movers.ts";
import { openSite, type SiteProxy } from "./site.ts";

/** What can be chosen. */
export interface ScaleOptions {
  /** All of the grid, and in `memory` ten minutes for each way instead of half a one. */
  readonly isFull: boolean;
  readonly isQuick: boolean;
  /** `start`, `memory` or `grid` alone; absent: all. */
  readonly part: string | undefined;
  readonly note: (line: string) => void;
}

const MB = 1_000_000;
const NODES_MANY = 400;
const READY_MS_MAX = 30_000;
const TREE_BYTES_MAX = 4_500 * MB;
const PROXY_BYTES_MAX = 300 * MB;
/** What is resident late may be so much more than early. */
const GROWTH_MAX = 1.1;
const CLIENTS_MANY = 32;
const SAMPLE_MS = 500;
const GRID_SECONDS = 5;

interface Cell {
  readonly proxies: number;
  readonly nodes: number;
  readonly clients: readonly number[];
}

const CELLS_QUICK: readonly Cell[] = [{ proxies: 1, nodes: 24, clients: [1, 16] }];
const CELLS: readonly Cell[] = [
  { proxies: 1, nodes: 24, clients: [1, 8, 64] },
  { proxies: 1, nodes: 100, clients: [8] },
  { proxies: 2, nodes: 24, clients: [8] },
];
const CELLS_FULL: readonly Cell[] = [
  { proxies: 1, nodes: 24, clients: [1, 2, 4, 8, 16, 32, 64] },
  { proxies: 1, nodes: 100, clients: [1, 8, 64] },
  { proxies: 1, nodes: 400, clients: [1, 8, 64] },
  { proxies: 2, nodes: 24, clients: [1, 8, 64] },
  { proxies: 5, nodes: 24, clients: [1, 8, 64] },
];

/** Runs the suite. */
export async function scale(options: ScaleOptions): Promise<Findings> {
  const { part, isFull, isQuick, note } = options;
  const figures: Figure[] = [];
  const errors: string[] = [];
  let wrong = 0;
  const add = (found: Findings): void => {
    figures.push(...found.figures);
    errors.push(...found.errors);
    wrong += found.wrong;
  };
  if (part === undefined || part === "start") {
    note(`${NODES_MANY} nodes …`);
    figures.push(...(await start()));
  }
  if (part === undefined || part === "memory") {
    const seconds = isFull ? 600 : isQuick ? 8 : 30;
    for (const how of ["memory", "stream"] as const) {
      note(`${CLIENTS_MANY} clients, from and into ${how}, ${seconds} s …`);
      add(await memory(how, seconds));
    }
  }
  if (part === undefined || part === "grid") {
    for (const cell of isFull ? CELLS_FULL : isQuick ? CELLS_QUICK : CELLS) {
      note(`${cell.proxies} proxies with ${cell.nodes} nodes each …`);
      add(await grid(cell));
    }
  }
  return { figures, wrong, errors };
}

/** Service and proxy as processes of their own: `up` counts on functions being filled, and refuses what would not fit then. */
async function start(): Promise<readonly Figure[]> {
  const startedAt = performance.now();
  const site = await openSite({ nodes: NODES_MANY, memoryMb: 128 });
  try {
    const readyMs = performance.now() - startedAt;
    const [proxy] = site.proxies;
    const { greeted } = (await proxy.status()).nodes;
    const bytes = treeMemory(site.servicePid) + treeMemory(proxy.pid);
    return [
      { name: `${NODES_MANY} nodes: ready`, unit: "ms", value: readyMs, most: READY_MS_MAX },
      { name: `${NODES_MANY} nodes: that have said hello`, unit: "", value: greeted, most: null },
      {
        name: `${NODES_MANY} nodes: PSS of all`,
        unit: "bytes",
        value: bytes,
        most: TREE_BYTES_MAX,
      },
    ];
  } finally {
    await site.close();
  }
}

/** Half of the clients put, half get, each half in a process of its own. */
async function memory(how: MoverPlan["how"], seconds: number): Promise<Findings> {
  const bytes = 100 * MB;
  const site = await openSite({ nodes: 40, memoryMb: 512 });
  try {
    const [proxy] = site.proxies;
    const clients = CLIENTS_MANY / 2;
    const plan = { url: proxy.url, bytes, how, clients };
    await fill({ ...plan, prefix: "read-", keys: 8, clients: 2 });
    const movers = await startMovers([
      { ...plan, op: "get", prefix: "read-", keys: 8 },
      { ...plan, op: "put", prefix: "written-", keys: clients },
    ]);
    const startedAt = performance.now();
    const resident = await watch(proxy, seconds);
    const report = await movers.stop();
    const tookSeconds = (performance.now() - startedAt) / 1_000;
    const fifth = Math.max(1, Math.floor(resident.length / 5));
    const early = quantile(resident.slice(fifth, 2 * fifth), 0.5);
    const late = quantile(resident.slice(-fifth), 0.5);
    const name = `${CLIENTS_MANY} clients, ${how}`;
    const most = PROXY_BYTES_MAX;
    const growth = { name: `${name}: late / early`, unit: "x", value: late / early } as const;
    return {
      figures: [
        { name: `${name}: proxy RSS, most`, unit: "bytes", value: Math.max(...resident), most },
        { ...growth, most: GROWTH_MAX },
        ...rates(name, report, tookSeconds),
      ],
      wrong: report.wrong,
      errors: report.errors,
    };
  } finally {
    await site.close();
  }
}

async function watch(proxy: SiteProxy, seconds: number): Promise<readonly number[]> {
  const samples: number[] = [];
  const until = performance.now() + seconds * 1_000;
  while (performance.now() < until) {
    await sleep(SAMPLE_MS);
    samples.push(proxy.residentBytes());
  }
  return samples;
}

/** GETs, then PUTs, of 10 MB by so many clients in two processes. */
async function grid({ proxies, nodes, clients }: Cell): Promise<Findings> {
  const site = await openSite({ nodes, memoryMb: nodes > 100 ? 128 : 256, proxies });
  const figures: Figure[] = [];
  const errors: string[] = [];
  let wrong = 0;
  try {
    const plan = { url: site.proxies[0].url, bytes: 10 * MB, how: "memory" } as const;
    await fill({ ...plan, keys: 64, clients: 4 });
    for (const count of clients) {
      for (const op of ["get", "put"] as const) {
        const halves = [Math.ceil(count / 2), Math.floor(count / 2)].filter((each) => each > 0);
        const prefix = op === "put" ? "written-" : "object-";
        const movers = await startMovers(
          halves.map((half, at) => ({
            ...{ ...plan, op, prefix, clients: half, keys: 64, firstKey: 32 * at },
          })),
        );
        const startedAt = performance.now();
        await sleep(GRID_SECONDS * 1_000);
        const report = await movers.stop();
        const seconds = (performance.now() - startedAt) / 1_000;
        const name = `${proxies} x ${nodes} nodes, ${count} clients`;
        figures.push(...rates(name, report, seconds));
        errors.push(...report.errors);
        wrong += report.wrong;
      }
    }
  } finally {
    await site.close();
  }
  return { figures, wrong, errors };
}

function rates(name: string, report: MoverReport, seconds: number): readonly Figure[] {
  return (["put", "get"] as const).flatMap((op) => {
    const ms = report[`${op}Ms`];
    if (ms.length === 0) return [];
    const rate = (ms.length * report.bytes) / MB / seconds;
    const told = `${name}: ${op.toUpperCase()}`;
    return [
      { name: `${told}, all together`, unit: "MB/s", value: rate, most: null },
      { name: `${told} p50`, unit: "ms", value: quantile(ms, 0.5), most: null },
      { name: `${told} p99`, unit: "ms", value: quantile(ms, 0.99), most: null },
    ] as const;
  });
}
