// Waking every node of a pool until each has said hello once: what a start waits for. It invokes through the links only.

import type { Clock, Timer } from "../core/ports.ts";
import type { NodeLink } from "./node-link.ts";

/** How often nodes that have not said hello are woken once more while somebody waits for all of them. */
const GREET_AGAIN_MS = 250;

/** The greeting of one pool. */
export class Greeting {
  readonly #clock: Clock;
  readonly #links: () => readonly NodeLink[];
  #waiting: (() => void)[] = [];
  #timer: Timer | null = null;

  constructor(clock: Clock, links: () => readonly NodeLink[]) {
    this.#clock = clock;
    this.#links = links;
  }

  /** Wakes every node that was not heard of yet, again and again; `done` is called when all have said hello. */
  begin(done: () => void): void {
    if (this.#isDone()) {
      this.#clock.setTimer(0, done);
      return;
    }
    this.#waiting.push(done);
    if (this.#timer === null) this.#greet();
  }

  /** Somebody has said hello. */
  note(): void {
    if (this.#waiting.length === 0 || !this.#isDone()) return;
    this.stop();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #isDone(): boolean {
    return this.#links().every((link) => link.hasGreeted);
  }

  /** A link that is held back, or was refused by the platform, is asleep again later. */
  #greet(): void {
    for (const link of this.#links()) if (!link.hasGreeted) link.wake("warm-up");
    this.#timer = this.#clock.setTimer(GREET_AGAIN_MS, () => this.#greet());
  }
}
