// The repairer: a few workers that ask one proxy for stripes that lack chunks, and make them whole. When, how fast and
// for how much money, the proxy says; a worker that has nothing to do waits on its channel, and no timer runs.

import { CacheError } from "../core/errors.ts";
import { STRIPE_BYTES_JOINED_MAX } from "../core/limits.ts";
import type { Clock, Random, Timer } from "../core/ports.ts";
import type { Dialer } from "../wire/connection.ts";
import { BufferPool } from "./buffer-pool.ts";
import { Deadlines } from "./deadlines.ts";
import { Gate } from "./gate.ts";
import { type RepairResult, RepairStripe } from "./repair-stripe.ts";
import { Run, type RunContext } from "./run.ts";
import { Session, UNREACHABLE_MS_DEFAULT } from "./session.ts";

/** Orders at work at once: while one reads, another stores. Two stripes of memory, parity included. */
export const WORKERS = 2;
/** An order that makes no progress for so long is given up; the proxy does so sooner. */
const ORDER_MS_MAX = 60_000;
/** The pause after an order that failed. */
const PAUSE_MS = 1_000;

/** What a repairer is made of. */
export interface RepairerOptions {
  readonly dialer: Dialer;
  readonly address: string;
  readonly clock: Clock;
  readonly random: Random;
  /** 16 bytes, its own. */
  readonly clientId: Uint8Array;
  readonly token?: string;
  /** Makes memory that need not be zero. Default: zeroed memory. */
  readonly allocate?: (bytes: number) => Uint8Array;
}

/** What it has done. */
export interface RepairerCounts {
  /** Orders that were carried out. */
  orders: number;
  stored: number;
  refused: number;
  unreadable: number;
  failed: number;
}

/** See the header. It begins when it is made. */
export class Repairer {
  readonly counts: RepairerCounts = { orders: 0, stored: 0, refused: 0, unreadable: 0, failed: 0 };
  readonly #context: RunContext;
  readonly #session: Session;
  readonly #scratch: BufferPool;
  readonly #runs = new Set<Run<RepairResult>>();
  readonly #pauses = new Set<Timer>();
  #isClosed = false;

  constructor(options: RepairerOptions) {
    const { dialer, address, clock, random, clientId, token = "" } = options;
    this.#session = new Session({
      ...{ dialer, address, clock, random, clientId, token },
      agent: "infinicache-repairer",
      unreachableMs: UNREACHABLE_MS_DEFAULT,
    });
    this.#context = {
      clock,
      sessions: { to: () => this.#session },
      gate: new Gate(WORKERS, WORKERS),
      deadlines: new Deadlines(clock),
    };
    this.#scratch = new BufferPool(
      WORKERS * STRIPE_BYTES_JOINED_MAX,
      options.allocate ?? ((bytes) => new Uint8Array(bytes)),
    );
    for (let worker = 0; worker < WORKERS; worker++) this.#pauseFor(0);
  }

  /** Scratch memory in use. */
  get usedBytes(): number {
    return this.#scratch.usedBytes;
  }

  /** Gives up what is under way: the proxy takes the orders back. `closed` is called when the connection is gone. */
  close(closed: () => void): void {
    this.#isClosed = true;
    for (const pause of this.#pauses) pause.cancel();
    for (const run of [...this.#runs])
      run.abandon(new CacheError("ICACHE_CLOSED", "the repairer was closed"));
    this.#context.deadlines.close();
    this.#session.close(closed);
  }

  #pauseFor(delayMs: number): void {
    const pause = this.#context.clock.setTimer(delayMs, () => {
      this.#pauses.delete(pause);
      this.#begin();
    });
    this.#pauses.add(pause);
  }

  #begin(): void {
    if (this.#isClosed) return;
    const run = new Run<RepairResult>(
      this.#context,
      {
        name: "repair",
        target: null,
        deadlineMs: ORDER_MS_MAX,
        deadlineFrom: "progress",
        usesCallersMemory: true,
      },
      (host) => new RepairStripe(host, this.#scratch),
      (outcome) => {
        this.#runs.delete(run);
        if (this.#isClosed) return;
        if (outcome.kind === "done") this.#count(outcome.result);
        else this.counts.failed += 1;
        this.#pauseFor(outcome.kind === "done" ? 0 : PAUSE_MS);
      },
    );
    this.#runs.add(run);
    run.start();
  }

  #count({ stored, refused, isUnreadable }: RepairResult): void {
    this.counts.orders += 1;
    this.counts.stored += stored;
    this.counts.refused += refused;
    if (isUnreadable) this.counts.unreadable += 1;
  }
}
