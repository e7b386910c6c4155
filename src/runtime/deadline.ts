// A moment at which something is due. When it strikes, the input that is already waiting is handled first
// (after a freeze every timer is overdue, and the frame that makes it void may lie in the socket), and
// then it acts only if it is still due. Moving it later costs nothing. It decides nothing itself.

import type { Clock, Timer } from "../core/ports.ts";

/** A movable alarm on the port's clock. */
export class Deadline {
  readonly #clock: Clock;
  readonly #act: () => void;
  #dueAt = Number.POSITIVE_INFINITY;
  #timer: Timer | null = null;
  #timerAt = 0;
  #isStriking = false;

  constructor(clock: Clock, act: () => void) {
    this.#clock = clock;
    this.#act = act;
  }

  /** Due at `at` on the clock, instead of whatever was set before. */
  set(at: number): void {
    this.#dueAt = at;
    // While striking, the time is looked at again; a timer that comes too early re-arms itself.
    if (this.#isStriking || (this.#timer !== null && this.#timerAt <= at)) return;
    this.#arm();
  }

  /** Never due; costs nothing when it is not set. */
  cancel(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timerAt = this.#dueAt;
    const delayMs = Math.max(0, this.#dueAt - this.#clock.now());
    this.#timer = this.#clock.setTimer(delayMs, () => this.#strike());
  }

  #strike(): void {
    this.#timer = null;
    if (this.#clock.now() < this.#dueAt) {
      if (this.#dueAt < Number.POSITIVE_INFINITY) this.#arm();
      return;
    }
    this.#isStriking = true;
    this.#clock.afterInput(() => {
      this.#isStriking = false;
      if (this.#dueAt === Number.POSITIVE_INFINITY) return;
      if (this.#clock.now() < this.#dueAt) return this.#arm();
      this.#dueAt = Number.POSITIVE_INFINITY;
      this.#act();
    });
  }
}
