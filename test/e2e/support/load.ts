// Clients that put, get and delete objects under a history check, each over a connection of its own, until they are
// told to stop. It compares every byte that comes and counts everything that happens; it kills nothing.

import type { Cache } from "../../../src/entry/library.ts";
import { CacheError, connect } from "../../../src/entry/library.ts";
import { markedBytes, markOf } from "./bytes.ts";
import type { History } from "./history.ts";

/** What the clients do. */
export interface LoadPlan {
  readonly url: string;
  readonly clients: number;
  readonly keys: number;
  readonly bytesMin: number;
  readonly bytesMax: number;
  /** Errors of calls that are part of the plan, such as those while the proxy is away. Default: none. */
  readonly isExpected?: (error: CacheError) => boolean;
}

/** What came of it. */
export interface LoadCounts {
  puts: number;
  gets: number;
  hits: number;
  deletes: number;
  readonly misses: Record<"absent" | "expired" | "lost" | "unreachable", number>;
  expectedErrors: number;
  bytes: number;
  /** The slowest call, in milliseconds. */
  slowestMs: number;
  readonly errors: string[];
}

/** A running load. */
export interface Load {
  readonly counts: LoadCounts;
  /** Resolves when the calls under way have ended. */
  stop(): Promise<void>;
}

const PAUSE_AFTER_ERROR_MS = 50;

/** Whatever a load lives within, such as a test; it calls back when it ends. */
export interface Scope {
  after(end: () => Promise<void>): void;
}

/** Starts the clients. They end with the scope, also with a test that fails: its process could not end else. */
export function startLoad(scope: Scope, plan: LoadPlan, history: History): Load {
  const counts: LoadCounts = {
    ...{ puts: 0, gets: 0, hits: 0, deletes: 0 },
    misses: { absent: 0, expired: 0, lost: 0, unreachable: 0 },
    ...{ expectedErrors: 0, bytes: 0, slowestMs: 0, errors: [] },
  };
  let isStopping = false;
  let nextBody = 1;
  const running = Array.from({ length: plan.clients }, () => client());
  const stop = async (): Promise<void> => {
    isStopping = true;
    await Promise.all(running);
  };
  scope.after(stop);
  return { counts, stop };

  async function client(): Promise<void> {
    const cache = connect({ url: plan.url });
    while (!isStopping) {
      const key = `key ${Math.floor(Math.random() * plan.keys)}`;
      const startedAt = performance.now();
      try {
        const dice = Math.random();
        if (dice < 0.35) await put(cache, key);
        else if (dice < 0.4) await remove(cache, key);
        else await get(cache, key);
      } catch (error) {
        const isExpected = error instanceof CacheError && plan.isExpected?.(error) === true;
        if (isExpected) counts.expectedErrors++;
        else counts.errors.push(describe(error));
        await new Promise((done) => setTimeout(done, PAUSE_AFTER_ERROR_MS));
      }
      counts.slowestMs = Math.max(counts.slowestMs, performance.now() - startedAt);
    }
    await cache.close();
  }

  async function put(cache: Cache, key: string): Promise<void> {
    const body = nextBody++;
    const bytes = markedBytes(body, plan);
    const write = history.beginWrite(key, body);
    await cache.put(key, bytes);
    history.endWrite(write);
    counts.puts++;
    counts.bytes += bytes.length;
  }

  async function remove(cache: Cache, key: string): Promise<void> {
    const write = history.beginWrite(key, null);
    await cache.delete(key);
    history.endWrite(write);
    counts.deletes++;
  }

  async function get(cache: Cache, key: string): Promise<void> {
    const beganAt = performance.now();
    const read = await cache.get(key);
    counts.gets++;
    if (read.kind === "miss") {
      counts.misses[read.reason]++;
      return;
    }
    counts.hits++;
    counts.bytes += read.bytes.length;
    const body = markOf(read.bytes, plan);
    if (body === null) history.fault(`${key}: ${read.bytes.length} bytes came that nobody put`);
    else history.hit(key, body, beganAt);
  }
}

function describe(error: unknown): string {
  if (!(error instanceof CacheError)) return String(error);
  return `${error.code}: ${error.message}`;
}
