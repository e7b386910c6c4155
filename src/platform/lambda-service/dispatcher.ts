// The life of one invocation: admission by concurrency and recursion, an instance old or new, the
// outcome as the API words it, the bill. It speaks neither HTTP nor processes.

import { createHash, randomBytes, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type BillingMode, billedMs, reportLine, type Usage } from "./billing.ts";
import { type Counters, countInvocation } from "./counters.ts";
import {
  recursiveInvocation,
  serviceFailure,
  type ThrottleReason,
  tooManyRequests,
} from "./errors.ts";
import type { DeployedFunction, FunctionRegistry } from "./functions.ts";
import { endedError, type Instance, type Run } from "./instance.ts";
import { extendLineage } from "./lineage.ts";
import type { LogTail } from "./log-tail.ts";
import type { InstancePool } from "./pool.ts";

/** One request to run a function. */
export interface InvokeRequest {
  readonly deployed: DeployedFunction;
  readonly requestId: string;
  readonly payload: Buffer;
  readonly traceHeader: string | null;
  /** JSON text, decoded. */
  readonly clientContext: string | null;
}

/** How it ended; `log` has START, END and REPORT lines. */
export interface InvokeResult {
  readonly payload: Buffer;
  readonly functionError: "Handled" | "Unhandled" | null;
  readonly log: Buffer;
}

/** Faults that can be injected. Times are of `performance.now()`. */
export interface InjectedFaults {
  invokeOverheadMs: number;
  throttleUntilMs: number;
  throttleReason: ThrottleReason;
  unavailableUntilMs: number;
}

/** What the dispatcher is given by the service. */
export interface DispatcherParts {
  readonly registry: FunctionRegistry;
  readonly pool: InstancePool;
  readonly counters: Counters;
  readonly billing: BillingMode;
  readonly recursionMax: number;
  readonly initTimeoutMs: number;
  readonly invokeOverheadMs: number;
}

/** See the header. */
export class Dispatcher {
  readonly faults: InjectedFaults;
  readonly #parts: DispatcherParts;
  readonly #inFlight = new Map<string, number>();

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.faults = {
      invokeOverheadMs: parts.invokeOverheadMs,
      throttleUntilMs: 0,
      throttleReason: "CallerRateLimitExceeded",
      unavailableUntilMs: 0,
    };
  }

  /** Throws what an invocation now would be refused with by an injected fault. */
  checkFaults(): void {
    const now = performance.now();
    if (now < this.faults.unavailableUntilMs) throw serviceFailure("Injected: unavailable.");
    if (now < this.faults.throttleUntilMs) this.#throttle(this.faults.throttleReason);
  }

  /** Runs a function once. Throws ServiceError when it was not started; then nothing has run. */
  async invoke(request: InvokeRequest): Promise<InvokeResult> {
    this.checkFaults();
    const { deployed } = request;
    const traceId = this.#extendTrace(request);
    this.#admit(deployed);
    this.#inFlight.set(deployed.name, this.#countOf(deployed.name) + 1);
    try {
      if (this.faults.invokeOverheadMs > 0) await delay(this.faults.invokeOverheadMs);
      return await this.#run(request, traceId);
    } finally {
      const left = this.#countOf(deployed.name) - 1;
      if (left === 0) this.#inFlight.delete(deployed.name);
      else this.#inFlight.set(deployed.name, left);
    }
  }

  #countOf(name: string): number {
    return this.#inFlight.get(name) ?? 0;
  }

  #admit(deployed: DeployedFunction): void {
    const { registry } = this.#parts;
    if (deployed.reserved !== null) {
      if (this.#countOf(deployed.name) < deployed.reserved) return;
      this.#throttle("ReservedFunctionConcurrentInvocationLimitExceeded");
    }
    let shared = 0;
    for (const [name, count] of this.#inFlight) {
      if (registry.reservedOf(name) === null) shared += count;
    }
    if (shared >= registry.unreservedConcurrency()) {
      this.#throttle("ConcurrentInvocationLimitExceeded");
    }
  }

  #throttle(reason: ThrottleReason): never {
    this.#parts.counters.throttles += 1;
    throw tooManyRequests(reason);
  }

  #extendTrace({ deployed, traceHeader }: InvokeRequest): string {
    const hash = createHash("sha256").update(deployed.arn).digest("hex").slice(0, 8);
    const fresh = (): string => {
      const seconds = Math.floor(Date.now() / 1000).toString(16);
      return `1-${seconds}-${randomBytes(12).toString("hex")}`;
    };
    const extended = extendLineage(traceHeader, hash, fresh, this.#parts.recursionMax);
    if (extended !== null) return extended;
    this.#parts.counters.recursionsStopped += 1;
    throw recursiveInvocation();
  }

  async #run(request: InvokeRequest, traceId: string): Promise<InvokeResult> {
    const { deployed, requestId, payload, clientContext } = request;
    let instance = this.#parts.pool.claim(deployed.name);
    let initMs: number | null = null;
    if (instance === null) {
      instance = await this.#parts.pool.start(deployed);
      const init = await instance.init;
      initMs = init.initMs;
      if (init.kind === "failed") {
        const failed = initFailure(instance, init.error, requestId, this.#parts.initTimeoutMs);
        return this.#settle(request, failed.payload, "Unhandled", "error", {
          log: instance.takeLog(),
          durationMs: 0,
          maxMemoryMb: 0,
          initMs,
        });
      }
    }
    const timeoutMs = deployed.configuration.timeoutS * 1000;
    const run = await instance.run({ requestId, payload, timeoutMs, traceId, clientContext });
    return this.#conclude(request, run, initMs);
  }

  #conclude(request: InvokeRequest, run: Run, initMs: number | null): InvokeResult {
    const { counters } = this.#parts;
    const { outcome } = run;
    const used = { ...run, initMs };
    if (outcome.kind === "returned") {
      return this.#settle(request, outcome.payload, null, "ok", used);
    }
    if (outcome.kind === "error") {
      const functionError = outcome.isHandled ? "Handled" : "Unhandled";
      return this.#settle(request, outcome.payload, functionError, "ok", used);
    }
    const { timeoutS } = request.deployed.configuration;
    if (outcome.cause === "timeout") {
      counters.timeouts += 1;
      run.log.append(
        `${new Date().toISOString()} ${request.requestId} Task timed out after ${timeoutS.toFixed(2)} seconds\n\n`,
      );
      // The kill takes a moment longer; the bill ends with the time-out, as on AWS.
      const exact = { ...used, durationMs: timeoutS * 1000 };
      const payload = timedOut(request.requestId, timeoutS);
      return this.#settle(request, payload, "Unhandled", "timeout", exact);
    }
    counters.crashes += 1;
    const { errorType, errorMessage } = endedError(outcome.cause, outcome.code, outcome.signal);
    const message = `RequestId: ${request.requestId} ${errorMessage}`;
    run.log.append(`${message}\n${errorType}\n`);
    return this.#settle(request, document(errorType, message), "Unhandled", "error", used);
  }

  #settle(
    { deployed, requestId }: InvokeRequest,
    payload: Buffer,
    functionError: InvokeResult["functionError"],
    status: "ok" | "timeout" | "error",
    used: {
      readonly log: LogTail;
      readonly durationMs: number;
      readonly maxMemoryMb: number;
      readonly initMs: number | null;
    },
  ): InvokeResult {
    const { counters, billing } = this.#parts;
    const { memoryMb } = deployed.configuration;
    const usage: Usage = { ...used, memoryMb, maxMemoryMb: Math.min(used.maxMemoryMb, memoryMb) };
    const billed = billedMs(billing, usage);
    const isCold = used.initMs !== null;
    countInvocation(counters, deployed.name, { billedMs: billed, memoryMb, isCold });
    if (functionError !== null) counters.functionErrors += 1;
    used.log.append(`END RequestId: ${requestId}\n`);
    used.log.append(reportLine(requestId, usage, billed, status));
    return { payload, functionError, log: used.log.bytes() };
  }
}

/** A fresh request id. */
export function newRequestId(): string {
  return randomUUID();
}

function initFailure(
  instance: Instance,
  error: Buffer,
  requestId: string,
  initTimeoutMs: number,
): { readonly payload: Buffer } {
  if (instance.killCause === "init") return { payload: timedOut(requestId, initTimeoutMs / 1000) };
  return { payload: error };
}

function timedOut(requestId: string, seconds: number): Buffer {
  return document(
    "Sandbox.Timedout",
    `RequestId: ${requestId} Error: Task timed out after ${seconds.toFixed(2)} seconds`,
  );
}

function document(errorType: string, errorMessage: string): Buffer {
  return Buffer.from(JSON.stringify({ errorType, errorMessage }));
}
