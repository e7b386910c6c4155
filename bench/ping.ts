// The suite `ping`: does who asks little wait for those who move much? A PING by RESP, over a connection of its own and
// from a thread of its own, while eight clients in two other processes get, put, or do both with objects of 400 MB.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { type Figure, type Findings, quantile } from "./figures.ts";
import { fill, startMovers } from "./movers.ts";
import { startRedis } from "./servers.ts";
import { openSite } from "./site.ts";

/** What can be chosen. */
export interface PingOptions {
  readonly isQuick: boolean;
  readonly note: (line: string) => void;
}

const MB = 1_000_000;
const BYTES = 400 * MB;
const P99_MS_MAX = 5;
const LONGEST_MS_MAX = 50;
const PING_PAUSE_MS = 20;
/** Without an answer for so long the proxy hangs. */
const PING_MS_MAX = 10_000;
const SECONDS = 25;
const SECONDS_QUICK = 8;
/** Objects that are read, and as many that are written again and again. */
const KEYS = 4;
/** In two processes. */
const CLIENTS = 8;

/** Runs the suite. */
export async function ping({ isQuick, note }: PingOptions): Promise<Findings> {
  const seconds = isQuick ? SECONDS_QUICK : SECONDS;
  const site = await openSite({ nodes: 40, memoryMb: 512 });
  // Beside it a server that has nothing else to do: what the machine alone makes a PING wait.
  const redis = await startRedis();
  const figures: Figure[] = [];
  const errors: string[] = [];
  let wrong = 0;
  try {
    const [{ url }] = site.proxies;
    const plan = { url, bytes: BYTES, how: "stream", keys: KEYS } as const;
    note(`${KEYS} objects of 400 MB …`);
    await fill({ ...plan, prefix: "read-", clients: 2 });
    const proxy = new URL(`tcp://${site.proxies[0].resp}`);
    const idle = await watch(proxy.hostname, Number(proxy.port), SECONDS_QUICK / 2);
    figures.push({ name: "idle: PING p99", unit: "ms", value: quantile(idle, 0.99), most: null });
    for (const [name, ops] of [
      [`${CLIENTS} clients get`, ["get", "get"]],
      [`${CLIENTS} clients put`, ["put", "put"]],
      [`${CLIENTS / 2} get, ${CLIENTS / 2} put`, ["get", "put"]],
    ] as const) {
      note(`${name} …`);
      const startedAt = performance.now();
      const movers = await startMovers(
        ops.map((op, at) => ({
          ...{ ...plan, op, clients: CLIENTS / 2, firstKey: (at * KEYS) / 2 },
          prefix: op === "get" ? "read-" : "written-",
        })),
      );
      const [times, control] = await Promise.all([
        watch(proxy.hostname, Number(proxy.port), seconds),
        redis === null ? [] : watch(redis.host, redis.port, seconds),
      ]);
      const report = await movers.stop();
      const moved = ((report.getMs.length + report.putMs.length) * BYTES) / MB;
      const rate = moved / ((performance.now() - startedAt) / 1_000);
      errors.push(...report.errors);
      wrong += report.wrong;
      figures.push(
        { name: `${name}: PING p50`, unit: "ms", value: quantile(times, 0.5), most: null },
        { name: `${name}: PING p99`, unit: "ms", value: quantile(times, 0.99), most: P99_MS_MAX },
        {
          name: `${name}: PING longest`,
          unit: "ms",
          value: quantile(times, 1),
          most: LONGEST_MS_MAX,
        },
        {
          ...{ name: `${name}: an idle redis-server, p99`, unit: "ms" },
          ...{ value: quantile(control, 0.99), most: null },
        },
        { name: `${name}: moved`, unit: "MB/s", value: rate, most: null },
      );
    }
  } finally {
    await redis?.stop();
    await site.close();
  }
  return { figures, wrong, errors };
}

/** Pings for so long; each in milliseconds. */
async function watch(host: string, port: number, seconds: number): Promise<readonly number[]> {
  const worker = new Worker(new URL("../test/support/ping-worker.ts", import.meta.url), {
    workerData: { host, port, pauseMs: PING_PAUSE_MS, msMax: PING_MS_MAX },
  });
  const answer = once(worker, "message") as Promise<[readonly number[]]>;
  answer.catch(() => {}); // Told below.
  await sleep(seconds * 1_000);
  worker.postMessage("stop");
  return (await answer)[0];
}
