// Chance from one seed (sfc32): the same seed makes the same choices in the same order, on every machine. Parts of
// the world get generators of their own by name, so that a choice more in one does not change the others. Not for secrets.

import type { Random } from "../core/ports.ts";

/** See the header. */
export class SeededRandom implements Random {
  readonly #seed: number;
  #a: number;
  #b = 0x9e3779b9;
  #c = 0x243f6a88;
  #counter = 1;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#a = seed >>> 0;
    // The first outputs still show the seed; twelve rounds mix it through.
    for (let round = 0; round < 12; round++) this.u32();
  }

  /** A generator of its own for a part of the world; drawing from it changes nothing here. */
  fork(name: string): SeededRandom {
    let hash = (this.#seed ^ 0x811c9dc5) >>> 0;
    for (let at = 0; at < name.length; at++) {
      hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
    }
    return new SeededRandom(hash ^ Math.imul(this.#seed, 0x85ebca6b));
  }

  u32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  below(bound: number): number {
    return Math.floor((this.u32() / 2 ** 32) * bound);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.u32() / 2 ** 32 < probability;
  }

  /** Uniform in [from, to), with fractions. */
  between(from: number, to: number): number {
    return from + (this.u32() / 2 ** 32) * (to - from);
  }

  /** The time until the next event of a Poisson process with this mean. */
  exponential(mean: number): number {
    return -mean * Math.log((this.u32() + 1) / 2 ** 32);
  }

  /** One member; the list is not empty. */
  pick<Member>(members: readonly Member[]): Member {
    const member = members[this.below(members.length)];
    if (member === undefined) throw new RangeError("nothing to pick from");
    return member;
  }
}
