// Where the stripes of a PUT come from: a buffer of the caller, or a stream that is gathered in pooled memory.
// Synchronous: the shell writes what its stream yields and is told when there is room. It never knows of chunks.

import { CacheError } from "../core/errors.ts";
import {
  layoutOf,
  layoutOfStripes,
  type ObjectLayout,
  stripeLength,
  stripeOffset,
} from "../core/layout.ts";
import {
  STRIPE_BYTES_JOINED_MAX,
  STRIPE_BYTES_MAX,
  STRIPE_TAIL_BYTES_MIN,
  STRIPES_PER_OBJECT_MAX,
} from "../core/limits.ts";
import type { BufferPool, Lease } from "./buffer-pool.ts";

/** A stream of unknown length is gathered in plain memory up to here, so that small ones do not wait for stripe buffers. */
const UNPOOLED_BYTES_MAX = 256 * 1_024;
const UNPOOLED_BYTES_FIRST = 16 * 1_024;

/** The stripes of one body, in order. */
export interface StripeSource {
  /** Bytes of the whole body when that is known, `large` when it is more than a stripe, null when neither is known yet. */
  readonly size: number | "large" | null;
  /** Known when every stripe was taken and `take` said `end`. */
  readonly layout: ObjectLayout | null;
  /** True when the body can be read again from its start. */
  readonly isRewindable: boolean;
  /** The next stripe; null when there is none yet. It stays valid until given back. */
  take(): Uint8Array | "end" | null;
  /** A stripe is needed no longer. */
  giveBack(stripe: Uint8Array): void;
  rewind(): void;
  /** Tells the PUT that `size` or `take` may answer more than before, or that the source has failed. */
  listen(changed: () => void, failed: (error: unknown) => void): void;
  /** Frees everything; nothing is used any more. */
  close(): void;
}

/** A body that lies in the caller's memory; stripes are views of it. */
export class BufferSource implements StripeSource {
  readonly size: number;
  readonly layout: ObjectLayout;
  readonly isRewindable = true;
  readonly #bytes: Uint8Array;
  #next = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.size = bytes.length;
    this.layout = layoutOf(bytes.length);
  }

  take(): Uint8Array | "end" {
    if (this.#next === this.layout.stripeCount) return "end";
    const offset = stripeOffset(this.layout, this.#next);
    const length = stripeLength(this.layout, this.#next);
    this.#next += 1;
    return this.#bytes.subarray(offset, offset + length);
  }

  giveBack(): void {}

  rewind(): void {
    this.#next = 0;
  }

  listen(): void {}

  close(): void {}
}

/** One stripe's worth of memory: half of the stream's lease. */
interface Slot {
  readonly memory: Uint8Array;
  filledBytes: number;
}

/**
 * A body that comes piece by piece. Two stripes of memory serve any length: one travels while the other is
 * filled. With a length unknown beforehand a full stripe is held back until the next has a quarter, since a
 * shorter tail is joined to it. Both are asked for as one, so that nobody waits for a second while holding one.
 */
export class StreamSource implements StripeSource {
  readonly isRewindable = false;
  readonly #pool: BufferPool;
  readonly #plan: ObjectLayout | null;
  #small: Uint8Array = new Uint8Array(0);
  #smallBytes = 0;
  #lease: Lease | null = null;
  #withdraw: (() => void) | null = null;
  readonly #free: Slot[] = [];
  #filling: Slot | null = null;
  #held: Slot | null = null;
  readonly #ready: Uint8Array[] = [];
  readonly #slotOf = new Map<Uint8Array, Slot>();
  #readyCount = 0;
  #lastBytes = 0;
  #totalBytes = 0;
  #hasEnded = false;
  #isClosed = false;
  #layout: ObjectLayout | null = null;
  #changed: () => void = () => {};
  #failed: (error: unknown) => void = () => {};
  #roomWanted: (() => void) | null = null;

  /** `length`: how many bytes there will be, when known; a body of another length fails. */
  constructor(pool: BufferPool, length: number | null) {
    this.#pool = pool;
    this.#plan = length === null ? null : layoutOf(length);
  }

  get size(): number | "large" | null {
    // Not before there is a stripe to send: a slow source holds no place at the proxy.
    if (this.#hasEnded) return this.#totalBytes;
    if (this.#readyCount === 0) return null;
    return this.#plan?.bytes ?? "large";
  }

  get layout(): ObjectLayout | null {
    return this.#layout;
  }

  listen(changed: () => void, failed: (error: unknown) => void): void {
    this.#changed = changed;
    this.#failed = failed;
  }

  /** Copies as much of `part` as there is room for and says how much; after less than all, call `whenRoom`. */
  write(part: Uint8Array): number {
    if (this.#isClosed) return part.length;
    if (this.#plan !== null && this.#totalBytes + part.length > this.#plan.bytes) {
      this.fail(
        new CacheError(
          "ICACHE_INVALID",
          `the body is longer than the ${this.#plan.bytes} bytes announced`,
        ),
      );
      return part.length;
    }
    let written = 0;
    while (written < part.length) {
      const count = this.#writeSome(part.subarray(written));
      if (count === 0) break;
      written += count;
      this.#totalBytes += count;
    }
    return written;
  }

  /** Calls back when `write` can go on, possibly within this call; also when the source was closed. */
  whenRoom(act: () => void): void {
    if (this.#isClosed || this.#hasRoom()) return act();
    this.#roomWanted = act;
  }

  /** Lets a writer that waits go on: the PUT has ended. */
  wake(): void {
    const act = this.#roomWanted;
    this.#roomWanted = null;
    act?.();
  }

  /** The body has come whole. */
  end(): void {
    if (this.#isClosed) return;
    const plan = this.#plan;
    if (plan !== null && this.#totalBytes !== plan.bytes) {
      return this.fail(
        new CacheError(
          "ICACHE_INVALID",
          `the body has ${this.#totalBytes} bytes, announced were ${plan.bytes}`,
        ),
      );
    }
    this.#hasEnded = true;
    if (plan === null) this.#endUnplanned();
    this.#changed();
  }

  /** The body will not come whole. */
  fail(error: unknown): void {
    if (!this.#isClosed) this.#failed(error);
  }

  take(): Uint8Array | "end" | null {
    const stripe = this.#ready.shift();
    if (stripe !== undefined) return stripe;
    if (!this.#hasEnded) return null;
    this.#layout = this.#plan ?? this.#layoutSeen();
    return "end";
  }

  giveBack(stripe: Uint8Array): void {
    const slot = this.#slotOf.get(stripe);
    this.#slotOf.delete(stripe);
    if (slot === undefined) return;
    slot.filledBytes = 0;
    this.#free.push(slot);
    this.#wakeWriter();
  }

  rewind(): void {}

  close(): void {
    this.#isClosed = true;
    this.#withdraw?.();
    this.#lease?.release();
    this.#lease = null;
    this.#ready.length = 0;
    this.#wakeWriter();
  }

  #writeSome(part: Uint8Array): number {
    if (this.#lease === null) return this.#writeUnpooled(part);
    this.#filling ??= this.#free.shift() ?? null;
    const slot = this.#filling;
    if (slot === null) return 0;
    const target =
      this.#plan === null ? STRIPE_BYTES_MAX : stripeLength(this.#plan, this.#readyCount);
    const count = Math.min(part.length, target - slot.filledBytes);
    slot.memory.set(part.subarray(0, count), slot.filledBytes);
    slot.filledBytes += count;
    if (this.#held !== null && slot.filledBytes >= STRIPE_TAIL_BYTES_MIN) this.#releaseHeld();
    if (slot.filledBytes === target) {
      this.#filling = null;
      if (this.#plan === null) this.#held = slot;
      else this.#offer(slot);
    }
    return count;
  }

  /** The beginning of a stream of unknown length, or any stream while it has no lease yet. */
  #writeUnpooled(part: Uint8Array): number {
    if (this.#plan !== null) {
      const slots = this.#plan.stripeCount > 1 ? 2 : 1;
      this.#askForSlots(slots, this.#plan.stripeBytes);
      return this.#lease === null ? 0 : this.#writeSome(part);
    }
    const room = UNPOOLED_BYTES_MAX - this.#smallBytes;
    if (room === 0) {
      this.#askForSlots(2, STRIPE_BYTES_JOINED_MAX);
      return this.#lease === null ? 0 : this.#writeSome(part);
    }
    const count = Math.min(room, part.length);
    const needed = this.#smallBytes + count;
    if (needed > this.#small.length) {
      const grown = new Uint8Array(
        Math.min(
          UNPOOLED_BYTES_MAX,
          Math.max(needed, 2 * this.#small.length, UNPOOLED_BYTES_FIRST),
        ),
      );
      grown.set(this.#small.subarray(0, this.#smallBytes));
      this.#small = grown;
    }
    this.#small.set(part.subarray(0, count), this.#smallBytes);
    this.#smallBytes = needed;
    return count;
  }

  #askForSlots(count: number, slotBytes: number): void {
    if (this.#withdraw !== null) return;
    this.#withdraw = () => {};
    this.#withdraw = this.#pool.acquire(count * slotBytes, (lease) => {
      if (this.#isClosed) return lease.release();
      this.#lease = lease;
      const memory = lease.memory();
      for (let i = 0; i < count; i++) {
        this.#free.push({
          memory: memory.subarray(i * slotBytes, (i + 1) * slotBytes),
          filledBytes: 0,
        });
      }
      this.#moveSmall();
      this.#wakeWriter();
    });
  }

  #moveSmall(): void {
    if (this.#smallBytes === 0) return;
    this.#filling = this.#free.shift() ?? null;
    this.#filling?.memory.set(this.#small.subarray(0, this.#smallBytes));
    if (this.#filling !== null) this.#filling.filledBytes = this.#smallBytes;
    this.#small = new Uint8Array(0);
    this.#smallBytes = 0;
  }

  #hasRoom(): boolean {
    return this.#lease !== null && (this.#filling !== null || this.#free.length > 0);
  }

  #wakeWriter(): void {
    const act = this.#roomWanted;
    if (act === null || !(this.#isClosed || this.#hasRoom())) return;
    this.#roomWanted = null;
    act();
  }

  #releaseHeld(): void {
    const held = this.#held;
    this.#held = null;
    if (held !== null) this.#offer(held);
  }

  #offer(slot: Slot): void {
    const stripe = slot.memory.subarray(0, slot.filledBytes);
    this.#slotOf.set(stripe, slot);
    this.#push(stripe);
  }

  #push(stripe: Uint8Array): void {
    if (this.#readyCount === STRIPES_PER_OBJECT_MAX) {
      return this.fail(
        new CacheError(
          "ICACHE_TOO_LARGE",
          `a stream may have ${STRIPES_PER_OBJECT_MAX} stripes of 32 MiB at most`,
        ),
      );
    }
    this.#readyCount += 1;
    this.#lastBytes = stripe.length;
    this.#ready.push(stripe);
    this.#changed();
  }

  #endUnplanned(): void {
    const tail = this.#filling;
    this.#filling = null;
    if (this.#held !== null && tail !== null && tail.filledBytes < STRIPE_TAIL_BYTES_MIN) {
      this.#held.memory.set(tail.memory.subarray(0, tail.filledBytes), this.#held.filledBytes);
      this.#held.filledBytes += tail.filledBytes;
      this.#releaseHeld();
      return;
    }
    this.#releaseHeld();
    if (tail !== null && tail.filledBytes > 0) this.#offer(tail);
    else if (this.#smallBytes > 0) this.#push(this.#small.subarray(0, this.#smallBytes));
  }

  #layoutSeen(): ObjectLayout {
    const stripeBytes = this.#readyCount === 1 ? this.#lastBytes : STRIPE_BYTES_MAX;
    return this.#readyCount === 0
      ? layoutOf(0)
      : layoutOfStripes(this.#readyCount, stripeBytes, this.#lastBytes);
  }
}
