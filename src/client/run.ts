// Runs one operation core: admission, the wait for a connection, the deadline, a new beginning after a lost
// connection, and an orderly end. It is synchronous like the cores; promises begin in cache.ts.

import { CacheError } from "../core/errors.ts";
import type { Clock, Timer } from "../core/ports.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { Deadlines, Expiring } from "./deadlines.ts";
import type { Exchange, ExchangeOwner, Welcome } from "./exchange.ts";
import type { Gate } from "./gate.ts";
import type { Operation, OperationHost, Outcome } from "./operation.ts";
import type { Session } from "./session.ts";

/** Who is to be asked: the owner of a key, the proxy at an address, or any (null). */
export type Target = { readonly key: string } | { readonly address: string } | null;

/** The sessions of a client. */
export interface Sessions {
  /** The session with the right proxy, as is known now. */
  to(target: Target): Session;
}

/** The pause before a proxy is asked again that does not serve the request yet. */
const WRONG_PROXY_PAUSE_MS = 50;
/** How often an operation is begun: each new beginning follows a lost connection. */
const BEGINNINGS_MAX = 16;

/** What all runs of a client share. */
export interface RunContext {
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly gate: Gate;
  readonly deadlines: Deadlines;
}

/** How one operation is to be run. */
export interface RunOptions {
  readonly name: string;
  readonly target: Target;
  readonly deadlineMs: number;
  /** `progress`: the deadline is counted anew from each progress, for streams of any length. */
  readonly deadlineFrom: "start" | "progress";
  /** True: the end is told only when the transport holds no memory of the caller any more. */
  readonly usesCallersMemory: boolean;
}

type Phase = "new" | "queued" | "waiting" | "running" | "ended";

/** One operation under way; see the header. */
export class Run<Result> implements ExchangeOwner, Expiring, OperationHost<Result> {
  readonly #context: RunContext;
  readonly #options: RunOptions;
  readonly #core: Operation;
  readonly #settled: (outcome: Outcome<Result>) => void;
  #phase: Phase = "new";
  #withdraw: (() => void) | null = null;
  #isInside = false;
  #exchange: Exchange | null = null;
  #session: Session | null = null;
  #pause: Timer | null = null;
  #waitingSince = 0;
  /** Why it is waiting, or asking once more, when that is not a lost connection. */
  #refusal: string | null = null;
  #dueAt = 0;
  /** Of its deadline. */
  #ticket = 0;
  #beginnings = 0;

  /** `settled` is called once, in a later turn than `start` or within `abandon`. */
  constructor(
    context: RunContext,
    options: RunOptions,
    makeCore: (host: OperationHost<Result>) => Operation,
    settled: (outcome: Outcome<Result>) => void,
  ) {
    this.#context = context;
    this.#options = options;
    this.#core = makeCore(this);
    this.#settled = settled;
  }

  /** Call once. */
  start(): void {
    this.#phase = "queued";
    this.#dueAt = this.now() + this.#options.deadlineMs;
    this.#ticket = this.#context.deadlines.add(this);
    const withdraw = this.#context.gate.enter(() => {
      this.#isInside = true;
      if (this.#phase === "queued") this.#seekConnection();
    });
    if (withdraw === null) {
      return this.abandon(
        new CacheError(
          "ICACHE_OVERLOADED",
          "too many operations are under way and waiting on this client",
        ),
      );
    }
    if (this.#phase === "queued") this.#withdraw = withdraw;
  }

  /** Ends the operation from outside: a signal, the deadline, the client's end. */
  abandon(error: unknown): void {
    this.#end({ kind: "failed", error }, true);
  }

  now(): number {
    return this.#context.clock.now();
  }

  later(act: () => void): void {
    this.#context.clock.afterInput(() => {
      if (this.#phase === "running") act();
    });
  }

  done(result: Result): void {
    this.#end({ kind: "done", result }, false);
  }

  failed(error: unknown, isOver = false): void {
    this.#end({ kind: "failed", error }, !isOver);
  }

  broken(reason: string): void {
    this.failed(new CacheError("ICACHE_PROTOCOL", `the proxy broke the protocol: ${reason}`));
    this.#session?.fault(`protocol broken: ${reason}`);
  }

  progress(): void {
    if (this.#options.deadlineFrom === "progress")
      this.#dueAt = this.now() + this.#options.deadlineMs;
  }

  onOpen(exchange: Exchange, welcome: Welcome): void {
    this.#phase = "running";
    this.#exchange = exchange;
    this.#withdraw = null;
    this.#beginnings += 1;
    this.#core.begin(exchange, welcome, Math.max(1, Math.ceil(this.#dueAt - this.now())));
  }

  bodyPlace(message: MessageOf<"data">, bytes: number): Uint8Array | null {
    return this.#core.bodyPlace(message, bytes);
  }

  onMessage(message: Message, body: Uint8Array | null): void {
    if (message.kind === "cancel") {
      return this.failed(
        new CacheError("ICACHE_UNREACHABLE", "the proxy cancelled the operation"),
        true,
      );
    }
    if (message.kind === "wrongEpoch") return this.#onWrongProxy(message.epoch);
    this.#refusal = null;
    this.#core.onMessage(message, body);
  }

  onMoved(): void {
    if (this.#phase === "waiting") this.#seekConnection(this.#waitingSince);
  }

  onLost(reason: string): void {
    const exchange = this.#exchange;
    this.#phase = "waiting";
    this.#refusal = null;
    const error = this.#core.onLost(reason);
    if (error !== null) return this.abandon(error);
    if (this.#beginnings >= BEGINNINGS_MAX) {
      return this.abandon(
        new CacheError(
          "ICACHE_UNREACHABLE",
          `the connection was lost ${BEGINNINGS_MAX} times: ${reason}`,
        ),
      );
    }
    // The next beginning waits until the old transport has let go of the memory.
    exchange?.end(() => {
      if (this.#phase === "waiting") this.#seekConnection();
    });
  }

  onRefused(error: CacheError): void {
    this.abandon(error);
  }

  #seekConnection(since: number = this.now()): void {
    this.#phase = "waiting";
    this.#waitingSince = since;
    this.#exchange = null;
    const session = this.#context.sessions.to(this.#options.target);
    this.#session = session;
    const withdraw = session.begin(this, since);
    if (this.#isWaiting()) this.#withdraw = withdraw;
  }

  /**
   * The proxy did nothing. A newer document, if there is one, came before this; if there is none, the proxy has not
   * come as far as we have, or waits for others to. Bounded by the deadline alone: nothing is lost by asking again.
   */
  #onWrongProxy(epoch: number): void {
    const exchange = this.#exchange;
    this.#phase = "waiting";
    this.#refusal = `the proxy works by document ${epoch} and does not serve this`;
    this.#core.onWrongProxy?.();
    const error = this.#core.onLost("the key belongs to another proxy now");
    if (error !== null) return this.#end({ kind: "failed", error }, false);
    this.#beginnings -= 1;
    // A document that came with the refusal names another proxy: that one is asked at once.
    const isMoved = this.#context.sessions.to(this.#options.target) !== this.#session;
    const pauseMs = isMoved ? 0 : WRONG_PROXY_PAUSE_MS;
    exchange?.end(() => {
      this.#pause = this.#context.clock.setTimer(pauseMs, () => {
        if (this.#phase === "waiting") this.#seekConnection();
      });
    });
  }

  #isWaiting(): boolean {
    return this.#phase === "waiting";
  }

  get dueAt(): number {
    return this.#dueAt;
  }

  onDue(): void {
    if (this.#phase === "running" && this.#core.isIdle === true) this.progress();
    if (this.#dueAt > this.now()) return;
    const { name, deadlineMs } = this.#options;
    if (this.#phase === "waiting" || this.#refusal !== null) {
      const why = this.#refusal ?? this.#session?.lastFailure ?? "not dialled yet";
      return this.abandon(
        new CacheError(
          "ICACHE_UNREACHABLE",
          `${name}: no connection to the proxy within ${deadlineMs} ms: ${why}`,
        ),
      );
    }
    this.abandon(new CacheError("ICACHE_DEADLINE", `${name} did not end within ${deadlineMs} ms`));
  }

  #end(outcome: Outcome<Result>, withCancel: boolean): void {
    if (this.#phase === "ended") return;
    const wasRunning = this.#phase === "running";
    this.#phase = "ended";
    this.#context.deadlines.remove(this.#ticket);
    this.#pause?.cancel();
    this.#withdraw?.();
    const exchange = this.#exchange;
    const { usesCallersMemory } = this.#options;
    const release = () => {
      this.#core.release();
      if (this.#isInside) this.#context.gate.leave();
      if (usesCallersMemory) this.#settled(outcome);
    };
    if (exchange === null) release();
    else {
      this.#core.onEnding?.();
      if (withCancel && wasRunning) exchange.send({ kind: "cancel" });
      exchange.end(release);
    }
    if (!usesCallersMemory) this.#settled(outcome);
  }
}
