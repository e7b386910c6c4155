// Keeps the nodes that hold data from idling until the provider takes them: each is invoked when nothing was heard of
// it for the interval. A tick looks at a slice of the pool, so that a round is spread over the interval.

import type { Clock, Timer } from "../core/ports.ts";
import { mayBegin } from "./invocation-share.ts";
import type { Pool } from "./pool.ts";

/** Ticks per interval. */
const SLICES = 30;

/** Warms the pool while it runs. */
export class WarmUp {
  readonly #clock: Clock;
  readonly #pool: Pool;
  readonly #intervalMs: number;
  #timer: Timer | null = null;

  /** `intervalMs` 0: off. */
  constructor(clock: Clock, pool: Pool, intervalMs: number) {
    this.#clock = clock;
    this.#pool = pool;
    this.#intervalMs = intervalMs;
    if (intervalMs > 0) this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(this.#intervalMs / SLICES, () => {
      this.#tick();
      this.#arm();
    });
  }

  #tick(): void {
    const { links, spaces } = this.#pool;
    const now = this.#clock.now();
    // A node's last activity differs from its neighbour's, and so does its turn; but after a restart all are equal.
    let budget = Math.ceil(links.length / SLICES) * 2;
    if (!mayBegin("warm-up", links)) return;
    for (const link of links) {
      if (budget === 0) return;
      const isDue = now - link.activity.lastAt >= this.#intervalMs;
      if (!isDue || link.state.kind !== "asleep" || !(spaces[link.node]?.holdsChunks ?? false))
        continue;
      budget--;
      link.wake("warm-up");
    }
  }
}
