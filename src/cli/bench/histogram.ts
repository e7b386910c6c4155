// A histogram of latencies in bounded memory: buckets that grow by about 1 %, so a percentile is off by at most
// that. Pure; merging and order of recording do not matter.

/** Buckets per doubling: 2^(1/72) is a step of 0.97 %. */
const STEPS_PER_DOUBLING = 72;
/** A microsecond; everything below counts as that. */
const SMALLEST_MS = 0.001;
/** Up to 2^36 microseconds, which is 19 hours; everything above counts as that. */
const DOUBLINGS = 36;

/** What one run's latencies look like, in milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Collects latencies. */
export class Histogram {
  readonly #counts = new Float64Array(DOUBLINGS * STEPS_PER_DOUBLING + 1);
  #count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  record(ms: number): void {
    const steps = Math.ceil(
      Math.log2(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) * STEPS_PER_DOUBLING,
    );
    const index = Math.min(this.#counts.length - 1, Math.max(0, steps));
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#count++;
    this.#sum += ms;
    this.#min = Math.min(this.#min, ms);
    this.#max = Math.max(this.#max, ms);
  }

  /** The latency that `share` (0 to 1) of all were not above; 0 when there are none. */
  percentile(share: number): number {
    if (this.#count === 0) return 0;
    const rank = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let index = 0; index < this.#counts.length; index++) {
      seen += this.#counts[index] ?? 0;
      if (seen < rank) continue;
      const upper = SMALLEST_MS * 2 ** (index / STEPS_PER_DOUBLING);
      // The ends are known exactly.
      return Math.min(Math.max(upper, this.#min), this.#max);
    }
    return this.#max;
  }

  summary(): LatencySummary {
    return {
      count: this.#count,
      min: this.#count === 0 ? 0 : this.#min,
      mean: this.#count === 0 ? 0 : this.#sum / this.#count,
      p50: this.percentile(0.5),
      p90: this.percentile(0.9),
      p99: this.percentile(0.99),
      p999: this.percentile(0.999),
      max: this.#max,
    };
  }
}
