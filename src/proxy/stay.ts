// How long a function may wait for more work, decided with each Invoke. Who waits as long as costs one invoke fee never
// pays more than twice the optimum; but a wake also costs its caller milliseconds and everybody CPU. So a node waits as
// long as would have cost least in its last breaks, where a wake counts for several fees. Pure; times in ms.

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
/** What a wake counts for, in invoke fees: one is paid, and the rest stands for those who wait and for the processors. */
const WAKE_FEES = 4;
/** How much longer than a break that it wants to sit through a node waits. */
const MARGIN = 1.5;

/** How the function is to stay that is invoked for this cause. */
export function policyFor(
  { policy, growthMax }: StayPlan,
  { purpose, breaks }: InvokeCause,
): BillingPolicySpec {
  if (policy.kind !== "linger") return policy;
  // Who is only kept warm or backed up has nothing to wait for: a round holds whom it needs.
  if (purpose === "warm-up" || purpose === "backup") return { kind: "linger", lingerMs: 0 };
  const { lingerMs } = policy;
  const wakeMs = WAKE_FEES * lingerMs;
  let best = { lingerMs, cost: costOf(lingerMs, wakeMs, breaks) };
  for (const each of breaks) {
    const longer = Math.min(Math.round(MARGIN * each), lingerMs * growthMax);
    if (longer <= lingerMs || each > longer) continue;
    const cost = costOf(longer, wakeMs, breaks);
    if (cost < best.cost || (cost === best.cost && longer < best.lingerMs))
      best = { lingerMs: longer, cost };
  }
  return { kind: "linger", lingerMs: best.lingerMs };
}

/** Through breaks up to this every function sits that was wanted, in ms. */
export function sureStayMs({ policy }: StayPlan): number {
  return policy.kind === "linger" ? policy.lingerMs : 0;
}

/** What these breaks would have cost a node that waits so long, in the milliseconds of waiting that cost as much. */
function costOf(lingerMs: number, wakeMs: number, breaks: readonly number[]): number {
  let cost = 0;
  for (const each of breaks) cost += each <= lingerMs ? each : lingerMs + wakeMs;
  return cost;
}
