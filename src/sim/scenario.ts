// What one seed stands for: the size of the world, its rules, and what goes wrong in it when. Every seed draws its own
// few of all kinds of trouble ("swarm testing"): faults that always come together hide each other. A scenario is plain
// JSON: one that was made smaller by hand or by minimise.ts is as good as a drawn one.

import type { CodeSpec } from "../core/code.ts";
import type { BillingPolicySpec } from "../core/invocation.ts";
import type { Spread } from "../core/placement.ts";
import { HOT_BYTES_DEFAULT } from "../proxy/hot-objects.ts";
import type { Routing } from "./provider.ts";
import { SeededRandom } from "./seeded-random.ts";
import type { Call } from "./workload.ts";

/** Everything that can be made to go wrong now and then. */
export const FAULT_KINDS = [
  "reclaim one",
  "reclaim many",
  "slow start",
  "second instance",
  "run twice",
  "stop function",
  "stop proxy",
  "stop client",
  "break connection",
  "half-open connection",
  "isolate function",
  "isolate client",
  "slow function",
  "corrupt chunk",
  "throttle",
  "throttle for a minute",
  "restart proxy",
  "lose proxy state",
  "crash client",
  "clock jump",
  "isolate proxy",
  "ring change",
  "second proxy",
] as const;

/** One of them. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Something goes wrong at a time; what it hits is drawn from its own salt, so that leaving one out changes no other. */
export interface PlannedFault {
  readonly atMs: number;
  readonly kind: FaultKind;
  readonly salt: number;
}

/** What callers do: anything, one key's creation over and over, much removing and expiring, or mostly reading small objects. */
export type Habit = "mixed" | "races" | "removals" | "reads";

/** What one seed stands for. */
export interface Scenario {
  readonly seed: number;
  /** No trouble at all: then misses, lost instances and second instances are faults, too. */
  readonly isCalm: boolean;
  /** Each has a pool of its own; several share the keys by a ring. */
  readonly proxies: number;
  /** Of each pool. */
  readonly nodes: number;
  readonly budgetBytes: number;
  readonly clients: number;
  /** Operations that one client has under way at once. */
  readonly callers: number;
  readonly keys: number;
  readonly habit: Habit;
  /** Mean pause between two operations of a caller. */
  readonly pauseMs: number;
  readonly stormMs: number;
  /** Of objects that are not replicated. */
  readonly code: CodeSpec;
  readonly policy: BillingPolicySpec;
  readonly warmUpIntervalMs: number;
  /** 0: no backups. */
  readonly backupIntervalMs: number;
  readonly backupSelection: "all" | "hit";
  /** 0: no repairs, not even those that readers offer. */
  readonly repairBytesPerSecond: number;
  /** Clients listen, so that large chunks go straight between them and functions. */
  readonly hasDoors: boolean;
  /** Clients keep objects of so many bytes together in a near cache; 0: they have none. */
  readonly nearBytes: number;
  /** Proxies keep small objects that were read in so many bytes of their own; 0: none. */
  readonly hotBytes: number;
  readonly spread: Spread;
  readonly stragglerMs: number;
  readonly routing: Routing;
  readonly delayMsMax: number;
  readonly flipProbability: number;
  readonly lossProbability: number;
  readonly lostAnswer: number;
  readonly lostRequest: number;
  readonly faults: readonly PlannedFault[];
  /** What each caller does, by its name; null: drawn from the seed while the world runs. */
  readonly scripts: Readonly<Record<string, readonly Call[]>> | null;
}

/** Codes of objects that are not replicated. */
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
const FAULT_SHARE = 0.3;
const RING_FAULT_SHARE = 0.8;
/** Kinds that come so much more seldom than others: after each the world has to begin anew, or waits for long. */
const RARE_FAULTS: ReadonlyMap<FaultKind, number> = new Map([
  ["lose proxy state", 3],
  ["throttle for a minute", 3],
  ["second proxy", 3],
]);
/** A storm in which the provider refuses everything for a minute lasts for so much longer, at a slower pace. */
const LONG_STORM = 3;
/** One seed in about so many has several proxies. */
const SEEDS_PER_RING = 4;
/** Only several proxies can have it, and of those most do. */
const RING_FAULT: FaultKind = "ring change";

/** The scenario of a seed. */
export function scenarioOf(seed: number): Scenario {
  const random = new SeededRandom(seed).fork("scenario");
  const isCalm = seed % SEEDS_PER_CALM === 0;
  const trouble = (probability: number): number =>
    !isCalm && random.chance(FAULT_SHARE) ? probability : 0;
  const means = new Map<FaultKind, number>();
  const proxies = random.below(SEEDS_PER_RING) === 0 ? 2 + random.below(2) : 1;
  for (const kind of FAULT_KINDS) {
    const meanMs = random.between(2_000, 15_000);
    const share = kind !== RING_FAULT ? FAULT_SHARE : proxies === 1 ? 0 : RING_FAULT_SHARE;
    if (!isCalm && random.chance(share)) means.set(kind, meanMs * (RARE_FAULTS.get(kind) ?? 1));
  }
  const slower = means.has("throttle for a minute") ? LONG_STORM : 1;
  const stormMs = Math.round(slower * random.between(15_000, 40_000));
  const habit = random.pick(["mixed", "mixed", "races", "removals", "reads"] as const);
  // Readers of the proxy's own memory: no other is before it, and what comes from there is damaged now and then.
  const isDamaged = habit === "reads" && !isCalm && random.chance(0.5);
  const routing = random.pick(["most-recent", "least-recent", "random", "cold"] as const);
  return {
    seed,
    isCalm,
    proxies,
    faults: planFaults(means, stormMs, random),
    nodes: 6 + random.below(7),
    budgetBytes: isCalm
      ? 64 * 1_024 * 1_024
      : random.pick([80_000, 400_000, 2_000_000, 16_000_000]),
    clients: 1 + random.below(3),
    callers: 1 + random.below(4),
    keys: random.chance(0.2) ? 24 : 1 + random.below(8),
    habit,
    pauseMs: slower * random.pick([20, 100, 400]),
    stormMs,
    code: random.pick(LARGE_CODES),
    policy: random.chance(0.5)
      ? { kind: "linger", lingerMs: random.pick([5, 10, 300]) }
      : { kind: "cycle", cycleMs: 100 },
    warmUpIntervalMs: random.pick([0, 10_000, 60_000]),
    backupIntervalMs: random.pick([0, 2_000, 5_000, 20_000]),
    backupSelection: random.pick(["all", "all", "hit"] as const),
    repairBytesPerSecond: random.pick([0, 200_000, 64_000_000, 64_000_000]),
    hasDoors: random.chance(0.4),
    stragglerMs: random.pick([200, 1_000]),
    routing: isCalm || random.chance(0.25) ? "most-recent" : routing,
    delayMsMax: random.pick([0.5, 2, 20]),
    flipProbability: isDamaged ? 0.1 : trouble(0.003),
    lostAnswer: trouble(0.02),
    lostRequest: trouble(0.02),
    nearBytes: habit === "reads" ? 0 : random.pick([0, 0, 60_000, 16_000_000]),
    hotBytes: random.pick([0, 4_096, 60_000, HOT_BYTES_DEFAULT]),
    spread: random.pick(["wide", "narrow"] as const),
    // The last that is drawn: the others stay what they were for each seed.
    lossProbability: trouble(0.2),
    scripts: null,
  };
}

/** A Poisson process for each kind, until the storm is over. */
function planFaults(
  means: ReadonlyMap<FaultKind, number>,
  stormMs: number,
  random: SeededRandom,
): PlannedFault[] {
  const faults: PlannedFault[] = [];
  for (const [kind, meanMs] of means) {
    for (let atMs = random.exponential(meanMs); atMs < stormMs; atMs += random.exponential(meanMs))
      faults.push({ atMs: Math.round(100 * atMs) / 100, kind, salt: random.u32() });
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}
