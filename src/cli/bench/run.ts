// Runs a workload against a target and measures it. Every body is recognisable, so that a wrong answer is found
// out: the number of its key at its start, and its length. It prints nothing.

import type { Clock } from "../../core/ports.ts";
import { later } from "../serving.ts";
import { Histogram, type LatencySummary } from "./histogram.ts";
import type { TargetClient } from "./targets.ts";
import type { Workload } from "./workload.ts";

/** How much, and how fast at most. */
export interface LoadOptions {
  readonly count: number;
  readonly concurrency: number;
  /** Each worker begins an operation at most this often; 0: one after the other. */
  readonly intervalMs: number;
  readonly prefix: string;
}

/** The result for one kind of operation. */
export interface LoadResult {
  readonly operations: number;
  readonly bytes: number;
  readonly misses: number;
  /** Answers that were not what had been stored. */
  readonly wrong: number;
  readonly latency: LatencySummary;
}

/** The result of a run. */
export interface LoadReport {
  readonly seconds: number;
  readonly operationsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly put: LoadResult;
  readonly get: LoadResult;
}

/** Eight bytes at the start of each body say which key it belongs to. */
const MARK_BYTES = 8;

/** One body of the largest size, cut and marked for each put: contents beyond the mark do not matter. */
export class BodySource {
  readonly #memory: Uint8Array<ArrayBuffer>;

  constructor(bytesMax: number, fill: (into: Uint8Array) => void) {
    this.#memory = new Uint8Array(Math.max(bytesMax, MARK_BYTES));
    fill(this.#memory);
  }

  /** A body of its own for small sizes; large ones are copies as well, since puts may overlap. */
  body(key: number, bytes: number): Uint8Array {
    const body = this.#memory.slice(0, bytes);
    if (bytes >= MARK_BYTES) new DataView(body.buffer).setBigUint64(0, BigInt(key));
    return body;
  }

  isRight(key: number, bytes: number, found: Uint8Array): boolean {
    if (found.length !== bytes) return false;
    if (bytes < MARK_BYTES) return true;
    const view = new DataView(found.buffer, found.byteOffset, found.byteLength);
    const isMarked = view.getBigUint64(0) === BigInt(key);
    return isMarked && (bytes === MARK_BYTES || found[bytes - 1] === this.#memory[bytes - 1]);
  }
}

class Tally {
  readonly latency = new Histogram();
  bytes = 0;
  misses = 0;
  wrong = 0;

  result(): LoadResult {
    const { bytes, misses, wrong } = this;
    return {
      operations: this.latency.count,
      bytes,
      misses,
      wrong,
      latency: this.latency.summary(),
    };
  }
}

/** Runs `count` operations over the clients, `concurrency` at a time; each worker uses its own client. */
export async function runLoad(
  clients: readonly TargetClient[],
  workload: Workload,
  bodies: BodySource,
  options: LoadOptions,
  clock: Clock,
): Promise<LoadReport> {
  const puts = new Tally();
  const gets = new Tally();
  let begun = 0;
  const timed = async (tally: Tally, act: () => Promise<void>) => {
    const startedAt = clock.now();
    await act();
    tally.latency.record(clock.now() - startedAt);
  };
  const put = async (client: TargetClient, key: number, bytes: number) => {
    const body = bodies.body(key, bytes);
    await timed(puts, () => client.put(`${options.prefix}${key}`, body));
    puts.bytes += bytes;
  };
  const get = async (client: TargetClient, key: number) => {
    let found: Uint8Array | null = null;
    await timed(gets, async () => {
      found = await client.get(`${options.prefix}${key}`);
    });
    tallyRead(gets, bodies, key, workload.bytesOf(key), found);
  };
  const work = async (client: TargetClient) => {
    while (begun < options.count) {
      begun++;
      const startedAt = clock.now();
      const step = workload.next();
      if (step.kind === "scan") {
        for (let each = 0; each < step.count; each++) await get(client, step.key + each);
      } else {
        if (step.kind !== "put") await get(client, step.key);
        if (step.kind !== "get") await put(client, step.key, step.bytes);
      }
      const restMs = options.intervalMs - (clock.now() - startedAt);
      if (restMs > 0) await later(clock, restMs);
    }
  };
  const startedAt = clock.now();
  await Promise.all(clients.slice(0, options.concurrency).map(work));
  const seconds = (clock.now() - startedAt) / 1_000;
  const operations = puts.latency.count + gets.latency.count;
  return {
    seconds,
    operationsPerSecond: operations / seconds,
    bytesPerSecond: (puts.bytes + gets.bytes) / seconds,
    put: puts.result(),
    get: gets.result(),
  };
}

function tallyRead(
  tally: Tally,
  bodies: BodySource,
  key: number,
  bytes: number,
  found: Uint8Array | null,
): void {
  if (found === null) {
    tally.misses++;
    return;
  }
  tally.bytes += found.length;
  if (!bodies.isRight(key, bytes, found)) tally.wrong++;
}
