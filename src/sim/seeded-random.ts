// Chance from one seed (sfc32): the same seed makes the same choices in the same order, on every machine. Parts of
// the world get generators of their own by name, so that a choice more in one does not change the others. Not for secrets.

import type { Clock } from "../core/ports.ts";
import { Draws } from "./draws.ts";

/** See the header. */
export class SeededRandom extends Draws {
  readonly #seed: number;
  #a: number;
  #b = 0x9e3779b9;
  #c = 0x243f6a88;
  #counter = 1;

  constructor(seed: number) {
    super();
    this.#seed = seed >>> 0;
    this.#a = seed >>> 0;
    // The first outputs still show the seed; twelve rounds mix it through.
    for (let round = 0; round < 12; round++) this.u32();
  }

  /** A generator of its own for a part of the world; drawing from it changes nothing here. */
  fork(name: string): SeededRandom {
    return new SeededRandom(seedOf(this.#seed, name));
  }

  /** One whose choices depend on when they are made, and not on how many were made before. */
  timed(name: string, clock: Clock): TimedRandom {
    return new TimedRandom(seedOf(this.#seed, name), clock);
  }

  u32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}

/** See `timed`: leaving something out of a run changes only what follows from it, as long as times stay the same. */
export class TimedRandom extends Draws {
  readonly #seed: number;
  readonly #clock: Clock;
  #at = -1;
  #drawn = 0;

  constructor(seed: number, clock: Clock) {
    super();
    this.#seed = seed >>> 0;
    this.#clock = clock;
  }

  u32(): number {
    const now = this.#clock.now();
    this.#drawn = now === this.#at ? this.#drawn + 1 : 0;
    this.#at = now;
    // The clock goes in steps of 1/1024 ms, so that this is a whole number.
    const step = now * 1_024;
    let hash =
      this.#seed ^ Math.imul(step >>> 0, 0x9e3779b1) ^ Math.imul(step / 2 ** 32, 0x7feb352d);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) + Math.imul(this.#drawn + 1, 0x27d4eb2f);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    hash = Math.imul(hash ^ (hash >>> 13), 0x846ca68b);
    return (hash ^ (hash >>> 16)) >>> 0;
  }
}

function seedOf(seed: number, name: string): number {
  let hash = (seed ^ 0x811c9dc5) >>> 0;
  for (let at = 0; at < name.length; at++)
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
  return hash ^ Math.imul(seed, 0x85ebca6b);
}
