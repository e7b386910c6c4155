// The suite `speed`: is this cache as fast as it must be, through a proxy and embedded, beside redis-server, ioredis
// and memcached on the same machine in the same minutes? In each round every contestant has its turn in every task,
// in changing order; medians are compared. Every body that comes back is compared byte by byte, outside the clock.

import { randomFillSync } from "node:crypto";
import { cacheTarget, type TargetClient } from "../src/cli/bench/targets.ts";
import { formatBytes } from "../src/cli/units.ts";
import { freshTarget } from "./contestants.ts";
import { describeMachine } from "./report.ts";
import { lossName, type Samples, type Standing, standings, type Task } from "./speed-bars.ts";
import {
  type OwnCache,
  openSpeedContest,
  type PoolShape,
  type SpeedContest,
  WAYS,
} from "./speed-contest.ts";

/** What can be chosen. */
export interface SpeedOptions extends PoolShape {
  readonly rounds: number;
  readonly note: (line: string) => void;
}

/** What the suite writes. */
export interface SpeedReport {
  readonly suite: "speed";
  readonly at: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly absent: readonly string[];
  readonly standings: readonly Standing[];
  readonly samples: readonly Samples[];
}

const MB = 1_000_000;
const KB = 1_000;
const BYTES_MAX = 100 * MB;
const IN_FLIGHT = 50;
/** Operations of one contestant in one round. */
interface Counts {
  readonly puts: number;
  /** Of the last object put; one more goes before, which is not counted: it leaves memory that was used to the others. */
  readonly overwrites: number;
  readonly gets: number;
}
const COUNTS: ReadonlyMap<number, Counts> = new Map([
  [100 * MB, { puts: 1, overwrites: 2, gets: 3 }],
  [10 * MB, { puts: 3, overwrites: 5, gets: 8 }],
  [KB, { puts: 100, overwrites: 0, gets: 1_000 }],
]);
/** Enough to last for some tenths of a second, so that what others end meanwhile does not decide. */
const BURST = 20_000;

/** Runs the suite. */
export async function speed(options: SpeedOptions): Promise<SpeedReport> {
  const { rounds, nodes, memoryMb, note } = options;
  const contest = await openSpeedContest(options, BYTES_MAX, true);
  for (const each of contest.absent) note(`left out, since it is not installed: ${each}`);
  const run = new Run(contest);
  try {
    // The first round warms code, connections and memory on all sides, and is not counted.
    for (let round = 0; round <= rounds; round++) {
      note(round === 0 ? "warming up …" : `round ${round} of ${rounds} …`);
      for (const [bytes, counts] of COUNTS) await run.compareSize(bytes, counts, round);
    }
    for (const bytes of [100 * MB, 10 * MB]) {
      note(`${formatBytes(bytes)} with a chunk lost …`);
      for (let round = 0; round <= rounds; round++) await run.compareLoss(bytes, round);
    }
  } finally {
    await contest.close();
  }
  const samples = run.samples();
  return {
    suite: "speed",
    at: new Date().toISOString(),
    machine: describeMachine(),
    parameters: { rounds, nodes, memoryMb, backups: "off", repairs: "off", inFlight: IN_FLIGHT },
    absent: contest.absent,
    standings: standings(samples),
    samples,
  };
}

interface Contestant {
  readonly who: string;
  /** Each GET into the memory of the one before. */
  readonly reusing: TargetClient | null;
  /** Each GET into memory of its own; null where that is not of interest. */
  readonly fresh: TargetClient | null;
}

class Run {
  readonly #contest: SpeedContest;
  readonly #contestants: readonly Contestant[];
  readonly #body = new Uint8Array(BYTES_MAX);
  readonly #samples = new Map<string, { task: Task; who: string; ms: number[]; wrong: number }>();
  #puts = 0;

  constructor(contest: SpeedContest) {
    this.#contest = contest;
    randomFillSync(this.#body);
    const { own, others } = contest;
    const ours = WAYS.map((who) => {
      const { cache } = own[who];
      return { who, reusing: cacheTarget(cache, null), fresh: freshTarget(cache) };
    });
    const theirs = [...others].map(([who, client]) => {
      const isLibrary = who === "ioredis";
      return { who, reusing: isLibrary ? null : client, fresh: client };
    });
    this.#contestants = [...ours, ...theirs];
  }

  samples(): readonly Samples[] {
    return [...this.#samples.values()].map(({ task, who, ms, wrong }) => ({
      ...task,
      who,
      ms: ms.map((each) => Math.round(each * 1_000) / 1_000),
      wrong,
    }));
  }

  /** One round of one size: each contestant puts, then each reads, so that nobody's pages are still warm from the put. */
  async compareSize(
    bytes: number,
    { puts, overwrites, gets }: Counts,
    round: number,
  ): Promise<void> {
    const isCounted = round > 0;
    const turns = this.#contestants.map(
      (_, turn) => this.#contestants[(turn + round) % this.#contestants.length]!,
    );
    const keys = new Map<string, string[]>();
    for (const { who, reusing, fresh } of turns) {
      const client = reusing ?? fresh;
      if (client === null) continue;
      for (let count = 0; count < puts; count++) {
        const key = `speed-${this.#puts++}`;
        const body = this.#bodyOf(key, bytes);
        await this.#timed(isCounted, { op: "put new key", bytes }, who, () =>
          client.put(key, body),
        );
        const own = keys.get(who) ?? [];
        keys.set(who, own);
        own.push(key);
      }
      if (overwrites === 0) continue;
      const last = keys.get(who)?.at(-1) ?? "";
      const again = (): Promise<void> => client.put(last, this.#bodyOf(last, bytes));
      await again();
      for (let count = 0; count < overwrites; count++)
        await this.#timed(isCounted, { op: "overwrite", bytes }, who, again);
    }
    for (const { who, reusing, fresh } of turns) {
      const own = keys.get(who) ?? [];
      const key = own.at(-1) ?? "";
      // Small objects that were read before are in the proxy's memory; these are not.
      if (bytes === KB && fresh !== null)
        for (const unread of own)
          await this.#read(isCounted, { op: "get, first time", bytes }, who, unread, fresh);
      for (const [op, client] of [
        ["get into reused memory", bytes > KB ? reusing : null],
        ["get", fresh],
      ] as const) {
        if (client === null) continue;
        const task = { op, bytes };
        for (let count = 0; count < gets; count++)
          await this.#read(isCounted, task, who, key, client);
      }
    }
    // After all others, so that no functions that were woken by what came before go to sleep within it.
    for (const { who, fresh } of bytes === KB ? turns : []) {
      const isComparable = who === "ioredis" || who in this.#contest.own;
      if (fresh !== null && isComparable)
        await this.#burst(isCounted, who, keys.get(who)?.at(-1) ?? "", fresh);
    }
  }

  /**
   * A node dies under an object, and once that is known a second one is put, whole: then both are read by turns. So the
   * node's new instance has started before anything is timed, and both sides have the machine as it is then.
   */
  async compareLoss(bytes: number, round: number): Promise<void> {
    const { gets } = COUNTS.get(bytes) ?? { gets: 1 };
    const task = { op: "get into reused memory", bytes } as const;
    for (const way of WAYS) {
      const own = this.#contest.own[way];
      const client = cacheTarget(own.notRepairing, null);
      const lost = `speed-${this.#puts++}`;
      const whole = `speed-${this.#puts++}`;
      const put = (key: string): Promise<void> => client.put(key, this.#bodyOf(key, bytes));
      await put(lost);
      await loseChunk(own, lost, () => put(lost));
      await put(whole);
      // The first reads make the memory that the others use again.
      for (const key of [lost, whole]) await client.get(key);
      for (let turn = 0; turn < 2 * gets; turn++) {
        const isLost = (turn + round) % 2 === 0;
        await this.#read(round > 0, task, lossName(way, isLost), isLost ? lost : whole, client);
      }
      for (const key of [lost, whole]) await own.cache.delete(key);
    }
  }

  async #read(
    isCounted: boolean,
    task: Task,
    who: string,
    key: string,
    client: TargetClient,
  ): Promise<void> {
    let found: Uint8Array | null = null;
    const sample = await this.#timed(isCounted, task, who, async () => {
      found = await client.get(key);
    });
    if (!this.#isRight(key, task.bytes, found)) sample.wrong++;
  }

  /** So many reads over one client, never fewer than that under way until the last begin; the time for each. */
  async #burst(isCounted: boolean, who: string, key: string, client: TargetClient): Promise<void> {
    const expected = this.#bodyOf(key, KB).slice();
    let wrong = 0;
    let begun = 0;
    // Compared at once, within the time: keeping all of them would make the collector part of the figure.
    const work = async (): Promise<void> => {
      while (begun++ < BURST) {
        const found = await client.get(key);
        if (found === null || Buffer.compare(found, expected) !== 0) wrong++;
      }
    };
    const task = { op: "get, 50 in flight", bytes: KB } as const;
    const all = async (): Promise<void> =>
      void (await Promise.all(Array.from({ length: IN_FLIGHT }, work)));
    const sample = await this.#timed(isCounted, task, who, all, BURST);
    sample.wrong += wrong;
  }

  async #timed(
    isCounted: boolean,
    task: Task,
    who: string,
    act: () => Promise<void>,
    operations = 1,
  ): Promise<{ wrong: number }> {
    const startedAt = performance.now();
    await act();
    const ms = (performance.now() - startedAt) / operations;
    const name = `${task.op} ${task.bytes} ${who}`;
    const sample = this.#samples.get(name) ?? { task, who, ms: [], wrong: 0 };
    this.#samples.set(name, sample);
    if (isCounted) sample.ms.push(ms);
    return sample;
  }

  /** The one body of this size, its first bytes made those of this key; used up before the next is asked for. */
  #bodyOf(key: string, bytes: number): Uint8Array {
    new TextEncoder().encodeInto(key.padEnd(16), this.#body);
    return this.#body.subarray(0, bytes);
  }

  #isRight(key: string, bytes: number, found: Uint8Array | null): boolean {
    if (found === null || found.length !== bytes) return false;
    return Buffer.compare(found, this.#bodyOf(key, bytes)) === 0;
  }
}

/**
 * Kills nodes until one read of the object had to reconstruct something, which also tells the proxy of the loss. Where both
 * parity chunks went before any other, unseen by any read, the next is one too many: then it begins anew.
 */
async function loseChunk(own: OwnCache, key: string, put: () => Promise<void>): Promise<void> {
  for (let node = 0; ; node++) {
    await own.kill(node);
    const read = await own.notRepairing.get(key);
    if (read.kind === "miss") await put();
    else if (read.timings.reconstructed > 0) return;
  }
}
