// One load for many callers: those who ask for the same key while a load is under way wait for its result.
// Nothing is kept after the load has ended, neither its bytes nor its error.

import { CacheError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";

interface Waiter<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

interface Flight<Value> {
  readonly waiters: Set<Waiter<Value>>;
  readonly abort: AbortController;
}

/** How one caller waits. */
export interface WaitOptions {
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Loads under way, by key. */
export class Flights<Value> {
  readonly #clock: Clock;
  readonly #flights = new Map<string, Flight<Value>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Joins the load of `key`, or begins it with `load`, whose signal fires when no caller waits any more. */
  join(
    key: string,
    wait: WaitOptions,
    load: (signal: AbortSignal) => Promise<Value>,
  ): Promise<Value> {
    const { signal, deadlineMs } = wait;
    if (signal?.aborted === true) return Promise.reject(aborted(signal));
    const flight = this.#flights.get(key) ?? this.#begin(key, load);
    return new Promise((resolve, reject) => {
      const end = () => {
        timer.cancel();
        signal?.removeEventListener("abort", onAbort);
        flight.waiters.delete(waiter);
      };
      const waiter: Waiter<Value> = {
        resolve: (value) => {
          end();
          resolve(value);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      const leave = (error: CacheError) => {
        waiter.reject(error);
        if (flight.waiters.size > 0 || this.#flights.get(key) !== flight) return;
        this.#flights.delete(key);
        flight.abort.abort(error);
      };
      const onAbort = () => leave(aborted(signal));
      const timer = this.#clock.setTimer(deadlineMs, () =>
        leave(new CacheError("ICACHE_DEADLINE", `the load did not end within ${deadlineMs} ms`)),
      );
      signal?.addEventListener("abort", onAbort, { once: true });
      flight.waiters.add(waiter);
    });
  }

  /** Ends every load under way. */
  close(error: CacheError): void {
    for (const flight of this.#flights.values()) {
      for (const waiter of flight.waiters) waiter.reject(error);
      flight.abort.abort(error);
    }
    this.#flights.clear();
  }

  #begin(key: string, load: (signal: AbortSignal) => Promise<Value>): Flight<Value> {
    const flight: Flight<Value> = { waiters: new Set(), abort: new AbortController() };
    this.#flights.set(key, flight);
    const over = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
      return [...flight.waiters];
    };
    load(flight.abort.signal).then(
      (value) => {
        for (const waiter of over()) waiter.resolve(value);
      },
      (error: unknown) => {
        for (const waiter of over()) waiter.reject(error);
      },
    );
    return flight;
  }
}

/** The error of an operation whose caller's signal fired. */
export function aborted(signal: AbortSignal | undefined): CacheError {
  return new CacheError("ICACHE_ABORTED", "the caller's signal aborted the operation", {
    cause: signal?.reason,
  });
}
