// Chance from the engine's generator: fast, unseeded, and never for secrets (NodeCrypto is).

import type { Random } from "../core/ports.ts";

const WORD = 2 ** 32;

/** The machine's chance. */
export class SystemRandom implements Random {
  u32(): number {
    return Math.floor(Math.random() * WORD);
  }

  /** The generator has 52 bits, so the bias of scaling is below 2^-20 for every bound. */
  below(bound: number): number {
    return Math.floor(Math.random() * bound);
  }
}
