// Turns runs into promises: deadlines by default, signals, and the end of all of them when the cache is closed.

import { CacheError } from "../core/errors.ts";
import { DEADLINE_MS_DEFAULT } from "../core/limits.ts";
import type { Message } from "../wire/messages.ts";
import type { CallOptions } from "./api.ts";
import { aborted } from "./get-or-set.ts";
import type { Operation, OperationHost } from "./operation.ts";
import { Run, type RunContext, type RunOptions, type Target } from "./run.ts";
import { type Reply, SimpleOperation } from "./simple-operation.ts";

/** How an operation is to be run, but for the caller's options. */
export type RunHow = Omit<RunOptions, "deadlineMs">;

/** See the header. */
export class Runner {
  readonly deadlineMs: number;
  readonly #context: RunContext;
  #isClosed = false;

  constructor(context: RunContext, deadlineMs: number | undefined) {
    this.#context = context;
    this.deadlineMs = deadlineMs ?? DEADLINE_MS_DEFAULT;
  }

  /** Throws `ICACHE_CLOSED` after `close`. */
  checkOpen(): void {
    if (this.#isClosed) throw new CacheError("ICACHE_CLOSED", "the cache was closed");
  }

  /** Runs an operation to its end. */
  run<Result>(
    how: RunHow,
    { signal, deadlineMs }: CallOptions,
    makeCore: (host: OperationHost<Result>) => Operation,
  ): Promise<Result> {
    this.checkOpen();
    if (signal?.aborted === true) return Promise.reject(aborted(signal));
    return new Promise((resolve, reject) => {
      const onAbort = () => run.abandon(aborted(signal));
      const options = { ...how, deadlineMs: deadlineMs ?? this.deadlineMs };
      const run = new Run<Result>(this.#context, options, makeCore, (outcome) => {
        signal?.removeEventListener("abort", onAbort);
        if (outcome.kind === "done") resolve(outcome.result);
        else reject(outcome.error);
      });
      signal?.addEventListener("abort", onAbort, { once: true });
      run.start();
    });
  }

  /** Sends one request and reads its answer. */
  ask<Result>(
    name: string,
    options: CallOptions,
    request: Message,
    makeReader: () => (message: Message) => Reply<Result>,
    target: Target = keyTarget(request),
  ): Promise<Result> {
    return this.run<Result>(
      { name, target, deadlineFrom: "start", usesCallersMemory: false },
      options,
      (host) => new SimpleOperation(host, request, makeReader),
    );
  }

  /** Ends everything under way; nothing begins any more. */
  close(error: CacheError): void {
    this.#isClosed = true;
    this.#context.deadlines.abandonAll(error);
  }
}

function keyTarget(request: Message): Target {
  return "key" in request ? { key: request.key } : null;
}
