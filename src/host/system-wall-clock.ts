// The time of day, never going back: after a backward jump of the system's clock it stands still until that has
// caught up. An expiry may then come late by the jump in real time, but what was expired never lives again.

import type { WallClock } from "../core/ports.ts";

/** The machine's time of day. */
export class SystemWallClock implements WallClock {
  readonly #source: () => number;
  #latestMs = 0;

  /** `source` is for tests. */
  constructor(source: () => number = Date.now) {
    this.#source = source;
  }

  now(): number {
    this.#latestMs = Math.max(this.#latestMs, this.#source());
    return this.#latestMs;
  }
}
