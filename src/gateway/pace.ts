// Watches that a peer moves bytes at a minimum rate while we wait for it. Pure: it is told how long a wait was.
// Time in which we ourselves are not ready does not count against the peer.

/** The bytes a peer must move in every `windowMs` of waiting for it. */
export interface PaceLimit {
  readonly windowMs: number;
  readonly bytesMin: number;
}

/** About 8 KiB/s over half a minute: slower senders and readers would hold stripes and awake functions. */
export const BODY_PACE: PaceLimit = { windowMs: 30_000, bytesMin: 256 * 1_024 };

/** One direction of one connection. */
export class Pace {
  readonly #limit: PaceLimit;
  #waitedMs = 0;
  #movedBytes = 0;

  constructor(limit: PaceLimit) {
    this.#limit = limit;
  }

  /** How long the next wait may last before the peer is too slow. */
  get patienceMs(): number {
    return Math.max(1, this.#limit.windowMs - this.#waitedMs);
  }

  /** A wait of `ms` ended with `bytes` moved. */
  moved(bytes: number, ms: number): void {
    this.#waitedMs += ms;
    this.#movedBytes += bytes;
    if (this.#movedBytes < this.#limit.bytesMin) return;
    this.#movedBytes = 0;
    this.#waitedMs = 0;
  }
}
