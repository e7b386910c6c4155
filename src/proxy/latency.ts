// How long chunk transfers lately took, by size, so that hedges adapt; and how many hedges may go out.

/** Samples kept per size class. */
const SAMPLES = 64;
/** After so many new ones the bound is computed anew: sorting for every GET took a seventh of the proxy's time. */
const SAMPLES_NEW = 8;
/** Without samples. */
const HEDGE_MS_UNKNOWN = 200;
const HEDGE_MS_MIN = 20;
const HEDGE_MS_MAX = 2_000;
/** A hedge per so many chunk requests: 5 %. */
const REQUESTS_PER_HEDGE = 20;
/** Hedges that may have been saved up. */
const HEDGES_SAVED_MAX = 24;

interface SizeClass {
  readonly samples: number[];
  next: number;
  hedgeMs: number;
}

/** Recent durations of chunk transfers, in classes by power of two of their bytes. */
export class TransferLatency {
  readonly #classes = new Map<number, SizeClass>();

  /** A whole chunk of so many bytes took so long. */
  note(bytes: number, ms: number): void {
    const name = classOf(bytes);
    let samples = this.#classes.get(name);
    if (samples === undefined) {
      samples = { samples: [], next: 0, hedgeMs: HEDGE_MS_UNKNOWN };
      this.#classes.set(name, samples);
    }
    samples.samples[samples.next] = ms;
    samples.next = (samples.next + 1) % SAMPLES;
    if (samples.next % SAMPLES_NEW === 0) samples.hedgeMs = boundOf(samples.samples);
  }

  /** After this long a chunk of so many bytes is late: twice what nine in ten needed. */
  hedgeAfterMs(bytes: number): number {
    return this.#classes.get(classOf(bytes))?.hedgeMs ?? HEDGE_MS_UNKNOWN;
  }
}

/** Keeps hedges below a share of all chunk requests. */
export class HedgeBudget {
  #saved = HEDGES_SAVED_MAX;

  /** A chunk was asked for in the ordinary way. */
  earn(): void {
    this.#saved = Math.min(HEDGES_SAVED_MAX, this.#saved + 1 / REQUESTS_PER_HEDGE);
  }

  /** Whether one more hedge may go out; it counts as gone. */
  spend(): boolean {
    if (this.#saved < 1) return false;
    this.#saved--;
    return true;
  }
}

function classOf(bytes: number): number {
  return Math.ceil(Math.log2(Math.max(1, bytes)));
}

function boundOf(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const ninth = sorted[Math.floor(sorted.length * 0.9)] ?? HEDGE_MS_UNKNOWN;
  return Math.min(HEDGE_MS_MAX, Math.max(HEDGE_MS_MIN, 2 * ninth));
}
