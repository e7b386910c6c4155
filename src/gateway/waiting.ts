// Waits that end: a promise raced against the Clock port. Knows no socket and no cache.

import type { Clock } from "../core/ports.ts";

/** What `within` answers when the time was over first. */
export const LATE: unique symbol = Symbol("late");

/** The promise's value, or `LATE` after `ms`; the promise goes on, and its rejection is then nobody's. */
export async function within<Value>(
  clock: Clock,
  ms: number,
  promise: Promise<Value>,
): Promise<Value | typeof LATE> {
  return await new Promise((resolve, reject) => {
    const timer = clock.setTimer(ms, () => resolve(LATE));
    promise.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
