// How long an instance without work stays awake: two policies behind one interface, chosen by the Invoke.
// Pure: moments come in, a due time comes out; it never decides to leave while work is under way
// (whoever asks knows that) and it never reads a clock. "Lease" is the time until `dueAt`.

import { unreachable } from "./assert.ts";
import type { BillingPolicySpec } from "./invocation.ts";

/**
 * What happened: a request came; a ping announced one; or the last work under way ended.
 */
export type Activity = "request" | "ping" | "end";

/** Decides when an idle instance proposes to leave. Within one invocation `dueAt` never goes back. */
export interface BillingPolicy {
  /** Something happened at `now`; never earlier than what was told before. */
  onActivity(now: number, activity: Activity): void;
  /** From when on an instance without work should go. */
  dueAt(): number;
}

/** The policy of one invocation that began at `startedAt`, in milliseconds of any monotonic clock. */
export function createPolicy(
  spec: BillingPolicySpec,
  startedAt: number,
  memoryMb: number,
): BillingPolicy {
  switch (spec.kind) {
    case "linger":
      return new Linger(startedAt, spec.lingerMs);
    case "cycle":
      return new Cycle(startedAt, spec.cycleMs, memoryMb);
    default:
      return unreachable(spec);
  }
}

/**
 * Ski rental. Waiting costs by the millisecond, coming back costs one invoke fee: who waits exactly until
 * both are equal never pays more than twice the optimum, whatever comes. The proxy computes that time
 * from prices and memory (8 to 10 ms at 1.5 GB), or more where the arrival rate says that it pays.
 */
class Linger implements BillingPolicy {
  readonly #lingerMs: number;
  #dueAt: number;

  constructor(startedAt: number, lingerMs: number) {
    this.#lingerMs = lingerMs;
    this.#dueAt = startedAt + lingerMs;
  }

  onActivity(now: number): void {
    this.#dueAt = Math.max(this.#dueAt, now + this.#lingerMs);
  }

  dueAt(): number {
    return this.#dueAt;
  }
}

/**
 * The paper's policy (FAST'20, §3.3), for billing in cycles of 100 ms: what is paid for is used up, and the
 * instance leaves shortly before the next cycle begins. A second request within a cycle foretells
 * more, so one more cycle is bought; a ping says that a request follows, so it buys one, too.
 */
class Cycle implements BillingPolicy {
  readonly #startedAt: number;
  readonly #cycleMs: number;
  readonly #leadMs: number;
  /** The last cycle that is bought, counted from 1. */
  #lastCycle = 1;
  #requestCycle = 0;

  constructor(startedAt: number, cycleMs: number, memoryMb: number) {
    this.#startedAt = startedAt;
    this.#cycleMs = cycleMs;
    this.#leadMs = Math.min(leadMsOf(memoryMb), cycleMs / 2);
  }

  onActivity(now: number, activity: Activity): void {
    const cycle = Math.floor((now - this.#startedAt) / this.#cycleMs) + 1;
    const isSecond = activity === "request" && this.#requestCycle === cycle;
    if (activity === "request") this.#requestCycle = cycle;
    const bought = isSecond || activity === "ping" ? cycle + 1 : cycle;
    this.#lastCycle = Math.max(this.#lastCycle, bought);
  }

  dueAt(): number {
    return this.#startedAt + this.#lastCycle * this.#cycleMs - this.#leadMs;
  }
}

/** How long before the end of a cycle the instance must begin to leave: slower with less CPU, which comes with memory. */
function leadMsOf(memoryMb: number): number {
  if (memoryMb < 896) return 10; // Below half a vCPU.
  return memoryMb < 1_769 ? 5 : 2; // One vCPU and above.
}
