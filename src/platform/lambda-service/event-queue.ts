// Asynchronous invocations: accepted at once, run when there is room, tried up to three times when the
// function fails and for up to six hours when it is throttled, as AWS does. Lost with the service.

import { setTimeout as delay } from "node:timers/promises";
import type { Dispatcher, InvokeRequest } from "./dispatcher.ts";
import { ServiceError, tooManyRequests } from "./errors.ts";
import type { FunctionRegistry } from "./functions.ts";

const AGE_MS_MAX = 6 * 3_600_000;
const THROTTLE_WAIT_MS_MIN = 250;
const THROTTLE_WAIT_MS_MAX = 5 * 60_000;

/** Holds Event invocations until they have run. */
export class EventQueue {
  readonly #dispatcher: Dispatcher;
  readonly #registry: FunctionRegistry;
  readonly #retryMs: readonly number[];
  readonly #countMax: number;
  readonly #closing = new AbortController();
  #count = 0;

  constructor(
    dispatcher: Dispatcher,
    registry: FunctionRegistry,
    limits: { readonly retryMs: readonly number[]; readonly countMax: number },
  ) {
    this.#dispatcher = dispatcher;
    this.#registry = registry;
    this.#retryMs = limits.retryMs;
    this.#countMax = limits.countMax;
  }

  /** Events accepted and not yet done. */
  get count(): number {
    return this.#count;
  }

  /** Accepts an event, or throws 429 when the queue is full. */
  offer(request: InvokeRequest): void {
    if (this.#count >= this.#countMax) throw tooManyRequests("CallerRateLimitExceeded");
    this.#count += 1;
    void this.#work(request).finally(() => {
      this.#count -= 1;
    });
  }

  /** Drops what waits. */
  close(): void {
    this.#closing.abort();
  }

  async #work(request: InvokeRequest): Promise<void> {
    const until = performance.now() + AGE_MS_MAX;
    let waitMs = THROTTLE_WAIT_MS_MIN;
    for (let failures = 0; performance.now() < until && !this.#closing.signal.aborted; ) {
      const result = await this.#attempt(request);
      if (result === "done") return;
      if (result === "failed") {
        const retryMs = this.#retryMs[failures];
        failures += 1;
        if (retryMs === undefined) return;
        await this.#wait(retryMs);
      } else {
        await this.#wait(waitMs);
        waitMs = Math.min(2 * waitMs, THROTTLE_WAIT_MS_MAX);
      }
    }
  }

  async #attempt(request: InvokeRequest): Promise<"done" | "failed" | "throttled"> {
    try {
      // The function as it is by now, not as it was when the event came.
      const deployed = this.#registry.get(request.deployed.name);
      const { functionError } = await this.#dispatcher.invoke({ ...request, deployed });
      return functionError === null ? "done" : "failed";
    } catch (error) {
      if (!(error instanceof ServiceError)) return "failed";
      // Throttles and failures of the service are waited out; a deleted function is not.
      return error.status === 429 || error.status >= 500 ? "throttled" : "done";
    }
  }

  async #wait(ms: number): Promise<void> {
    const { signal } = this.#closing;
    await delay(ms, undefined, { signal, ref: false }).catch(() => {});
  }
}
