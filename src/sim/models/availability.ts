// The availability model of the paper (InfiniCache, FAST'20, section 4): how likely a stripe is lost when some of
// the pool's nodes are reclaimed in one interval, for an object of any number of stripes. It takes from elsewhere how
// many nodes are reclaimed (reclaim-counts.ts), and draws nothing.
//
// The interval is the time within which whatever was lost has been made good; what an interval takes does not add to
// what the one before took. Each stripe lies on d+p nodes drawn by itself, as src/core/placement.ts draws them.

import { type CodeSpec, chunkCount } from "../../core/code.ts";
import { Hypergeometric } from "./hypergeometric.ts";

/** What is exposed: an object of so many stripes in a pool of so many nodes. */
export interface Exposure {
  readonly nodes: number;
  readonly code: CodeSpec;
  readonly stripes: number;
}

/** One number of reclaimed nodes and what it does. */
export interface ReclaimRow {
  readonly reclaimed: number;
  /** p_d(r): that this many are reclaimed in an interval. */
  readonly probability: number;
  /** P_i: that i of a stripe's chunks are among them, for i from 0 to d+p. */
  readonly chunksLost: readonly number[];
  /** P(r): that a stripe is lost. */
  readonly stripeLoss: number;
  /** That an object is lost, and that it is not: each may be too near to 1 to tell the other. */
  readonly objectLoss: number;
  readonly objectSurvival: number;
  /** What this row adds to the object's loss per interval. */
  readonly share: number;
}

/** What the model says. */
export interface Availability {
  readonly rows: readonly ReclaimRow[];
  readonly lossPerInterval: number;
  readonly lossPerHour: number;
  readonly availabilityPerHour: number;
}

const HOUR_MS = 3_600_000;

/** `probabilities[r]` is that of r reclaimed nodes in an interval of `intervalMs`; rows of probability 0 are left out. */
export function availability(
  exposure: Exposure,
  probabilities: readonly number[],
  intervalMs: number,
): Availability {
  const rows = reclaimRows(exposure, probabilities);
  let [lossPerInterval, survival] = [0, 0];
  for (const { probability, share, objectSurvival } of rows) {
    lossPerInterval += share;
    survival += probability * objectSurvival;
  }
  lossPerInterval = Math.min(1, lossPerInterval);
  // From whichever of the two is small, and so was not rounded away.
  const ln = lossPerInterval < 0.5 ? Math.log1p(-lossPerInterval) : Math.log(survival);
  const lnPerHour = ln * (HOUR_MS / intervalMs);
  return {
    rows,
    lossPerInterval,
    lossPerHour: -Math.expm1(lnPerHour),
    availabilityPerHour: Math.exp(lnPerHour),
  };
}

/** The rows of all r that can occur. */
export function reclaimRows(exposure: Exposure, probabilities: readonly number[]): ReclaimRow[] {
  const { nodes, code, stripes } = exposure;
  const chunks = chunkCount(code);
  if (chunks > nodes) throw new RangeError("a stripe needs a node for each chunk");
  const draws = new Hypergeometric(nodes);
  return probabilities.flatMap((probability, reclaimed) => {
    if (probability === 0) return [];
    const chunksLost = draws.probabilities(reclaimed, chunks);
    // Both ends are added up, neither is 1 minus the other: it may be far smaller than the error of 1.
    const stripeLoss = Math.min(1, sumOf(chunksLost.slice(code.parityChunks + 1)));
    const stripeSurvival = Math.min(1, sumOf(chunksLost.slice(0, code.parityChunks + 1)));
    // Given which nodes are gone, the stripes are drawn independently; over all r they are not.
    const lnSurvival =
      stripes * (stripeLoss < 0.5 ? Math.log1p(-stripeLoss) : Math.log(stripeSurvival));
    const objectLoss = -Math.expm1(lnSurvival);
    const objectSurvival = Math.exp(lnSurvival);
    const share = probability * objectLoss;
    return [{ reclaimed, probability, chunksLost, stripeLoss, objectLoss, objectSurvival, share }];
  });
}

function sumOf(values: readonly number[]): number {
  return values.reduceRight((sum, each) => sum + each, 0);
}
