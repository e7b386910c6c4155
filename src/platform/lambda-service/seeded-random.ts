// A small seeded generator (sfc32) for the service's choices: the same seed makes the same choices in
// the same order. Never for secrets: tokens and request ids come from node:crypto.

import type { Random } from "../../core/ports.ts";

/** A generator whose whole future is the seed. */
export function seededRandom(seed: number): Random {
  let a = seed >>> 0;
  let b = 0x9e3779b9;
  let c = 0x243f6a88;
  let counter = 1;
  const u32 = (): number => {
    const sum = (((a + b) >>> 0) + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = (b ^ (b >>> 9)) >>> 0;
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + sum) >>> 0;
    return sum;
  };
  // The first outputs still show the seed; twelve rounds mix it through.
  for (let round = 0; round < 12; round++) u32();
  return { u32, below: (bound) => Math.floor((u32() / 2 ** 32) * bound) };
}

/** True with the given probability. */
export function chance(random: Random, probability: number): boolean {
  return random.u32() / 2 ** 32 < probability;
}

/** `count` distinct members in random order (all of them when there are fewer). */
export function sample<T>(random: Random, members: readonly T[], count: number): T[] {
  const pool = [...members];
  const taken: T[] = [];
  while (taken.length < count && pool.length > 0) {
    taken.push(...pool.splice(random.below(pool.length), 1));
  }
  return taken;
}
