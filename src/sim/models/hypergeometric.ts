// The hypergeometric distribution by logarithms of factorials: exact to about twelve digits for populations of
// thousands, where the binomial coefficients themselves overflow. Arithmetic only; it knows no functions or chunks.

/** The distributions over one population; the factorials are added up once. */
export class Hypergeometric {
  readonly #population: number;
  /** ln k! for k = 0 … population. */
  readonly #lnFactorials: Float64Array;

  constructor(population: number) {
    if (!Number.isInteger(population) || population < 0)
      throw new RangeError("a population is a whole number from 0");
    this.#population = population;
    this.#lnFactorials = new Float64Array(population + 1);
    for (let k = 2; k <= population; k++) {
      this.#lnFactorials[k] = this.#lnFactorial(k - 1) + Math.log(k);
    }
  }

  /** The probabilities that 0, 1, … `drawn` of those drawn are marked. Symmetric in `marked` and `drawn`. */
  probabilities(marked: number, drawn: number): number[] {
    const population = this.#population;
    if (!isCount(marked, population) || !isCount(drawn, population))
      throw new RangeError(`marked and drawn are whole numbers from 0 to ${population}`);
    const all = this.#lnChoose(population, drawn);
    return Array.from({ length: drawn + 1 }, (_, hits) => {
      if (hits > marked || drawn - hits > population - marked) return 0;
      const ways = this.#lnChoose(marked, hits) + this.#lnChoose(population - marked, drawn - hits);
      return Math.exp(ways - all);
    });
  }

  #lnChoose(from: number, count: number): number {
    return this.#lnFactorial(from) - this.#lnFactorial(count) - this.#lnFactorial(from - count);
  }

  #lnFactorial(k: number): number {
    return this.#lnFactorials[k] ?? Number.NaN;
  }
}

function isCount(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}
