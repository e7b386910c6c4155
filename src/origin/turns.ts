// Bounds how many do something at once; the others wait their turn, up to a bound as well.

import { Gate } from "../client/gate.ts";
import { CacheError } from "../core/errors.ts";

/** Who may wait. */
const WAITING_MAX = 10_000;

/** See the header. */
export class Turns {
  readonly #gate: Gate;
  readonly #name: string;

  /** `name`: of what there are too many, for people. */
  constructor(name: string, atOnceMax: number) {
    this.#name = name;
    this.#gate = new Gate(atOnceMax, WAITING_MAX);
  }

  get insideCount(): number {
    return this.#gate.insideCount;
  }

  /** Resolves with what ends the turn, to be called once. Rejects with the signal's reason, or when too many wait. */
  take(signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      let isIn = false;
      const onAbort = (): void => {
        if (isIn) return;
        withdraw?.();
        reject(signal.reason);
      };
      const withdraw = this.#gate.enter(() => {
        isIn = true;
        signal.removeEventListener("abort", onAbort);
        resolve(() => this.#gate.leave());
      });
      if (withdraw === null)
        return reject(new CacheError("ICACHE_OVERLOADED", `too many ${this.#name} wait already`));
      if (!isIn) signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
