// What one seed stands for: the size of the world, its rules, and which kinds of trouble it has. Every seed draws its own
// few of all kinds ("swarm testing"): faults that always come together hide each other.

import type { CodeRule, CodeSpec } from "../core/code.ts";
import type { BillingPolicySpec } from "../core/invocation.ts";
import type { Routing } from "./provider.ts";
import { SeededRandom } from "./seeded-random.ts";

/** Everything that can be made to go wrong now and then. */
export const FAULT_KINDS = [
  "reclaim one",
  "reclaim many",
  "slow start",
  "break connection",
  "half-open connection",
  "isolate function",
  "isolate client",
  "slow function",
  "corrupt chunk",
  "throttle",
  "restart proxy",
  "lose proxy state",
  "crash client",
  "clock jump",
] as const;

/** One of them. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** What one seed stands for. */
export interface Scenario {
  readonly seed: number;
  /** No trouble at all: then misses, lost instances and second instances are faults, too. */
  readonly isCalm: boolean;
  readonly nodes: number;
  readonly budgetBytes: number;
  readonly clients: number;
  /** Operations that one client has under way at once. */
  readonly callers: number;
  readonly keys: number;
  /** Mean pause between two operations of a caller. */
  readonly pauseMs: number;
  readonly stormMs: number;
  readonly codeRules: readonly CodeRule[];
  readonly policy: BillingPolicySpec;
  readonly warmUpIntervalMs: number;
  readonly stragglerMs: number;
  readonly routing: Routing;
  readonly delayMsMax: number;
  readonly flipProbability: number;
  readonly lostAnswer: number;
  readonly lostRequest: number;
  /** Mean time between two faults of a kind. */
  readonly faults: ReadonlyMap<FaultKind, number>;
}

/** Objects of this and more are chunks of more than one part. */
const LARGE_CODES: readonly CodeSpec[] = [
  { dataChunks: 4, parityChunks: 2 },
  { dataChunks: 2, parityChunks: 1 },
  { dataChunks: 3, parityChunks: 2 },
  { dataChunks: 2, parityChunks: 2 },
  { dataChunks: 3, parityChunks: 0 },
];

/** One seed in so many has no trouble. */
const SEEDS_PER_CALM = 8;
/** The share of kinds that a seed with trouble has. */
const FAULT_SHARE = 0.35;

/** The scenario of a seed. */
export function scenarioOf(seed: number): Scenario {
  const random = new SeededRandom(seed).fork("scenario");
  const isCalm = seed % SEEDS_PER_CALM === 0;
  const trouble = (probability: number): number =>
    !isCalm && random.chance(FAULT_SHARE) ? probability : 0;
  const faults = new Map<FaultKind, number>();
  for (const kind of FAULT_KINDS) {
    const meanMs = random.between(2_000, 15_000);
    if (!isCalm && random.chance(FAULT_SHARE))
      faults.set(kind, kind === "lose proxy state" ? 3 * meanMs : meanMs);
  }
  const routing = random.pick([
    "most-recent",
    "most-recent",
    "least-recent",
    "random",
    "cold",
  ] as const);
  return {
    seed,
    isCalm,
    faults,
    nodes: 6 + random.below(7),
    budgetBytes: isCalm ? 64 * 1_024 * 1_024 : random.pick([400_000, 2_000_000, 16_000_000]),
    clients: 1 + random.below(3),
    callers: 1 + random.below(4),
    keys: 1 + random.below(8),
    pauseMs: random.pick([20, 100, 400]),
    stormMs: random.between(15_000, 40_000),
    codeRules: [
      { bytesBelow: 4_096, code: { dataChunks: 1, parityChunks: 2 } },
      { bytesBelow: Number.POSITIVE_INFINITY, code: random.pick(LARGE_CODES) },
    ],
    policy: random.chance(0.5)
      ? { kind: "linger", lingerMs: random.pick([5, 10, 300]) }
      : { kind: "cycle", cycleMs: 100 },
    warmUpIntervalMs: random.pick([0, 10_000, 60_000]),
    stragglerMs: random.pick([200, 1_000]),
    routing: isCalm ? "most-recent" : routing,
    delayMsMax: random.pick([0.5, 2, 20]),
    flipProbability: trouble(0.003),
    lostAnswer: trouble(0.02),
    lostRequest: trouble(0.02),
  };
}
