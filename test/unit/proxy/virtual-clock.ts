// Time that a test moves, with turns of the event loop in between; nothing here waits in real time.

import type { Clock, Random, Timer } from "../../../src/core/ports.ts";

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
  isCancelled: boolean;
}

/** A clock whose timers fire in order of time, then of setting. */
export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  #entries: Entry[] = [];

  now(): number {
    return this.#now;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const at = this.#now + Math.max(0, delayMs);
    const entry: Entry = { at, order: this.#order++, fire, isCancelled: false };
    this.#entries.push(entry);
    return {
      cancel: () => {
        entry.isCancelled = true;
      },
    };
  }

  afterInput(act: () => void): void {
    this.setTimer(0, act);
  }

  /** Runs a task in a later turn, without time passing. */
  readonly soon = (task: () => void): void => {
    this.setTimer(0, task);
  };

  /** Everything that falls due within `ms` happens. */
  advance(ms: number): void {
    const end = this.#now + ms;
    while (this.#fireNext(end)) {
      // One after the other.
    }
    this.#now = end;
  }

  /** Runs one event after the other until a claim holds; time stands between two of them. */
  untilEvent(claim: () => boolean, msMax: number): void {
    const end = this.#now + msMax;
    while (!claim()) {
      if (!this.#fireNext(end)) throw new Error(`did not come true within ${msMax} ms`);
    }
  }

  #fireNext(end: number): boolean {
    this.#entries = this.#entries.filter((entry) => !entry.isCancelled);
    let next: Entry | undefined;
    for (const entry of this.#entries) {
      if (entry.at > end) continue;
      if (next === undefined || entry.at < next.at) next = entry;
      else if (entry.at === next.at && entry.order < next.order) next = entry;
    }
    if (next === undefined) return false;
    next.isCancelled = true;
    this.#now = Math.max(this.#now, next.at);
    next.fire();
    return true;
  }

  /** Advances in small steps until the claim holds; fails after `msMax`. */
  until(claim: () => boolean, msMax = 5_000): void {
    for (let passed = 0; !claim(); passed++) {
      if (passed > msMax) throw new Error(`did not come true within ${msMax} ms`);
      this.advance(1);
    }
  }
}

/** Chance from a seed (mulberry32). */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  below(bound: number): number {
    return Math.floor((this.u32() / 2 ** 32) * bound);
  }
}
