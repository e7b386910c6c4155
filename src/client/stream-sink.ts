// Where `getStream` puts stripes, and the reader's side of it: one or two stripe buffers from a pool, filled in
// order and handed out as views. A reader below the minimum rate is cut off. No promise here; see stream-body.ts.

import { CacheError } from "../core/errors.ts";
import { STRIPE_BYTES_JOINED_MAX } from "../core/limits.ts";
import type { Clock, Timer } from "../core/ports.ts";
import type { BufferPool, Lease } from "./buffer-pool.ts";
import type { FoundObject, GetSink } from "./get-contract.ts";

/** The longest view handed out: large enough to be cheap, small enough for a socket. */
export const VIEW_BYTES_MAX = 1_024 * 1_024;
/** A reader is judged over spans of this length. */
export const SLOW_READER_MS = 30_000;
/** Below this rate a reader holds functions awake for too little. */
export const READ_BYTES_PER_SECOND_MIN_DEFAULT = 64 * 1_024;

interface Slot {
  readonly lease: Lease;
  status: "free" | "receiving" | "ready" | "reading";
  stripe: number;
  bytes: number;
}

/** What a reader gets: a view, the end, or nothing yet. */
export type Taken =
  | { readonly kind: "view"; readonly bytes: Uint8Array }
  | { readonly kind: "end" }
  | { readonly kind: "wait" };

/** What the sink needs of its surroundings. */
export interface StreamSinkOptions {
  readonly pool: BufferPool;
  readonly clock: Clock;
  readonly readBytesPerSecondMin: number;
  /** The most bytes a stripe's part of the result can have: the range, when there is one. */
  readonly bytesMax: number;
  /** Called when the first stripe is held, or the result is known to be empty. */
  readonly onHit: (found: FoundObject) => void;
  /** Called when `take` may answer more than before. */
  readonly onReady: () => void;
  /** There is room for another stripe. */
  readonly onRoom: () => void;
  readonly onSlow: (error: CacheError) => void;
}

/** See the header. */
export class StreamSink implements GetSink {
  readonly #options: StreamSinkOptions;
  readonly #slots: Slot[] = [];
  #withdraw: (() => void) | null = null;
  #found: FoundObject | null = null;
  #hasHit = false;
  #hasLeft = false;
  #isDrained = false;
  #nextStripe = 0;
  #offset = 0;
  #takenBytes = 0;
  #reading: Slot | null = null;
  #slowTimer: Timer | null = null;
  #spanTakenBytes = 0;
  #spanWaitedMs = 0;
  #waitsSince: number | null = null;

  constructor(options: StreamSinkOptions) {
    this.#options = options;
  }

  get canRestart(): boolean {
    return !this.#hasHit;
  }

  prepare(ready: () => void): void {
    if (this.#slots.length > 0) return ready();
    this.#withdraw?.();
    const bytes = Math.max(1, Math.min(STRIPE_BYTES_JOINED_MAX, this.#options.bytesMax));
    this.#withdraw = this.#options.pool.acquire(bytes, (lease) => {
      if (this.#isDrained) return lease.release();
      this.#slots.push({ lease, status: "free", stripe: 0, bytes: 0 });
      ready();
    });
  }

  open(found: FoundObject): unknown {
    const isFirst = this.#found === null;
    this.#found = found;
    this.#nextStripe = found.message.firstStripe;
    const { stripeCount, stripeBytes, lastStripeBytes } = found.layout;
    const wantedBytes = found.end - found.start;
    const bytes = Math.min(
      wantedBytes,
      stripeCount > 1 ? Math.max(stripeBytes, lastStripeBytes) : lastStripeBytes,
    );
    const slot = this.#slots[0];
    if (slot === undefined || bytes > slot.lease.bytes) {
      return new CacheError(
        "ICACHE_UNREACHABLE",
        "the connection was lost and the object has changed since",
      );
    }
    for (const each of this.#slots) each.status = "free";
    if (isFirst) {
      slot.lease.shrink(bytes);
      // A second buffer lets the next stripe come while this one is read; it is never waited for.
      const second = wantedBytes > bytes ? this.#options.pool.tryAcquire(bytes) : null;
      if (second !== null) this.#slots.push({ lease: second, status: "free", stripe: 0, bytes: 0 });
    }
    if (wantedBytes === 0) this.#hit(found);
    return null;
  }

  target(stripe: number, _offset: number, bytes: number): Uint8Array | null {
    const slot = this.#slots.find(({ status }) => status === "free");
    if (slot === undefined || this.#hasLeft || slot.lease.bytes < bytes) return null;
    slot.status = "receiving";
    slot.stripe = stripe;
    slot.bytes = bytes;
    return slot.lease.memory().subarray(0, bytes);
  }

  complete(stripe: number): void {
    const slot = this.#slots.find((each) => each.status === "receiving" && each.stripe === stripe);
    if (slot === undefined || this.#found === null) return;
    slot.status = "ready";
    if (this.#hasLeft) return;
    if (stripe === this.#nextStripe && !this.#hasHit) this.#hit(this.#found);
    this.#stopWaiting();
    this.#options.onReady();
  }

  release(): void {
    this.#isDrained = true;
    this.#withdraw?.();
    for (const slot of this.#slots)
      if (slot.status === "receiving" || slot.status === "free") slot.lease.release();
    const kept = this.#slots.filter(({ status }) => status === "ready" || status === "reading");
    this.#slots.splice(0, this.#slots.length, ...kept);
  }

  /** The next view; the one before is the sink's again. */
  take(): Taken {
    const found = this.#found;
    if (found === null || this.#takenBytes === found.end - found.start) {
      this.#endReading();
      return found === null ? { kind: "wait" } : { kind: "end" };
    }
    if (this.#reading !== null && this.#offset === this.#reading.bytes) {
      this.#endReading();
      this.#options.onRoom();
    }
    this.#reading ??= this.#beginReading();
    const slot = this.#reading;
    if (slot === null) {
      this.#waitsSince ??= this.#options.clock.now();
      return { kind: "wait" };
    }
    const bytes = Math.min(VIEW_BYTES_MAX, slot.bytes - this.#offset);
    const view = slot.lease.memory().subarray(this.#offset, this.#offset + bytes);
    this.#offset += bytes;
    this.#takenBytes += bytes;
    this.#spanTakenBytes += bytes;
    return { kind: "view", bytes: view };
  }

  /** The reader has left, or was cut off; `mayStillLook`: it may hold the last view. */
  leave(mayStillLook: boolean): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#slowTimer?.cancel();
    for (const slot of this.#slots) {
      if (slot.status === "reading" && mayStillLook) slot.lease.discard();
      else if (slot.status === "ready" || slot.status === "reading") slot.lease.release();
    }
    const kept = this.#slots.filter(({ status }) => status === "free" || status === "receiving");
    this.#slots.splice(0, this.#slots.length, ...kept);
    if (!this.#isDrained) return;
    for (const slot of this.#slots) slot.lease.release();
    this.#slots.length = 0;
  }

  #beginReading(): Slot | null {
    const slot = this.#slots.find(
      ({ status, stripe }) => status === "ready" && stripe === this.#nextStripe,
    );
    if (slot === undefined) return null;
    slot.status = "reading";
    this.#offset = 0;
    return slot;
  }

  #endReading(): void {
    const slot = this.#reading;
    if (slot === null) return;
    this.#reading = null;
    this.#nextStripe += 1;
    slot.status = "free";
    if (!this.#isDrained) return;
    slot.lease.release();
    this.#slots.splice(this.#slots.indexOf(slot), 1);
  }

  #hit(found: FoundObject): void {
    this.#hasHit = true;
    this.#judgeLater();
    this.#options.onHit(found);
  }

  #stopWaiting(): void {
    if (this.#waitsSince === null) return;
    this.#spanWaitedMs += this.#options.clock.now() - this.#waitsSince;
    this.#waitsSince = null;
  }

  #judgeLater(): void {
    this.#slowTimer = this.#options.clock.setTimer(SLOW_READER_MS, () => {
      if (this.#waitsSince !== null) {
        this.#stopWaiting();
        this.#waitsSince = this.#options.clock.now();
      }
      // One view more is allowed for: it may have been taken just before the span began.
      const heldSeconds = Math.max(0, SLOW_READER_MS - this.#spanWaitedMs) / 1_000;
      const rate = this.#options.readBytesPerSecondMin;
      const isSlow =
        this.#spanTakenBytes === 0
          ? heldSeconds * 2_000 > SLOW_READER_MS
          : this.#spanTakenBytes + VIEW_BYTES_MAX < heldSeconds * rate;
      this.#spanTakenBytes = 0;
      this.#spanWaitedMs = 0;
      if (!isSlow) return this.#judgeLater();
      this.#options.onSlow(
        new CacheError(
          "ICACHE_SLOW_READER",
          `the stream was read at less than ${rate} bytes per second`,
        ),
      );
    });
  }
}
