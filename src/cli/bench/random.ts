// Chance that can be repeated, for workloads: the same seed draws the same steps. Not for secrets.

import type { Random } from "../../core/ports.ts";

const WORD = 2 ** 32;

/** The generator sfc32 (Chris Doty-Humphrey), seeded by one number. */
export function seededRandom(seed: number): Random {
  let [a, b, c, counter] = [seed >>> 0, 0x9e3779b9, 0x243f6a88, 1];
  const u32 = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  // The first numbers still show the seed.
  for (let round = 0; round < 16; round++) u32();
  return { u32, below: (bound) => Math.floor((u32() / WORD) * bound) };
}
