// Draws ranks by Zipf's law with exponent 0.99, as YCSB does (Gray et al., "Quickly generating billion-record
// synthetic databases", SIGMOD 1994). Pure; setting up takes one pass over the ranks.

const EXPONENT = 0.99;

/** Ranks from 0, the most popular first. */
export class ZipfSampler {
  readonly #count: number;
  readonly #zeta: number;
  readonly #alpha = 1 / (1 - EXPONENT);
  readonly #eta: number;

  constructor(count: number) {
    this.#count = count;
    this.#zeta = zeta(count);
    this.#eta = (1 - (2 / count) ** (1 - EXPONENT)) / (1 - zeta(Math.min(2, count)) / this.#zeta);
  }

  /** The rank for a uniform number in [0, 1). */
  sample(uniform: number): number {
    const scaled = uniform * this.#zeta;
    if (scaled < 1 || this.#count === 1) return 0;
    if (scaled < 1 + 0.5 ** EXPONENT || this.#count === 2) return 1;
    const rank = Math.floor(this.#count * (this.#eta * uniform - this.#eta + 1) ** this.#alpha);
    return Math.min(rank, this.#count - 1);
  }
}

function zeta(count: number): number {
  let sum = 0;
  for (let rank = 1; rank <= count; rank++) sum += rank ** -EXPONENT;
  return sum;
}
