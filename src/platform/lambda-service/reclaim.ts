// When the provider takes idle instances back: models from measurements, pure and seeded, so that the
// same code runs on the service's clock and in virtual time. Never touches a busy instance: providers
// wait until an invocation has returned.

import type { Random } from "../../core/ports.ts";
import { chance, sample } from "./seeded-random.ts";

/** Which instances are taken, and when. */
export type ReclaimSpec =
  | { readonly kind: "none" }
  /** Idle instances halve at every multiple of the period since their last use (SeBS 2020: 380 s). */
  | { readonly kind: "idle"; readonly halvingS?: number }
  /** Memoryless: each instance, however warm, at this rate (36 an hour over 400 is 0.09). */
  | { readonly kind: "poisson"; readonly perInstanceHour?: number }
  /** A count per minute from a table with a heavy tail, for a pool of 400, scaled to the real one. */
  | { readonly kind: "heavy-tailed" }
  /** Every `everyH` hours a fraction between `from` and `to` goes at once. */
  | {
      readonly kind: "mass";
      readonly everyH?: number;
      readonly from?: number;
      readonly to?: number;
    };

/** What a model may know of an idle instance. Times are on the caller's monotonic clock. */
export interface ReclaimCandidate {
  readonly id: string;
  readonly idleSinceMs: number;
}

/** A model with its memory of the last step. */
export interface ReclaimModel {
  /** The ids to take now, among `idle`; call it with a clock that never goes back. */
  step(nowMs: number, idle: readonly ReclaimCandidate[]): string[];
}

const HALVING_S = 380;
const POISSON_PER_INSTANCE_HOUR = 36 / 400;
const MASS_EVERY_H = 6;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** The pool that the heavy-tailed table was measured on. */
const TABLE_POOL = 400;

/**
 * Reclaims in a minute of 400 functions: P(<=2) = 0.87 and P(>=10) = 2/1440 as measured in September
 * 2019; between them a tail that halves about every step, which is our interpolation.
 */
export const HEAVY_TAIL: readonly (readonly [count: number, probability: number])[] = [
  [0, 0.6],
  [1, 0.18],
  [2, 0.09],
  [3, 0.06],
  [4, 0.03],
  [5, 0.018],
  [6, 0.01],
  [7, 0.006],
  [8, 0.0034],
  [9, 1 - 0.9974 - 2 / 1440],
  [10, 1 / 1440],
  [22, 1 / 1440],
];

/** Makes the model of a specification. `startMs` is the present on the clock that `step` will get. */
export function createReclaimModel(
  spec: ReclaimSpec,
  random: Random,
  startMs: number,
): ReclaimModel {
  switch (spec.kind) {
    case "none":
      return { step: () => [] };
    case "idle":
      return idleHalving((spec.halvingS ?? HALVING_S) * 1000, random, startMs);
    case "poisson":
      return poisson(spec.perInstanceHour ?? POISSON_PER_INSTANCE_HOUR, random, startMs);
    case "heavy-tailed":
      return heavyTailed(random, startMs);
    case "mass":
      return mass(spec, random, startMs);
  }
}

function idleHalving(halvingMs: number, random: Random, startMs: number): ReclaimModel {
  let beforeMs = startMs;
  return {
    step(nowMs, idle) {
      const taken = idle.filter(({ idleSinceMs }) => {
        const from = Math.floor(Math.max(0, beforeMs - idleSinceMs) / halvingMs);
        const crossings = Math.floor(Math.max(0, nowMs - idleSinceMs) / halvingMs) - from;
        return crossings > 0 && !chance(random, 0.5 ** crossings);
      });
      beforeMs = nowMs;
      return taken.map(({ id }) => id);
    },
  };
}

function poisson(perInstanceHour: number, random: Random, startMs: number): ReclaimModel {
  let beforeMs = startMs;
  return {
    step(nowMs, idle) {
      // Exact for any step length: the probability of at least one event in the interval.
      const probability = -Math.expm1((-perInstanceHour * (nowMs - beforeMs)) / HOUR_MS);
      beforeMs = nowMs;
      return idle.filter(() => chance(random, probability)).map(({ id }) => id);
    },
  };
}

function heavyTailed(random: Random, startMs: number): ReclaimModel {
  let minute = 0;
  return {
    step(nowMs, idle) {
      const until = Math.floor((nowMs - startMs) / MINUTE_MS);
      let remaining = idle.map(({ id }) => id);
      const taken: string[] = [];
      for (; minute < until && remaining.length > 0; minute++) {
        const exact = (heavyTailCount(random) * idle.length) / TABLE_POOL;
        // The fraction is a coin, so that small pools keep the measured rate.
        const count = Math.floor(exact) + (chance(random, exact % 1) ? 1 : 0);
        const now = new Set(sample(random, remaining, count));
        taken.push(...now);
        remaining = remaining.filter((id) => !now.has(id));
      }
      minute = until;
      return taken;
    },
  };
}

function heavyTailCount(random: Random): number {
  let place = random.u32() / 2 ** 32;
  for (const [count, probability] of HEAVY_TAIL) {
    if (place < probability) return count;
    place -= probability;
  }
  return 0;
}

function mass(
  spec: Extract<ReclaimSpec, { kind: "mass" }>,
  random: Random,
  startMs: number,
): ReclaimModel {
  const everyMs = (spec.everyH ?? MASS_EVERY_H) * HOUR_MS;
  const from = spec.from ?? 0.6;
  const to = spec.to ?? 1;
  let rounds = 0;
  return {
    step(nowMs, idle) {
      const until = Math.floor((nowMs - startMs) / everyMs);
      if (until === rounds) return [];
      rounds = until;
      const fraction = from + (random.u32() / 2 ** 32) * (to - from);
      const ids = idle.map(({ id }) => id);
      return sample(random, ids, Math.round(ids.length * fraction));
    },
  };
}
