// One budget for all invocations that run at once, by priority: serving may use all of it, warm-ups, backups and repairs
// each stop earlier, in this order, so that a fifth is always left for serving. It counts; it invokes nothing.

import type { Purpose } from "../core/ports.ts";
import type { NodeLink } from "./node-link.ts";

/** What accounts on AWS may run at once unless they ask for more. */
const INVOCATIONS_AT_ONCE = 1_000;

/** Up to which part of it work of this kind begins. */
const SHARES: Readonly<Record<Exclude<Purpose, "serve" | "recover">, number>> = {
  "warm-up": 0.8,
  backup: 0.7,
  repair: 0.6,
};

/** Whether work for this purpose may begin now. */
export function mayBegin(purpose: keyof typeof SHARES, links: readonly NodeLink[]): boolean {
  let invocations = 0;
  for (const link of links) invocations += link.invocationsUnderWay;
  return invocations < SHARES[purpose] * INVOCATIONS_AT_ONCE;
}
