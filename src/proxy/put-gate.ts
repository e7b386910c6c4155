// The gate that bounds how many PUTs are under way at once, and with them the memory of parts on their way. One whose
// client sends next to nothing has none on its way: while others wait it steps aside, and goes on there.

import type { Clock, Timer } from "../core/ports.ts";

/** A place among the PUTs that may be under way, held or waited for. */
export interface PutSlot {
  /** Gives it up, whether it was got or not. */
  release(): void;
}

/** A PUT, as the gate looks at it. */
export interface GatedPut {
  readonly chunks: number;
  /** Bytes that have come from its client so far. */
  readonly receivedBytes: number;
  /** Bytes of parts that are here and wait for their functions. */
  readonly heldBytes: number;
  /** It is admitted. */
  onAdmitted(): void;
}

/** Chunks that may be on their way into the pool at once: each may keep a credit's worth of memory here. */
const CHUNKS_ADMITTED_MAX = 192;
/** Chunks of slow PUTs beside them: all of them may turn fast at once, with 128 KiB unasked each. */
const CHUNKS_ASIDE_MAX = 1_024;
/** PUTs that may wait for admission. */
const PUTS_WAITING_MAX = 10_000;
/** How long one must wait before the others are looked at, and how often that is done then. */
const LOOK_MS = 1_000;
/** Who has received less since the last look is slow, unless it is the functions that are. */
const SLOW_BYTES = 1_024 * 1_024;

/** Admits PUTs in the order of their coming, as long as the chunks of their stripes fit. */
export class PutGate {
  readonly #clock: Clock;
  readonly #waiting = new Set<GatedPut>();
  /** With what each had received at the last look; null: there was none yet. */
  readonly #admitted = new Map<GatedPut, number | null>();
  readonly #aside = new Set<GatedPut>();
  #admittedChunks = 0;
  #asideChunks = 0;
  #look: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False when too many wait already. */
  get hasRoomToWait(): boolean {
    return this.#waiting.size < PUTS_WAITING_MAX;
  }

  /** `onAdmitted` is called in this call or in a later one, unless the slot is released first. */
  admit(put: GatedPut): PutSlot {
    this.#waiting.add(put);
    this.#pump();
    return {
      release: (): void => {
        if (this.#admitted.delete(put)) this.#admittedChunks -= weightOf(put);
        if (this.#aside.delete(put)) this.#asideChunks -= weightOf(put);
        this.#waiting.delete(put);
        this.#pump();
      },
    };
  }

  #pump(): void {
    for (const put of this.#waiting) {
      if (this.#admittedChunks + weightOf(put) > CHUNKS_ADMITTED_MAX) break;
      this.#waiting.delete(put);
      this.#admitted.set(put, null);
      this.#admittedChunks += weightOf(put);
      put.onAdmitted();
    }
    if (this.#waiting.size > 0) this.#look ??= this.#clock.setTimer(LOOK_MS, () => this.#onLook());
    else this.#endLooking();
  }

  /** Nobody waits: what was seen of the others says nothing about a later second. */
  #endLooking(): void {
    this.#look?.cancel();
    this.#look = null;
    for (const put of this.#admitted.keys()) this.#admitted.set(put, null);
  }

  #onLook(): void {
    this.#look = null;
    for (const [put, seenBytes] of this.#admitted) {
      this.#admitted.set(put, put.receivedBytes);
      const isSlow = seenBytes !== null && put.receivedBytes - seenBytes < SLOW_BYTES;
      if (isSlow && put.heldBytes === 0) this.#setAside(put);
    }
    this.#pump();
  }

  #setAside(put: GatedPut): void {
    if (this.#asideChunks + weightOf(put) > CHUNKS_ASIDE_MAX) return;
    this.#admitted.delete(put);
    this.#admittedChunks -= weightOf(put);
    this.#aside.add(put);
    this.#asideChunks += weightOf(put);
  }
}

/** A code wider than the gate counts as all of it, so that it passes alone. */
function weightOf({ chunks }: GatedPut): number {
  return Math.min(chunks, CHUNKS_ADMITTED_MAX);
}
