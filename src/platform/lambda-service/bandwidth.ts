// How many bytes a second an instance may move, and the bucket that enforces it. Pure: the caller
// brings the time.

/** `flat`: 625 Mbps whatever the memory (today). `curve-2020`: grows with memory. A number: bytes/s. */
export type Bandwidth = "unlimited" | "flat" | "curve-2020" | number;

const FLAT_BYTES_PER_S = 78_000_000;

/**
 * Throughput by memory as of 2020: about 50 MB/s for the smallest functions to 160 MB/s for the
 * largest of that time (3,008 MB), read off the literature and joined by straight lines.
 */
const CURVE_2020: readonly (readonly [memoryMb: number, bytesPerS: number])[] = [
  [128, 50_000_000],
  [1024, 85_000_000],
  [3008, 160_000_000],
];

/** A bucket may save up this much time of its rate: short bursts pass, long transfers keep to the rate. */
const BURST_S = 0.05;
const BURST_BYTES_MIN = 64 * 1024;

/** Bytes per second for a function of this memory; Infinity when unlimited. */
export function bytesPerSecond(bandwidth: Bandwidth, memoryMb: number): number {
  if (typeof bandwidth === "number") return bandwidth;
  if (bandwidth === "unlimited") return Number.POSITIVE_INFINITY;
  if (bandwidth === "flat") return FLAT_BYTES_PER_S;
  let [belowMb, belowRate] = CURVE_2020[0] ?? [0, FLAT_BYTES_PER_S];
  for (const [mb, rate] of CURVE_2020) {
    if (memoryMb <= mb) {
      const share = mb === belowMb ? 1 : Math.max(0, (memoryMb - belowMb) / (mb - belowMb));
      return belowRate + share * (rate - belowRate);
    }
    [belowMb, belowRate] = [mb, rate];
  }
  return belowRate;
}

/** A token bucket that may go into debt: a part is sent whole, and the next waits until it is paid. */
export class ByteBucket {
  #bytesPerS: number;
  #balance: number;
  #atMs: number;

  constructor(rate: number, nowMs: number) {
    this.#bytesPerS = rate;
    this.#balance = burst(rate);
    this.#atMs = nowMs;
  }

  /** Changes the rate from now on. */
  setRate(rate: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#bytesPerS = rate;
    this.#balance = Math.min(this.#balance, burst(rate));
    if (rate === Number.POSITIVE_INFINITY) this.#balance = 0;
  }

  /** Takes `bytes` and returns how many milliseconds the next part must wait; 0 when it need not. */
  take(bytes: number, nowMs: number): number {
    if (this.#bytesPerS === Number.POSITIVE_INFINITY) return 0;
    this.#refill(nowMs);
    this.#balance -= bytes;
    return this.#balance >= 0 ? 0 : (-this.#balance / this.#bytesPerS) * 1000;
  }

  #refill(nowMs: number): void {
    if (this.#bytesPerS !== Number.POSITIVE_INFINITY) {
      const earned = ((nowMs - this.#atMs) / 1000) * this.#bytesPerS;
      this.#balance = Math.min(burst(this.#bytesPerS), this.#balance + earned);
    }
    this.#atMs = nowMs;
  }
}

function burst(rate: number): number {
  return rate === Number.POSITIVE_INFINITY ? 0 : Math.max(BURST_BYTES_MIN, rate * BURST_S);
}
