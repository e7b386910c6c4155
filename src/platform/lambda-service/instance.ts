// One instance of a function: a process with one invocation at a time, frozen between invocations.
// It answers its process's polls and says how each invocation ended. It decides nothing: who is
// invoked, started or reclaimed is the pool's and the dispatcher's business.

import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { Forwarder } from "./forwarder.ts";
import type { DeployedFunction } from "./functions.ts";
import { LogTail } from "./log-tail.ts";
import type { InstanceProcess, ProcessSpec } from "./process.ts";

/** `starting` until the first poll; `busy` from handing over an invocation to the poll after it. */
export type InstanceState = "starting" | "idle" | "busy" | "dead";

/** What is handed to the process. */
export interface Invocation {
  readonly requestId: string;
  readonly payload: Buffer;
  readonly timeoutMs: number;
  readonly traceId: string;
  readonly clientContext: string | null;
}

/** How INIT ended. */
export type InitOutcome =
  | { readonly kind: "ready"; readonly initMs: number }
  | { readonly kind: "failed"; readonly error: Buffer; readonly initMs: number };

/** Why the service killed an instance. */
export type KillCause = "timeout" | "memory" | "init" | "retired" | "reclaim" | "admin" | "close";

/** How an invocation ended. */
export type RunOutcome =
  | { readonly kind: "returned"; readonly payload: Buffer }
  | { readonly kind: "error"; readonly payload: Buffer; readonly isHandled: boolean }
  | {
      readonly kind: "ended";
      readonly cause: KillCause | null;
      readonly code: number | null;
      readonly signal: NodeJS.Signals | null;
    };

/** A finished invocation with what it used. */
export interface Run {
  readonly outcome: RunOutcome;
  readonly durationMs: number;
  readonly maxMemoryMb: number;
  readonly log: LogTail;
}

/** What an instance is made of. */
export interface InstanceParts {
  readonly deployed: DeployedFunction;
  readonly forwarder: Forwarder | null;
  readonly deadConnections: "close" | "half-open";
  /** Makes the process description; gets the instance's token, id and log stream. */
  readonly process: (
    names: { token: string; id: string; logStream: string },
    events: Pick<ProcessSpec, "onOutput" | "onEnd">,
  ) => InstanceProcess;
  readonly onLog: (line: string) => void;
  /** Called once when the process has ended. */
  readonly onDead: (instance: Instance) => void;
}

interface Current {
  readonly invocation: Invocation;
  readonly startedMs: number;
  readonly done: (run: Run) => void;
  readonly timer: NodeJS.Timeout;
  answer: RunOutcome | null;
}

const MEBIBYTE = 1024 * 1024;

/** See the header. All times are of `performance.now()` unless the name says otherwise. */
export class Instance {
  readonly id = randomBytes(16).toString("hex");
  /** Known to its process only: nobody else can poll in its name. */
  readonly token = randomBytes(16).toString("hex");
  readonly deployed: DeployedFunction;
  readonly startedAtMs = Date.now();
  readonly init: Promise<InitOutcome>;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  readonly #parts: InstanceParts;
  readonly #process: InstanceProcess;
  readonly #bornMs = performance.now();
  readonly #initDone: (outcome: InitOutcome) => void;
  readonly #endDone: () => void;
  #state: InstanceState = "starting";
  #next: ServerResponse | null = null;
  #current: Current | null = null;
  #log = new LogTail();
  #cause: KillCause | null = null;
  /** From the start on: an instance is only ever started for an invocation. */
  #isClaimed = true;
  #isHeld = false;
  #isRetired = false;
  #invocations = 0;
  #lastUsedMs = performance.now();
  #maxBytes = 0;

  constructor(parts: InstanceParts) {
    this.#parts = parts;
    this.deployed = parts.deployed;
    const { promise, resolve } = Promise.withResolvers<InitOutcome>();
    this.init = promise;
    this.#initDone = resolve;
    const ended = Promise.withResolvers<void>();
    this.ended = ended.promise;
    this.#endDone = ended.resolve;
    const day = new Date().toISOString().slice(0, 10).replaceAll("-", "/");
    this.#log.append("INIT_START Runtime Version: nodejs:infinicache-local\n");
    this.#process = parts.process(
      { token: this.token, id: this.id, logStream: `${day}/[$LATEST]${this.id}` },
      {
        onOutput: (bytes) => this.#output(bytes),
        onEnd: (code, signal) => this.#end(code, signal),
      },
    );
  }

  get state(): InstanceState {
    return this.#state;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** False from the kill on, which its process outlives by a moment. */
  get isAlive(): boolean {
    return this.#state !== "dead" && this.#cause === null;
  }

  /** True when it can take an invocation that nobody else has in mind for it. */
  get isFree(): boolean {
    return this.isAlive && this.#state === "idle" && !this.#isClaimed && !this.#isRetired;
  }

  /** True while stopped by hand; ordinary thawing does not end that. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  get invocations(): number {
    return this.#invocations;
  }

  /** When its last invocation ended, or when it was started. */
  get lastUsedMs(): number {
    return this.#lastUsedMs;
  }

  /** True once a newer revision was deployed: it finishes what it does and is not invoked again. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** Why the service killed it, if it did. */
  get killCause(): KillCause | null {
    return this.#cause;
  }

  /** What it wrote since its last invocation; the log begins anew. */
  takeLog(): LogTail {
    const log = this.#log;
    this.#log = new LogTail();
    return log;
  }

  /** Resident bytes now; also keeps the maximum of the reports up to date. */
  residentBytes(): number {
    const bytes = this.#process.residentBytes();
    this.#maxBytes = Math.max(this.#maxBytes, bytes);
    return bytes;
  }

  /** Reserves a free instance for the caller, who must `run` it. */
  claim(): void {
    this.#isClaimed = true;
  }

  /** Thaws a claimed instance and hands the invocation over. Resolves when it can be invoked again or is dead. */
  run(invocation: Invocation): Promise<Run> {
    const next = this.#next;
    if (this.#state !== "idle" || next === null) return Promise.resolve(this.#notRun());
    this.#state = "busy";
    this.#next = null;
    this.#invocations += 1;
    this.#thaw();
    return new Promise((done) => {
      const timer = setTimeout(() => this.kill("timeout"), invocation.timeoutMs);
      this.#current = { invocation, startedMs: performance.now(), done, timer, answer: null };
      this.#log.append(`START RequestId: ${invocation.requestId} Version: $LATEST\n`);
      next.writeHead(200, this.#headersOf(invocation));
      next.end(invocation.payload);
    });
  }

  /** The process polls for work: the end of INIT, or of the invocation whose answer has come. */
  onNext(response: ServerResponse): void {
    this.#next = response;
    if (this.#state === "starting") {
      this.residentBytes();
      this.#rest();
      this.#initDone({ kind: "ready", initMs: performance.now() - this.#bornMs });
    } else {
      this.#finishSoon();
    }
  }

  /** The process reports how the invocation ended; false when it is not the current one. */
  onAnswer(requestId: string, answer: RunOutcome): boolean {
    const current = this.#current;
    if (current === null || current.invocation.requestId !== requestId) return false;
    if (current.answer !== null) return false;
    current.answer = answer;
    this.#finishSoon();
    return true;
  }

  /** The process reports that INIT failed. */
  onInitError(error: Buffer): void {
    this.#initDone({ kind: "failed", error, initMs: performance.now() - this.#bornMs });
  }

  /** Ends the process; the first cause counts. */
  kill(cause: KillCause): void {
    if (this.#state === "dead") return;
    this.#cause ??= cause;
    // The process dies, but a reclaimed machine says nothing to its peers.
    if (isReclaim(this.#cause)) this.#parts.forwarder?.freeze();
    this.#process.kill();
  }

  /** A newer revision exists. Free: it ends now; otherwise when the invocation it is meant for has ended. */
  retire(): void {
    const isFree = this.isFree;
    this.#isRetired = true;
    if (isFree) this.kill("retired");
  }

  /** Stops it by hand, busy or not, until `release`. */
  hold(): void {
    this.#isHeld = true;
    this.#freeze();
  }

  /** Ends `hold`; an idle instance stays frozen as it should be. */
  release(): void {
    this.#isHeld = false;
    if (this.#state === "busy" || this.#state === "starting") this.#thaw();
  }

  /** Changes the bandwidth of its forwarder, if it has one. */
  setBandwidth(bytesPerS: number): void {
    this.#parts.forwarder?.setRate(bytesPerS);
  }

  #freeze(): void {
    this.#parts.forwarder?.freeze();
    this.#process.stop();
  }

  #thaw(): void {
    if (this.#isHeld) return;
    this.#process.continue();
    this.#parts.forwarder?.thaw();
  }

  #rest(): void {
    this.#state = "idle";
    this.#lastUsedMs = performance.now();
    this.#freeze();
  }

  /** It was killed between being claimed and being run. */
  #notRun(): Run {
    const outcome: RunOutcome = {
      kind: "ended",
      cause: this.#cause,
      code: null,
      signal: "SIGKILL",
    };
    return { outcome, durationMs: 0, maxMemoryMb: 0, log: this.#log };
  }

  /** Answer and next poll arrive together, in either order: a pipelined poll can be seen before the body. */
  #finishSoon(): void {
    if (this.#next === null || this.#current === null || this.#current.answer === null) return;
    // What the function wrote is in its pipes by now; one turn of the loop reads them.
    setImmediate(() => this.#finish());
  }

  #finish(): void {
    const current = this.#current;
    if (current === null || current.answer === null || this.#state !== "busy") return;
    this.residentBytes();
    this.#rest();
    this.#isClaimed = false;
    this.#settle(current, current.answer);
    if (this.#isRetired) this.kill("retired");
  }

  #settle(current: Current, outcome: RunOutcome): void {
    clearTimeout(current.timer);
    this.#current = null;
    current.done({
      outcome,
      durationMs: performance.now() - current.startedMs,
      maxMemoryMb: Math.ceil(this.#maxBytes / MEBIBYTE),
      log: this.takeLog(),
    });
  }

  #output(bytes: Buffer): void {
    this.#log.append(bytes);
    this.#parts.onLog(bytes.toString("utf8"));
  }

  #end(code: number | null, signal: NodeJS.Signals | null): void {
    this.#state = "dead";
    this.#next?.destroy();
    this.#parts.forwarder?.close(isReclaim(this.#cause) ? this.#parts.deadConnections : "close");
    const current = this.#current;
    // An answer that was given counts although the process ended before its next poll.
    const ended: RunOutcome = { kind: "ended", cause: this.#cause, code, signal };
    if (current !== null) this.#settle(current, current.answer ?? ended);
    const error = endedError(this.#cause, code, signal);
    const initMs = performance.now() - this.#bornMs;
    this.#initDone({ kind: "failed", error: Buffer.from(JSON.stringify(error)), initMs });
    this.#parts.onDead(this);
    this.#endDone();
  }

  #headersOf(invocation: Invocation): Record<string, string | number> {
    const { requestId, payload, timeoutMs, traceId, clientContext } = invocation;
    return {
      "Content-Type": "application/json",
      "Content-Length": payload.length,
      "Lambda-Runtime-Aws-Request-Id": requestId,
      "Lambda-Runtime-Deadline-Ms": Math.floor(Date.now() + timeoutMs),
      "Lambda-Runtime-Invoked-Function-Arn": this.deployed.arn,
      "Lambda-Runtime-Trace-Id": traceId,
      ...(clientContext === null ? {} : { "Lambda-Runtime-Client-Context": clientContext }),
    };
  }
}

function isReclaim(cause: KillCause | null): boolean {
  return cause === "reclaim" || cause === "admin" || cause === "retired";
}

/** The error document for a process that ended by itself or by a kill other than a time-out. */
export function endedError(
  cause: KillCause | null,
  code: number | null,
  signal: NodeJS.Signals | null,
): { readonly errorType: string; readonly errorMessage: string } {
  const how =
    signal === null
      ? `exit status ${code ?? 0}`
      : `signal: ${signal === "SIGKILL" ? "killed" : signal}`;
  return {
    errorType: cause === "memory" ? "Runtime.OutOfMemory" : "Runtime.ExitError",
    errorMessage: `Error: Runtime exited with error: ${how}`,
  };
}
