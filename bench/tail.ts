// The suite `tail`: does one bad function of twelve slow down those who read? GETs of 10 MB over 12 functions (10+2):
// all healthy, then one that stands still, then one that crawls at 5 MB/s. The kind of trouble moves from function to
// function, so that data chunks and parity have their turn; what the proxy has learnt of one does not help with the next.

import type { Cache } from "../src/client/api.ts";
import { connect } from "../src/entry/library.ts";
import { makeBytes } from "../test/e2e/support/bytes.ts";
import { type Figure, type Findings, quantile } from "./figures.ts";
import { openSite, type Site } from "./site.ts";

/** What can be chosen. */
export interface TailOptions {
  readonly isQuick: boolean;
  readonly note: (line: string) => void;
}

const BYTES = 10_000_000;
const NODES = 12;
const KEYS = 4;
const CRAWL_BYTES_PER_SECOND = 5_000_000;
const FACTOR_MAX = 2;
const HEDGES_MAX = 5;
/** Reads of each kind in one round, and rounds: each has other functions in trouble. */
const READS = 120;
const ROUNDS = 4;
const ROUNDS_QUICK = 1;
/** One read would otherwise end the suite. */
const READ_MS_MAX = 30_000;

/** Runs the suite. */
export async function tail({ isQuick, note }: TailOptions): Promise<Findings> {
  const rounds = isQuick ? ROUNDS_QUICK : ROUNDS;
  const run = await TailRun.open();
  try {
    note("warming up …");
    await run.read(READS / 2);
    const healthy: number[] = [];
    const stopped: number[] = [];
    const capped: number[] = [];
    let [asked, hedged] = [0, 0];
    for (let round = 0; round < rounds; round++) {
      note(`round ${round + 1} of ${rounds}: healthy, one stopped, one crawling …`);
      const before = await run.chunkRequests();
      healthy.push(...(await run.read(READS)));
      const after = await run.chunkRequests();
      asked += after.asked - before.asked;
      hedged += after.hedges - before.hedges;
      stopped.push(...(await run.troubled(READS, "stop", (5 * round) % NODES)));
      capped.push(...(await run.troubled(READS, "crawl", (5 * round + 2) % NODES)));
    }
    const hedges = (100 * hedged) / asked;
    const most = FACTOR_MAX * quantile(healthy, 0.99);
    const ms = (name: string, value: number, bar: number | null = null): Figure => ({
      ...{ name, unit: "ms", value, most: bar },
    });
    const figures: readonly Figure[] = [
      ms("healthy: p50", quantile(healthy, 0.5)),
      ms("healthy: p99", quantile(healthy, 0.99)),
      { name: "healthy: hedges", unit: "%", value: hedges, most: HEDGES_MAX },
      ms("one of 12 stopped: p50", quantile(stopped, 0.5)),
      ms("one of 12 stopped: p99", quantile(stopped, 0.99), most),
      ms("one of 12 stopped: longest", Math.max(...stopped)),
      ms("one of 12 at 5 MB/s: p50", quantile(capped, 0.5)),
      ms("one of 12 at 5 MB/s: p99", quantile(capped, 0.99), most),
      ms("one of 12 at 5 MB/s: longest", Math.max(...capped)),
    ];
    return { figures, wrong: run.wrong, errors: run.errors };
  } finally {
    await run.close();
  }
}

class TailRun {
  wrong = 0;
  readonly errors: string[] = [];
  readonly #site: Site;
  readonly #cache: Cache;
  readonly #bodies = Array.from({ length: KEYS }, (_, key) => makeBytes(key, BYTES));
  readonly #memory = new Uint8Array(BYTES).fill(1);
  #turns = 0;

  private constructor(site: Site) {
    this.#site = site;
    this.#cache = connect({ url: site.proxies[0].url, repairs: false });
  }

  /** The forwarder stands before every function in all three, or it would cost only the one that crawls. */
  static async open(): Promise<TailRun> {
    const flags = ["--code", "10+2"];
    const site = await openSite({ nodes: NODES, memoryMb: 256, freeze: "forwarder", flags });
    try {
      await site.admin.bandwidth("unlimited");
      const run = new TailRun(site);
      for (const [key, body] of run.#bodies.entries()) await run.#cache.put(`tail-${key}`, body);
      return run;
    } catch (error) {
      await site.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#cache.close();
    await this.#site.close();
  }

  async chunkRequests(): Promise<{ readonly asked: number; readonly hedges: number }> {
    const { counters } = await this.#site.proxies[0].status();
    return { asked: counters.chunkGets, hedges: counters.hedges };
  }

  /** So many reads, one after the other; each in milliseconds. */
  async read(count: number): Promise<readonly number[]> {
    const times: number[] = [];
    for (let turn = 0; turn < count; turn++) {
      const key = this.#turns++ % KEYS;
      const body = this.#bodies[key];
      const startedAt = performance.now();
      try {
        const options = { deadlineMs: READ_MS_MAX };
        const found = await this.#cache.getInto(`tail-${key}`, this.#memory, options);
        times.push(performance.now() - startedAt);
        if (found.kind === "miss") this.errors.push(`a GET missed: ${found.reason}`);
        else if (body === undefined || Buffer.compare(this.#memory, body) !== 0) this.wrong++;
      } catch (error) {
        times.push(performance.now() - startedAt);
        this.errors.push(error instanceof Error ? error.message : String(error));
      }
    }
    return times;
  }

  /** The same with one function in trouble. */
  async troubled(
    count: number,
    trouble: "stop" | "crawl",
    node: number,
  ): Promise<readonly number[]> {
    const { admin } = this.#site;
    const name = `bench-${node}`;
    if (trouble === "stop") await admin.freeze({ function: name });
    else await admin.bandwidth(CRAWL_BYTES_PER_SECOND, name);
    try {
      return await this.read(count);
    } finally {
      if (trouble === "stop") await admin.thaw();
      else await admin.bandwidth("unlimited", name);
    }
  }
}
