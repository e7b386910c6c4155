// Time of this process, from its monotonic clock, and timers on it. It knows nothing of the time of day.

import type { Clock, Timer } from "../core/ports.ts";

/** `setTimeout` takes no more; a longer delay would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** The clock of the machine. */
export class SystemClock implements Clock {
  now(): number {
    return performance.now();
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timeout = setTimeout(fire, Math.min(Math.max(delayMs, 0), DELAY_MS_MAX));
    return { cancel: () => clearTimeout(timeout) };
  }

  /**
   * After a thaw Node fires overdue timers before it reads what is waiting, and runs immediates after it. One turn reads
   * from each socket a limited number of times, so a second turn takes what the first has left.
   */
  afterInput(act: () => void): void {
    setImmediate(() => setImmediate(act));
  }

  /** Runs a task in the next turn of the loop, after waiting input was read; tasks run in their order. */
  nextTurn(task: () => void): void {
    setImmediate(task);
  }
}
