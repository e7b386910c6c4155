// Which idle instance gets the next invocation, or whether a new one is started although one is idle.
// Pure and seeded. Providers promise nothing here, so everything above must hold under each policy.

import type { Random } from "../../core/ports.ts";
import { chance } from "./seeded-random.ts";

/** How the next instance is chosen. `cold` starts a new one with a given probability, else the most recent. */
export type InstancePolicy = "most-recent" | "least-recent" | "random" | "cold";

/** All policies, for configuration. */
export const INSTANCE_POLICIES: readonly InstancePolicy[] = [
  "most-recent",
  "least-recent",
  "random",
  "cold",
];

/** The chosen one of `idle` (borrowed, any order), or null for a cold start. */
export function chooseInstance<T extends { readonly lastUsedMs: number }>(
  idle: readonly T[],
  policy: InstancePolicy,
  coldProbability: number,
  random: Random,
): T | null {
  if (idle.length === 0) return null;
  switch (policy) {
    case "cold":
      return chance(random, coldProbability) ? null : extreme(idle, (a, b) => a > b);
    case "most-recent":
      return extreme(idle, (a, b) => a > b);
    case "least-recent":
      return extreme(idle, (a, b) => a < b);
    case "random":
      return idle[random.below(idle.length)] ?? null;
  }
}

function extreme<T extends { readonly lastUsedMs: number }>(
  idle: readonly T[],
  isBetter: (a: number, b: number) => boolean,
): T | null {
  let best: T | null = null;
  for (const candidate of idle) {
    if (best === null || isBetter(candidate.lastUsedMs, best.lastUsedMs)) best = candidate;
  }
  return best;
}
