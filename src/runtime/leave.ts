// When and how an instance goes: the lease by the billing policy, hold, bye and byeOk, the final bye, and
// the flush before the answer. It counts requests so that a bye that crossed with one is void. It never
// sends by itself and never leaves while work is under way, unless the time of the invocation is up.

import type { BillingPolicy } from "../core/billing-policy.ts";
import type { Clock } from "../core/ports.ts";
import { Deadline } from "./deadline.ts";

/** A bye that is not answered by then was heard by nobody: the instance returns. */
export const BYE_ANSWER_MS_MAX = 1_000;
/** How long what was queued before byeOk may take to leave. */
const FLUSH_MS_MAX = 1_000;
/** How soon a connection that is not empty is looked at again. */
const FLUSH_LOOK_MS = 1;

/** What leaving needs of its surroundings. */
export interface LeavePort {
  sendBye(requestsSeen: number, isFinal: boolean): void;
  hasWork(): boolean;
  queuedBytes(): number;
  /** Whatever was under way is over: the final bye was answered. */
  endWork(): void;
  /** The instance may return. */
  onEnd(reason: string): void;
}

/**
 * away: not connected, or not welcomed yet · staying: at work or lingering · asked: bye was sent · final: the
 * last bye was sent · flushing: byeOk has come · over.
 */
type Phase = "away" | "staying" | "asked" | "final" | "flushing" | "over";

/** The leave of one invocation. */
export class Leave {
  readonly #clock: Clock;
  readonly #policy: BillingPolicy;
  readonly #finalAt: number;
  readonly #port: LeavePort;
  readonly #due: Deadline;
  readonly #final: Deadline;
  readonly #answer: Deadline;
  readonly #flush: Deadline;
  #phase: Phase = "away";
  #heldUntil = 0;
  #flushEndsAt = 0;
  #requestsSeen = 0;

  /** `finalAt`: when the invocation must end, whatever is under way. */
  constructor(clock: Clock, policy: BillingPolicy, finalAt: number, port: LeavePort) {
    this.#clock = clock;
    this.#policy = policy;
    this.#finalAt = finalAt;
    this.#port = port;
    this.#due = new Deadline(clock, () => this.#leaveIfIdle());
    this.#final = new Deadline(clock, () => this.#timeIsUp());
    this.#answer = new Deadline(clock, () => this.#end("the bye was not answered"));
    this.#flush = new Deadline(clock, () => this.#flushed());
    this.#final.set(finalAt);
  }

  /** The proxy has proved itself on this connection. Requests are counted by connection: those of a lost one never come. */
  onGreeted(): void {
    this.#requestsSeen = 0;
    this.#stay();
  }

  /** The connection is gone; a bye that was on it is void. */
  onLost(): void {
    if (this.#phase === "over") return;
    // After byeOk nothing more is expected, and after the final bye nothing more is possible.
    if (this.#phase === "flushing" || this.#phase === "final") {
      this.#end("");
      return;
    }
    this.#phase = "away";
    this.#due.cancel();
    this.#answer.cancel();
  }

  /** A request came. False: the instance is leaving for certain, and the request must be ignored. */
  onRequest(): boolean {
    if (this.#phase !== "staying" && this.#phase !== "asked") return false;
    this.#requestsSeen++;
    this.#policy.onActivity(this.#clock.now(), "request");
    if (this.#phase === "asked") this.#stay();
    return true;
  }

  /** A ping announces work. It does not make a bye void: the proxy answers byeOk to that one. */
  onPing(): void {
    this.#policy.onActivity(this.#clock.now(), "ping");
  }

  /** The proxy wants the instance awake for `forMs` from now; its latest word counts, so that 0 lets it go. */
  hold(forMs: number): void {
    this.#heldUntil = this.#clock.now() + forMs;
    if (this.#phase === "staying") this.#armDue();
  }

  /** The last open exchange ended. */
  onWorkEnded(): void {
    if (this.#phase !== "staying") return;
    this.#policy.onActivity(this.#clock.now(), "end");
    this.#armDue();
  }

  /** The proxy will send nothing more. */
  onByeOk(): void {
    if (this.#phase !== "asked" && this.#phase !== "final") return;
    if (this.#phase === "final") this.#port.endWork();
    this.#phase = "flushing";
    this.#due.cancel();
    this.#final.cancel();
    this.#answer.cancel();
    this.#flushEndsAt = this.#clock.now() + FLUSH_MS_MAX;
    this.#flushed();
  }

  /** The invocation ended otherwise. */
  stop(): void {
    this.#phase = "over";
    for (const deadline of [this.#due, this.#final, this.#answer, this.#flush]) deadline.cancel();
  }

  #stay(): void {
    this.#phase = "staying";
    this.#answer.cancel();
    if (this.#clock.now() >= this.#finalAt) {
      this.#timeIsUp();
      return;
    }
    this.#armDue();
  }

  #armDue(): void {
    this.#due.set(Math.max(this.#policy.dueAt(), this.#heldUntil));
  }

  #leaveIfIdle(): void {
    if (this.#phase !== "staying" || this.#port.hasWork()) return; // The end of the work arms it again.
    const dueAt = Math.max(this.#policy.dueAt(), this.#heldUntil);
    if (this.#clock.now() < dueAt) {
      this.#due.set(dueAt);
      return;
    }
    this.#ask("asked");
  }

  #timeIsUp(): void {
    if (this.#phase === "away") {
      this.#end("its time was up before it was connected");
      return;
    }
    // With a bye under way the answer, or what makes it void, comes within a second.
    if (this.#phase === "staying") this.#ask("final");
  }

  #ask(phase: "asked" | "final"): void {
    this.#phase = phase;
    this.#answer.set(this.#clock.now() + BYE_ANSWER_MS_MAX);
    this.#port.sendBye(this.#requestsSeen, phase === "final");
  }

  #flushed(): void {
    const now = this.#clock.now();
    if (this.#port.queuedBytes() === 0 || now >= this.#flushEndsAt) {
      this.#end("");
      return;
    }
    this.#flush.set(now + FLUSH_LOOK_MS);
  }

  #end(reason: string): void {
    this.stop();
    this.#port.onEnd(reason);
  }
}
