// Hands stripes that lack chunks to whoever can re-create them: repairers wait here, and get the next stripe of the plan
// as soon as bytes, money, the platform and the users' own traffic allow. It also knows which chunks are being stored
// again, so that no chunk is repaired twice at once. It never encodes, and sends nothing itself.

import type { NodeIndex } from "../core/ids.ts";
import type { Clock, Timer } from "../core/ports.ts";
import type { ProxyStatus } from "../core/status.ts";
import type { ProxyCounters } from "./counters.ts";
import { HedgeBudget } from "./latency.ts";
import { chunkName } from "./node-space.ts";
import { chunkBytesOf, type ObjectVersion } from "./object-version.ts";
import { RepairBudget, type RepairLimits } from "./repair-budget.ts";
import { type DegradedStripe, missingOf, RepairPlan } from "./repair-plan.ts";

/** Repairers that may wait; more are refused. */
const WORKERS_MAX = 64;
/** Stripes in repair at once, and as long as users have operations under way. */
const REPAIRS_AT_ONCE = 4;
const REPAIRS_AT_ONCE_BUSY = 1;
/** A loss seldom comes alone: so long the others are awaited, so that the order is right. */
const SETTLE_MS = 100;
/** How soon it is looked again whether the platform is free. */
const LOOK_MS = 500;
/** How long repairs wait after the platform has throttled. */
const THROTTLE_PAUSE_MS = 5_000;

/** A repairer that waits. */
export interface RepairWorker {
  onTask(task: DegradedStripe): void;
}

/** What the desk needs around it. */
export interface RepairDeskContext {
  readonly clock: Clock;
  readonly counters: ProxyCounters;
  readonly limits: RepairLimits;
  /** Whether the platform has room for repairs. */
  readonly mayInvoke: () => boolean;
  /** Whether users have operations under way. */
  readonly isServing: () => boolean;
  /** What repairs have cost since the beginning. */
  readonly dollars: () => number;
  /** All current versions. */
  objects(): Iterable<ObjectVersion>;
}

/** See the header. */
export class RepairDesk {
  /** Repairs do not spend the hedges of users. */
  readonly hedges = new HedgeBudget();
  readonly #context: RepairDeskContext;
  readonly #plan = new RepairPlan();
  readonly #budget: RepairBudget;
  /** Chunks on their way to a node, by name; null: to none yet. */
  readonly #storing = new Map<string, NodeIndex | null>();
  readonly #waiting = new Set<RepairWorker>();
  readonly #working = new Set<RepairWorker>();
  #timer: Timer | null = null;
  #timerAt = Number.POSITIVE_INFINITY;
  #throttles = 0;
  #pausedUntil = 0;
  #isStopped = false;

  constructor(context: RepairDeskContext) {
    this.#context = context;
    this.#budget = new RepairBudget(context.limits, context.clock.now());
  }

  /** A chunk of the stripe was lost or stored; the table says so, at any moment: nothing begins within this call. */
  note(object: ObjectVersion, stripe: number): void {
    this.#plan.note(object, stripe);
    if (this.#plan.size > 0) this.#lookIn(SETTLE_MS);
  }

  /** The version is not current any more. */
  forget(object: ObjectVersion): void {
    this.#plan.forget(object);
  }

  /** A repairer asks for work; false when too many do. It gets its task in a later turn. */
  wait(worker: RepairWorker): boolean {
    if (this.#waiting.size + this.#working.size >= WORKERS_MAX) return false;
    this.#waiting.add(worker);
    this.#lookIn(0);
    return true;
  }

  /** A repairer that waits is gone. */
  leave(worker: RepairWorker): void {
    this.#waiting.delete(worker);
  }

  /** A repairer gives its task back. */
  finish(worker: RepairWorker, task: DegradedStripe, how: "done" | "failed" | "gone"): void {
    if (!this.#working.delete(worker)) return;
    const { clock, counters } = this.#context;
    // Of a stripe that has lost more in the meantime the rest comes at once.
    const isWhole = this.#plan.release(task, clock.now(), how === "failed");
    if (how === "failed") counters.repairsFailed++;
    else if (how === "done" && isWhole) counters.repairedStripes++;
    this.#lookIn(0);
  }

  /** Whether a client's own offer of so many bytes may be taken: of a chunk that nobody repairs, and within the budget. */
  admit(object: ObjectVersion, stripe: number, bytes: number): "taken" | "claimed" | "later" {
    const { clock, dollars } = this.#context;
    const now = clock.now();
    if (this.#plan.isClaimed(object, stripe, now)) return "claimed";
    if (this.#budget.waitMs(now, dollars()) > 0) return "later";
    this.#budget.spend(bytes, now);
    return "taken";
  }

  /** One store of a chunk at a time. */
  claim(name: string): boolean {
    return !this.#storing.has(name) && this.#storing.set(name, null).has(name);
  }

  /** The claimed chunk goes to this node. */
  reserved(name: string, node: NodeIndex): void {
    this.#storing.set(name, node);
  }

  /** Where a claimed chunk goes; null when it is not claimed, or goes nowhere yet. */
  nodeOf(name: string): NodeIndex | null {
    return this.#storing.get(name) ?? null;
  }

  free(name: string): void {
    this.#storing.delete(name);
  }

  status(): ProxyStatus["repair"] {
    const { limits } = this.#budget;
    const { clock, dollars } = this.#context;
    return {
      degradedStripes: this.#plan.size,
      exposedStripes: this.#plan.exposed,
      underWay: this.#working.size,
      workers: this.#waiting.size + this.#working.size,
      dollarsLastHour: this.#budget.dollarsLastHour(clock.now(), dollars()),
      ...limits,
    };
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #lookIn(delayMs: number): void {
    const { clock } = this.#context;
    const at = clock.now() + delayMs;
    if (this.#isStopped || at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = clock.setTimer(delayMs, () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#look();
    });
  }

  /**
   * Hands out what may be handed out, and sets the time of the next look. Who asked last is served first: of those who have
   * waited for long some may have gone without a word, and each would hold a stripe until its order's time is up.
   */
  #look(): void {
    if (this.#plan.wantsRestock) this.#plan.restock(this.#context.objects());
    for (const worker of [...this.#waiting].reverse()) {
      if (!this.#waiting.has(worker)) continue; // It left while others were served.
      if (this.#plan.size === 0) return;
      const now = this.#context.clock.now();
      const delayMs = this.#delayMs(now);
      if (delayMs === null) return; // The end of another repair looks again.
      if (delayMs > 0)
        return delayMs < Number.POSITIVE_INFINITY ? this.#lookIn(delayMs) : undefined;
      const task = this.#plan.take(now, (stripe) => this.#isStoring(stripe));
      if (task === null) {
        const next = this.#plan.nextAt(now);
        return this.#lookIn(next === null ? LOOK_MS : next - now);
      }
      this.#budget.spend(bytesOf(task), now);
      this.#waiting.delete(worker);
      this.#working.add(worker);
      worker.onTask(task);
    }
  }

  /** How long until a repair may begin; null: not before another one ends. */
  #delayMs(now: number): number | null {
    const { counters, mayInvoke, isServing, dollars } = this.#context;
    if (counters.throttles > this.#throttles) this.#pausedUntil = now + THROTTLE_PAUSE_MS;
    this.#throttles = counters.throttles;
    if (this.#pausedUntil > now) return this.#pausedUntil - now;
    if (!mayInvoke()) return LOOK_MS;
    if (this.#working.size >= (isServing() ? REPAIRS_AT_ONCE_BUSY : REPAIRS_AT_ONCE)) return null;
    return this.#budget.waitMs(now, dollars());
  }

  /** A client that has just read the stripe stores what it found missing. */
  #isStoring({ object, stripe }: DegradedStripe): boolean {
    if (this.#storing.size === 0) return false;
    const { version } = object;
    return missingOf(object, stripe).some((index) =>
      this.#storing.has(chunkName({ version, stripe, index })),
    );
  }
}

/** What a repair moves: d chunks to the repairer, and the lost ones back. */
function bytesOf({ object, stripe }: DegradedStripe): number {
  const lost = missingOf(object, stripe).reduce(
    (sum, index) => sum + chunkBytesOf(object, stripe, index),
    0,
  );
  return object.code.dataChunks * chunkBytesOf(object, stripe, 0) + lost;
}
