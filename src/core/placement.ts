// Where the chunks of a stripe go: distinct nodes with room, random among them, the emptier of two drawn; where that is
// wished, those that need not be woken first.
// Pure: chance comes in, and nothing is reserved here.

import type { NodeIndex } from "./ids.ts";
import type { Random } from "./ports.ts";

/** Whether the stripes of one object go to nodes of their own while there are such, or all to the nodes of the first. */
export type Spread = "wide" | "narrow";

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

/**
 * The same where some candidates are preferred: as many of those as there are, the rest among the others. A preferred
 * one with `slackBytes` less room than the emptiest of all is no better than the others, so that preference never fills
 * few nodes while many are empty.
 */
export function choosePreferred(
  candidates: readonly PlacementCandidate[],
  count: number,
  isPreferred: (node: NodeIndex) => boolean,
  slackBytes: number,
  random: Random,
): NodeIndex[] | null {
  if (candidates.length < count) return null;
  const emptiest = candidates.reduce((most, { freeBytes }) => Math.max(most, freeBytes), 0);
  const [preferred, others]: [PlacementCandidate[], PlacementCandidate[]] = [[], []];
  for (const candidate of candidates) {
    const isFirst = isPreferred(candidate.node) && candidate.freeBytes + slackBytes >= emptiest;
    (isFirst ? preferred : others).push(candidate);
  }
  const first = Math.min(count, preferred.length);
  const chosen = [
    choosePlaces(preferred, first, random),
    choosePlaces(others, count - first, random),
  ];
  return chosen.includes(null) ? null : chosen.flatMap((nodes) => nodes ?? []);
}

function freeAt(candidates: readonly PlacementCandidate[], at: number): number {
  return candidates[at]?.freeBytes ?? 0;
}
