// Memory that is used again: stripe buffers of streams, parity, scratch space of reads. A pool has a
// byte maximum; whoever waits for memory waits holding none of the same pool, so nobody waits for ever.
// It never zeroes memory and never hands one buffer to two holders.

import { assert } from "../core/assert.ts";

/** Below this, memory is made fresh: keeping it would cost more than it saves. */
const KEPT_BYTES_MIN = 64 * 1_024;

/** A piece of memory on loan; give it back exactly once. */
export interface Lease {
  /** What counts against the pool. */
  readonly bytes: number;
  /** The memory, `bytes` long; its contents are whatever was there. Made at the first call. */
  memory(): Uint8Array;
  /** Gives back what is not needed after all; only before `memory` was called. */
  shrink(bytes: number): void;
  /** Nothing may touch the memory after this. */
  release(): void;
  /** Like `release`, where somebody may still look at the memory: it is not used again. */
  discard(): void;
}

interface Waiter {
  readonly bytes: number;
  readonly granted: (lease: Lease) => void;
}

/** A pool of at most `bytesMax` bytes on loan; up to half of that is kept for later when it comes back. */
export class BufferPool {
  readonly bytesMax: number;
  readonly #allocate: (bytes: number) => Uint8Array;
  readonly #waiting: Waiter[] = [];
  readonly #kept = new Map<number, Uint8Array[]>();
  #keptBytes = 0;
  #usedBytes = 0;

  constructor(bytesMax: number, allocate: (bytes: number) => Uint8Array) {
    this.bytesMax = bytesMax;
    this.#allocate = allocate;
  }

  /** Bytes on loan now. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /**
   * Calls `granted` once there is room, in the order of asking, possibly within this call; what is
   * larger than the whole pool is granted when nothing else is on loan. The answer cancels the wish.
   */
  acquire(bytes: number, granted: (lease: Lease) => void): () => void {
    const waiter = { bytes, granted };
    this.#waiting.push(waiter);
    this.#serve();
    return () => {
      const at = this.#waiting.indexOf(waiter);
      if (at >= 0) this.#waiting.splice(at, 1);
      this.#serve();
    };
  }

  /** Memory if there is room now and nobody is waiting, else null. */
  tryAcquire(bytes: number): Lease | null {
    return this.#waiting.length === 0 && this.#hasRoom(bytes) ? this.take(bytes) : null;
  }

  /** Memory at once, beyond the maximum if need be: for what is bounded otherwise, such as scratch of reads under way. */
  take(bytes: number): Lease {
    this.#usedBytes += bytes;
    return new PooledLease(
      bytes,
      (lease, returned) => this.#giveBack(lease, returned),
      (size) => this.#make(size),
    );
  }

  #hasRoom(bytes: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + bytes <= this.bytesMax;
  }

  #serve(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || !this.#hasRoom(next.bytes)) return;
      this.#waiting.shift();
      next.granted(this.take(next.bytes));
    }
  }

  #make(bytes: number): Uint8Array {
    if (bytes < KEPT_BYTES_MIN) return this.#allocate(bytes);
    const size = sizeClass(bytes);
    const kept = this.#kept.get(size)?.pop();
    if (kept === undefined) return this.#allocate(size);
    this.#keptBytes -= size;
    return kept;
  }

  #giveBack(bytes: number, memory: Uint8Array | null): void {
    this.#usedBytes -= bytes;
    const isWorthKeeping =
      memory !== null &&
      memory.length >= KEPT_BYTES_MIN &&
      memory.length === sizeClass(memory.length);
    if (isWorthKeeping && this.#keptBytes + memory.length <= this.bytesMax / 2) {
      const shelf = this.#kept.get(memory.length);
      if (shelf === undefined) this.#kept.set(memory.length, [memory]);
      else shelf.push(memory);
      this.#keptBytes += memory.length;
    }
    this.#serve();
  }
}

/** Sizes in steps of a quarter of a power of two: at most a quarter is wasted, and few shelves are needed. */
function sizeClass(bytes: number): number {
  const step = 2 ** Math.max(0, Math.floor(Math.log2(bytes)) - 2);
  return Math.ceil(bytes / step) * step;
}

class PooledLease implements Lease {
  #bytes: number;
  #whole: Uint8Array | null = null;
  #isReleased = false;
  readonly #giveBack: (bytes: number, memory: Uint8Array | null) => void;
  readonly #make: (bytes: number) => Uint8Array;

  constructor(
    bytes: number,
    giveBack: (bytes: number, memory: Uint8Array | null) => void,
    make: (bytes: number) => Uint8Array,
  ) {
    this.#bytes = bytes;
    this.#giveBack = giveBack;
    this.#make = make;
  }

  get bytes(): number {
    return this.#bytes;
  }

  memory(): Uint8Array {
    assert(!this.#isReleased, "memory was asked for after its release");
    this.#whole ??= this.#make(this.#bytes);
    return this.#whole.length === this.#bytes ? this.#whole : this.#whole.subarray(0, this.#bytes);
  }

  shrink(bytes: number): void {
    assert(this.#whole === null && bytes <= this.#bytes, "only unused memory can be shrunk");
    const surplus = this.#bytes - bytes;
    this.#bytes = bytes;
    this.#giveBack(surplus, null);
  }

  release(): void {
    this.#end(this.#whole);
  }

  discard(): void {
    this.#end(null);
  }

  #end(memory: Uint8Array | null): void {
    assert(!this.#isReleased, "memory was released twice");
    this.#isReleased = true;
    this.#whole = null;
    this.#giveBack(this.#bytes, memory);
  }
}
