// What can be drawn by chance, given 32 bits of it at a time. Where those come from, seeded-random.ts says.

import type { Random } from "../core/ports.ts";

/** See the header. */
export abstract class Draws implements Random {
  abstract u32(): number;

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
