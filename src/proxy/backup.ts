// When which node is backed up: rounds are spread over the interval, few at once, later while the platform is busy or
// throttles. A round without changes is the replica's warm-up. It copies nothing itself.

import type { NodeIndex } from "../core/ids.ts";
import type { Timer } from "../core/ports.ts";
import { BackupRound, type RoundContext } from "./backup-round.ts";
import { mayBegin } from "./invocation-share.ts";
import type { NodeLink } from "./node-link.ts";
import type { NodeSpace } from "./node-space.ts";
import type { Pool } from "./pool.ts";

/** Ticks per interval. */
const SLICES = 60;
/** A tick is never later than this: a replica's warm-up is due by its own time. */
const TICK_MS_MAX = 5_000;
/** Providers reclaim what idles for 5 to 7 minutes: by then both instances were invoked once more, changed or not. */
export const REPLICA_WARM_MS = 230_000;
/** After a round that did not end well the next one is not before a share of the interval, at most this. */
const RETRY_MS_MAX = 15_000;
/** One round at once for so many nodes. */
const NODES_PER_ROUND = 12;
/** How long rounds wait after the platform has throttled. */
const THROTTLE_PAUSE_MS = 5_000;

/** What the scheduler needs around it. */
export type BackupContext = Omit<RoundContext, "onOver"> & { readonly pool: Pool };

interface Turn {
  /** When the last complete round ended, or as if it had. */
  doneAt: number;
  /** The account's `changes` at that time. */
  changes: number;
  notBefore: number;
  round: BackupRound | null;
}

/** Backs the pool up while it runs. */
export class Backup {
  readonly #context: BackupContext;
  readonly #intervalMs: number;
  readonly #turns: Turn[];
  #timer: Timer | null = null;
  #underWay = 0;
  #throttles = 0;
  #pausedUntil = 0;
  /** Where the next tick begins to look, so that no node is always last. */
  #next = 0;

  /** `intervalMs` 0: off. */
  constructor(context: BackupContext, intervalMs: number) {
    this.#context = context;
    this.#intervalMs = intervalMs;
    const now = context.clock.now();
    this.#turns = context.pool.links.map((link) => ({
      doneAt: now - this.#phase(link.node),
      changes: -1,
      notBefore: 0,
      round: null,
    }));
    if (intervalMs > 0) this.#arm();
  }

  /** A primary was lost: its node has no replica now, and is to get one soon. */
  hurry(node: NodeIndex): void {
    const turn = this.#turns[node];
    if (turn !== undefined) turn.doneAt -= this.#intervalMs / 2;
  }

  /** No round begins any more, and those under way let both instances go. */
  drain(): void {
    this.#timer?.cancel();
    for (const { round } of this.#turns) round?.end();
  }

  stop(): void {
    this.#timer?.cancel();
    for (const { round } of this.#turns) round?.stop();
  }

  #arm(): void {
    const delayMs = Math.min(TICK_MS_MAX, this.#intervalMs / SLICES);
    this.#timer = this.#context.clock.setTimer(delayMs, () => {
      this.#tick();
      this.#arm();
    });
  }

  #tick(): void {
    const { clock, pool, counters } = this.#context;
    const { links, spaces } = pool;
    const now = clock.now();
    if (counters.throttles > this.#throttles) this.#pausedUntil = now + THROTTLE_PAUSE_MS;
    this.#throttles = counters.throttles;
    const roundsMax = Math.ceil(links.length / NODES_PER_ROUND);
    const first = this.#next;
    for (let step = 0; step < links.length; step++) {
      const node = (first + step) % links.length;
      const [link, space, turn] = [links[node], spaces[node], this.#turns[node]];
      if (link === undefined || space === undefined || turn === undefined) continue;
      // The interval begins with the first chunk; each node's ends at a moment of its own.
      if (!space.holdsChunks) turn.doneAt = now - this.#phase(node);
      else if (this.#isDue(turn, space, now) && isFree(link)) {
        if (this.#underWay >= roundsMax || now < this.#pausedUntil || !mayBegin("backup", links))
          return;
        this.#next = (node + 1) % links.length;
        this.#begin(link, space, turn);
      }
    }
  }

  #isDue(turn: Turn, space: NodeSpace, now: number): boolean {
    if (turn.round !== null || now < turn.notBefore) return false;
    const age = now - turn.doneAt;
    // What is read since it was stored changes no account.
    const isChanged = this.#isChanged(turn, space);
    return age >= (isChanged ? Math.min(this.#intervalMs, REPLICA_WARM_MS) : REPLICA_WARM_MS);
  }

  #isChanged(turn: Turn, space: NodeSpace): boolean {
    return (
      space.replica === null || space.changes !== turn.changes || this.#context.selection === "hit"
    );
  }

  #begin(link: NodeLink, space: NodeSpace, turn: Turn): void {
    const { clock, counters } = this.#context;
    const round = new BackupRound(link, space, this.#isChanged(turn, space), {
      ...this.#context,
      onOver: (over, isComplete) => {
        this.#underWay--;
        turn.round = null;
        const now = clock.now();
        counters[isComplete ? "backups" : "backupsAborted"]++;
        if (isComplete) {
          turn.doneAt = now;
          turn.changes = over.changes;
        } else turn.notBefore = now + Math.min(RETRY_MS_MAX, this.#intervalMs / 4);
      },
    });
    turn.round = round;
    this.#underWay++;
    round.begin();
  }

  /** So much of the interval has passed for the node before its first chunk comes: rounds are spread by it. */
  #phase(node: number): number {
    return (this.#intervalMs * node) / (2 * this.#context.pool.links.length);
  }
}

/** Nobody is looking for the node's primary, and no earlier side invocation may still be running. */
function isFree(link: NodeLink): boolean {
  return !link.isLate && !link.hasSide;
}
