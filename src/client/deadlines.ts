// All operations under way, with their deadlines by one timer: most operations end long before, and a timer for each would
// cost more than the rest of a small one. The timer stays set when an operation ends; it looks again when it fires.

import { Numbered } from "../core/numbered.ts";
import type { Clock, Timer } from "../core/ports.ts";

/** Who is told when its time has come. It may have moved its deadline by then: it says so by `dueAt`. */
export interface Expiring {
  /** By the clock of the deadlines. */
  readonly dueAt: number;
  /** It is due: afterwards it is gone from the deadlines, or due later. */
  onDue(): void;
  /** The client ends. */
  abandon(error: unknown): void;
}

/** A timer keeps the process alive: once nothing is watched over it is set for soon, if nothing begins until then. */
const IDLE_MS_MAX = 1_000;

/** See the header. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #expiring = new Numbered<Expiring>();
  #timer: Timer | null = null;
  #firesAt = Number.POSITIVE_INFINITY;
  /** It fires within IDLE_MS_MAX. */
  #isSoon = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many are watched over. */
  get count(): number {
    return this.#expiring.size;
  }

  /** Watches over it until `remove` of the number that it answers. */
  add(expiring: Expiring): number {
    const ticket = this.#expiring.add(expiring);
    if (expiring.dueAt < this.#firesAt) this.#fireAt(expiring.dueAt);
    return ticket;
  }

  /** It has ended. */
  remove(ticket: number): void {
    this.#expiring.delete(ticket);
    if (this.#expiring.size > 0 || this.#isSoon || this.#timer === null) return;
    const soon = this.#clock.now() + IDLE_MS_MAX;
    if (soon < this.#firesAt) this.#fireAt(soon);
    this.#isSoon = true;
  }

  /** Ends everything under way with this error. */
  abandonAll(error: unknown): void {
    this.#expiring.visit((each) => each.abandon(error));
  }

  /** Nothing is watched over any more. */
  close(): void {
    this.#expiring.clear();
    this.#fireAt(Number.POSITIVE_INFINITY);
  }

  #fireAt(at: number): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#firesAt = at;
    this.#isSoon = false;
    if (at === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(0, at - this.#clock.now());
    this.#timer = this.#clock.setTimer(delayMs, () => this.#onTimer());
  }

  #onTimer(): void {
    this.#fireAt(Number.POSITIVE_INFINITY);
    const now = this.#clock.now();
    try {
      this.#expiring.visit((each) => {
        if (each.dueAt <= now) each.onDue();
      });
    } finally {
      let earliest = Number.POSITIVE_INFINITY;
      for (const { dueAt } of this.#expiring.values()) earliest = Math.min(earliest, dueAt);
      this.#fireAt(earliest);
    }
  }
}
