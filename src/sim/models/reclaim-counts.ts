// How many nodes are reclaimed in an interval, as a probability for each number: p_d(r) of the availability model.
// From the models of the local Lambda service (their published figures are for 400 functions and are scaled to the
// pool) or from counts that somebody observed. Pure; it draws nothing, it adds up.

import { HEAVY_TAIL } from "../../platform/lambda-service/reclaim.ts";
import { Hypergeometric } from "./hypergeometric.ts";

/** A model of reclaiming. */
export type ReclaimModel =
  /** The table of September 2019, per minute. */
  | { readonly kind: "heavy-tailed" }
  /** Memoryless: so many an hour of 400 functions. */
  | { readonly kind: "poisson"; readonly perHour: number }
  /** Every so many hours 60 to 100 % of the pool at once. */
  | { readonly kind: "mass"; readonly everyHours: number }
  /** Observed per minute in the very pool: a weight for each number of nodes. */
  | { readonly kind: "counts"; readonly weights: ReadonlyMap<number, number> };

/** The pool for which rates and tables were published. */
export const PUBLISHED_POOL = 400;
/** Tables are put together minute by minute up to this interval. */
export const MINUTES_MAX = 1_440;

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const MASS_FROM = 0.6;

/**
 * The probability of each number of nodes, from 0 to `nodes`, that are reclaimed at least once in an interval.
 * Models per minute take whole minutes only, and a period is longer than the interval.
 */
export function reclaimCounts(model: ReclaimModel, nodes: number, intervalMs: number): number[] {
  switch (model.kind) {
    case "heavy-tailed":
      return overMinutes(scaled(HEAVY_TAIL, nodes), nodes, intervalMs);
    case "counts":
      return overMinutes(normalised(model.weights, nodes), nodes, intervalMs);
    case "poisson":
      return memoryless((model.perHour / PUBLISHED_POOL) * (intervalMs / HOUR_MS), nodes);
    case "mass":
      return mass(intervalMs / (model.everyHours * HOUR_MS), nodes);
  }
}

/** Each node is hit by a Poisson process of its own, so the number of nodes hit is binomial. */
function memoryless(hitsPerNode: number, nodes: number): number[] {
  const lnHit = Math.log(-Math.expm1(-hitsPerNode));
  let lnWays = 0;
  return Array.from({ length: nodes + 1 }, (_, count) => {
    if (count > 0) lnWays += Math.log((nodes - count + 1) / count);
    if (hitsPerNode === 0) return count === 0 ? 1 : 0;
    return Math.exp(lnWays + count * lnHit - (nodes - count) * hitsPerNode);
  });
}

/** A part between 60 and 100 %, evenly, in this share of the intervals. */
function mass(probability: number, nodes: number): number[] {
  if (probability > 1) throw new RangeError("the interval must not be longer than the period");
  const least = Math.round(nodes * MASS_FROM);
  const each = probability / (nodes - least + 1);
  return Array.from({ length: nodes + 1 }, (_, count) =>
    count >= least ? each : count === 0 ? 1 - probability : 0,
  );
}

/** A table for the published pool, for one of another size; a fraction of a node is a coin, as in the local service. */
function scaled(table: readonly (readonly [number, number])[], nodes: number): number[] {
  const counts = zeros(nodes);
  for (const [count, probability] of table) {
    const exact = (count * nodes) / PUBLISHED_POOL;
    const whole = Math.floor(exact);
    add(counts, whole, probability * (1 - (exact - whole)));
    if (exact > whole) add(counts, whole + 1, probability * (exact - whole));
  }
  return counts;
}

function normalised(weights: ReadonlyMap<number, number>, nodes: number): number[] {
  const counts = zeros(nodes);
  let total = 0;
  for (const [count, weight] of weights) {
    if (!Number.isInteger(count) || count < 0 || count > nodes || !(weight >= 0))
      throw new RangeError("a count is a whole number of the pool's nodes, its weight at least 0");
    add(counts, count, weight);
    total += weight;
  }
  if (!(total > 0)) throw new RangeError("some count must have a weight");
  return counts.map((weight) => weight / total);
}

/** Independent minutes, one after the other. A node that is hit twice is one node, so numbers do not simply add. */
function overMinutes(perMinute: readonly number[], nodes: number, intervalMs: number): number[] {
  const minutes = intervalMs / MINUTE_MS;
  if (!Number.isInteger(minutes) || minutes < 1 || minutes > MINUTES_MAX)
    throw new RangeError(`the interval must be 1 to ${MINUTES_MAX} whole minutes`);
  if (minutes === 1) return [...perMinute];
  const fresh = freshAfter(perMinute, nodes);
  let hit = zeros(nodes);
  hit[0] = 1;
  for (let minute = 0; minute < minutes; minute++) {
    const next = zeros(nodes);
    for (const [before, probability] of hit.entries()) {
      if (probability === 0) continue;
      for (const [count, share] of (fresh[before] ?? []).entries())
        add(next, before + count, probability * share);
    }
    hit = next;
  }
  return hit;
}

/** For each number of nodes hit before: the probabilities that a further minute hits 0, 1, … nodes not hit before. */
function freshAfter(perMinute: readonly number[], nodes: number): number[][] {
  const draws = new Hypergeometric(nodes);
  return Array.from({ length: nodes + 1 }, (_, before) => {
    const fresh: number[] = [];
    for (const [drawn, probability] of perMinute.entries()) {
      if (probability === 0) continue;
      for (const [count, share] of draws.probabilities(nodes - before, drawn).entries())
        if (share > 0) add(fresh, count, probability * share);
    }
    return Array.from(fresh, (share) => share ?? 0);
  });
}

function zeros(nodes: number): number[] {
  return Array.from({ length: nodes + 1 }, () => 0);
}

function add(counts: number[], at: number, probability: number): void {
  counts[at] = (counts[at] ?? 0) + probability;
}
