// One block of a store's memory, and which parts of it are free. Chunks of any size are cut out of it, out of the
// shortest run that fits, so that long ones stay for long chunks; and what is given back grows together with its free
// neighbours. Offsets and lengths are in bytes, whole granules.

import { assert } from "../core/assert.ts";

/** What is handed out is a whole number of these: less than a chunk's account has to spare (chunk-cost.ts). */
export const GRANULE_BYTES = 256;

/** A run of bytes within a block. */
export interface Extent {
  readonly at: number;
  readonly bytes: number;
}

/** See the header. Fresh memory is zeros that the system has not provided yet. */
export class MemoryBlock {
  readonly memory: ArrayBuffer;
  /** Free extents by address; no two of them touch. */
  readonly #starts: number[] = [0];
  readonly #lengths: number[];
  /** True: nothing more is to be taken of it. */
  isClosed = false;
  #freeBytes: number;
  #longest: number;

  constructor(bytes: number) {
    this.memory = new ArrayBuffer(bytes);
    this.#lengths = [bytes];
    this.#freeBytes = bytes;
    this.#longest = bytes;
  }

  /** The longest free extent; none while it is closed. */
  get longestBytes(): number {
    return this.isClosed ? 0 : this.#longest;
  }

  /** All that is free. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** True when nothing of it is in use. */
  get isUnused(): boolean {
    return this.#freeBytes === this.memory.byteLength;
  }

  /** So many bytes from the shortest free extent that has them; the longest extent where all have less. */
  take(bytes: number): Extent {
    const wanted = Math.min(bytes, this.#longest);
    const index = this.#shortest(wanted);
    const at = this.#starts[index];
    const length = this.#lengths[index];
    assert(wanted > 0 && at !== undefined && length !== undefined, "a full block was asked");
    if (length === wanted) {
      this.#starts.splice(index, 1);
      this.#lengths.splice(index, 1);
    } else {
      this.#starts[index] = at + wanted;
      this.#lengths[index] = length - wanted;
    }
    this.#freeBytes -= wanted;
    if (length === this.#longest) this.#longest = this.#lengths.reduce((a, b) => Math.max(a, b), 0);
    return { at, bytes: wanted };
  }

  /** Gives back what was taken, or a part of it. */
  give({ at, bytes }: Extent): void {
    const index = this.#above(at);
    const before = index - 1;
    const end = at + bytes;
    const endBefore = (this.#starts[before] ?? 0) + (this.#lengths[before] ?? 0);
    const next = this.#starts[index] ?? this.memory.byteLength + 1;
    assert(endBefore <= at && end <= next, "memory was given back twice");
    const joinsBefore = before >= 0 && endBefore === at;
    const joinsNext = end === next;
    const start = joinsBefore ? (this.#starts[before] ?? 0) : at;
    const length = (joinsNext ? end + (this.#lengths[index] ?? 0) : end) - start;
    const first = joinsBefore ? before : index;
    const replaced = (joinsBefore ? 1 : 0) + (joinsNext ? 1 : 0);
    this.#starts.splice(first, replaced, start);
    this.#lengths.splice(first, replaced, length);
    this.#freeBytes += bytes;
    this.#longest = Math.max(this.#longest, length);
  }

  /** The shortest free extent of at least so many bytes, the lowest of these. */
  #shortest(bytes: number): number {
    let best = -1;
    let bestLength = Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.#lengths.length; index++) {
      const length = this.#lengths[index] ?? 0;
      if (length < bytes || length >= bestLength) continue;
      best = index;
      bestLength = length;
      if (length === bytes) break;
    }
    return best;
  }

  /** The first free extent that begins above an address, by bisection. */
  #above(at: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? 0) > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
