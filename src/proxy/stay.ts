// How long a function may wait for more work, decided with each Invoke. Who waits as long as costs one invoke fee never
// pays more than twice the optimum; but a wake also costs its caller milliseconds and everybody CPU, so that a node which
// is wanted again and again waits for as long as it was idle lately, up to a bound. Pure; times in ms.

import type { NodeIndex } from "../core/ids.ts";
import type { BillingPolicySpec } from "../core/invocation.ts";
import type { InvokeCause } from "./link-context.ts";

/** How functions may stay. */
export interface StayPlan {
  readonly policy: BillingPolicySpec;
  /** With the policy `linger`: up to so many times its time, where the demand is seen to return; 1: never longer. */
  readonly growthMax: number;
}

/** Eight invoke fees at most for a guess that was wrong: 190 ms of 512 MB, 64 ms of 1.5 GB. */
export const STAY_GROWTH_MAX = 8;
/** After one short break the next one is only a guess: so much of the growth is risked for it. */
const GUESS_SHARE = 0.5;
/** How much longer than the last breaks a node waits. */
const MARGIN = 1.5;

/** The last break of a node, and how long the one before it was. */
interface Break {
  /** When the work before it ended: what it is known by. */
  readonly workedAt: number;
  readonly idleMs: number;
  readonly beforeMs: number;
}

/** The breaks of all nodes of a pool. */
export class Stays {
  readonly #plan: StayPlan;
  readonly #breaks = new Map<NodeIndex, Break>();

  constructor(plan: StayPlan) {
    this.#plan = plan;
  }

  /**
   * For an Invoke of a node. One break may have several, where the primary is sought or an Invoke failed: they count as
   * one. Who is only kept warm or backed up has nothing to wait for: a round holds whom it needs.
   */
  policyOf(node: NodeIndex, { purpose, idleMs, workedAt }: InvokeCause): BillingPolicySpec {
    const { policy, growthMax } = this.#plan;
    if (policy.kind !== "linger") return policy;
    if (purpose === "warm-up" || purpose === "backup") return { kind: "linger", lingerMs: 0 };
    const longest = policy.lingerMs * growthMax;
    const last = this.#breaks.get(node);
    const known = last?.workedAt === workedAt ? last.beforeMs : last?.idleMs;
    const before = known ?? Number.POSITIVE_INFINITY;
    this.#breaks.set(node, { workedAt, idleMs, beforeMs: before });
    if (idleMs > longest) return policy;
    const isHabit = before <= longest;
    const wanted = MARGIN * (isHabit ? Math.max(idleMs, before) : idleMs);
    const most = isHabit ? longest : longest * GUESS_SHARE;
    return {
      kind: "linger",
      lingerMs: Math.max(policy.lingerMs, Math.round(Math.min(most, wanted))),
    };
  }
}
