// Where the chunks of a stripe go: distinct nodes with room, random among them, the emptier of two drawn.
// Pure: chance comes in, and nothing is reserved here.

import type { NodeIndex } from "./ids.ts";
import type { Random } from "./ports.ts";

/** A node that could take a chunk. */
export interface PlacementCandidate {
  readonly node: NodeIndex;
  readonly freeBytes: number;
}

/**
 * Chooses `count` distinct nodes among the candidates, each the one with more free bytes of two drawn at random
 * (power of two choices: nearly even fill at the price of one comparison). Null when there are too few.
 */
export function choosePlaces(
  candidates: readonly PlacementCandidate[],
  count: number,
  random: Random,
): NodeIndex[] | null {
  if (candidates.length < count) return null;
  const left = [...candidates];
  const chosen: NodeIndex[] = [];
  while (chosen.length < count) {
    const first = random.below(left.length);
    const second = random.below(left.length);
    const at = freeAt(left, first) >= freeAt(left, second) ? first : second;
    const taken = left[at];
    const last = left.pop();
    if (taken === undefined || last === undefined) return null;
    if (at < left.length) left[at] = last;
    chosen.push(taken.node);
  }
  return chosen;
}

function freeAt(candidates: readonly PlacementCandidate[], at: number): number {
  return candidates[at]?.freeBytes ?? 0;
}
