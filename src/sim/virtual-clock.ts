// Time that passes only when told to: a queue of events in order of their time, those of one instant in the order in
// which they were asked for. It never sleeps and knows nothing of machines; those stand in machine.ts.

import { assert } from "../core/assert.ts";
import type { Clock, Timer, WallClock } from "../core/ports.ts";

/** Ordinary events of an instant come before those that wait until its input has been handled. */
type Rank = 0 | 1;

interface VirtualEvent {
  readonly at: number;
  readonly rank: Rank;
  readonly order: number;
  act: (() => void) | null;
}

/**
 * Time goes in steps of about a microsecond, exact in binary: a timer then never fires early by a rounding error, which
 * a program that looks at the time again and re-arms itself would repeat for ever.
 */
const STEPS_PER_MS = 1_024;

/** The one clock of a simulated world. */
export class VirtualClock implements Clock {
  readonly #heap: VirtualEvent[] = [];
  #now = 0;
  #order = 0;
  #ran = 0;

  now(): number {
    return this.#now;
  }

  /** How many events have run. */
  get eventsRun(): number {
    return this.#ran;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    return this.at(this.#now + Math.max(0, delayMs), fire);
  }

  afterInput(act: () => void): void {
    this.#push(this.#now, 1, act);
  }

  /** Calls `act` at this time, or at the next turn of this instant when it has passed. */
  at(time: number, act: () => void): Timer {
    const event = this.#push(Math.max(this.#now, time), 0, act);
    return {
      cancel: () => {
        event.act = null;
      },
    };
  }

  /** Runs the next event; false when there is none up to `until`, and then it is `until`. */
  step(until: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > until) {
        this.#now = Math.max(this.#now, until);
        return false;
      }
      this.#pop();
      if (next.act === null) continue;
      assert(next.at >= this.#now, "time goes forward");
      this.#now = next.at;
      this.#ran++;
      next.act();
      return true;
    }
  }

  #push(time: number, rank: Rank, act: () => void): VirtualEvent {
    const at = Math.ceil(time * STEPS_PER_MS) / STEPS_PER_MS;
    const event = { at, rank, order: this.#order++, act };
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above]!; // Proof: above < index < length.
      if (!isBefore(event, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = event;
    return event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= heap.length) break;
      // Proof of both: the indexes were just compared with the length.
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      const child = heap[below]!;
      if (!isBefore(child, last)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = last;
  }
}

function isBefore(a: VirtualEvent, b: VirtualEvent): boolean {
  if (a.at !== b.at) return a.at < b.at;
  return a.rank === b.rank ? a.order < b.order : a.rank < b.rank;
}

/** The time of day in a simulated world: it runs with the clock, can be set, and as the port demands never goes back. */
export class VirtualWallClock implements WallClock {
  readonly #clock: Clock;
  #offsetMs: number;
  #latestMs = 0;

  constructor(clock: Clock, startMs: number) {
    this.#clock = clock;
    this.#offsetMs = startMs;
  }

  now(): number {
    this.#latestMs = Math.max(this.#latestMs, Math.floor(this.#clock.now() + this.#offsetMs));
    return this.#latestMs;
  }

  /** The machine's time of day is set forward, or back. */
  jump(byMs: number): void {
    this.#offsetMs += byMs;
  }
}
