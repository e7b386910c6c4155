// The bytes of one chunk in a store's memory: in one run as a rule, in several where the store is full and its free
// memory is scattered. It is as small as can be, for a store of small chunks has hundreds of thousands of them: views
// are made when somebody wants one. Whoever holds it after it was freed holds nothing.

import type { MemoryBlock } from "./memory-block.ts";

/** A run of a block's bytes, and what comes after it. */
export interface Run {
  readonly block: MemoryBlock;
  readonly at: number;
  readonly bytes: number;
  readonly next: Run | null;
}

/** See the header. The memory is the store's. */
export class ChunkBytes {
  #length: number;
  #first: Run | null;

  constructor(length: number, first: Run | null) {
    this.#length = length;
    this.#first = first;
  }

  /** How many; 0 once freed. */
  get length(): number {
    return this.#length;
  }

  /** A view of what begins at `offset`, `bytesMax` at most; shorter where a run ends. */
  from(offset: number, bytesMax: number): Uint8Array<ArrayBuffer> {
    let start = 0;
    for (let run = this.#first; run !== null; run = run.next) {
      const at = offset - start;
      if (at < run.bytes)
        return new Uint8Array(run.block.memory, run.at + at, Math.min(bytesMax, run.bytes - at));
      start += run.bytes;
    }
    throw new RangeError(`offset ${offset} of a chunk of ${this.#length} bytes`);
  }

  /** Views of all of them, in order. */
  *views(): Generator<Uint8Array<ArrayBuffer>> {
    for (let at = 0; at < this.#length; ) {
      const view = this.from(at, this.#length);
      at += view.length;
      yield view;
    }
  }

  /** Copies bytes in, from `offset` on. */
  write(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const place = this.from(offset + at, bytes.length - at);
      place.set(bytes.subarray(at, at + place.length));
      at += place.length;
    }
  }

  /** Takes its memory away and answers the first run; null when that was done before, or there is none. */
  free(): Run | null {
    const first = this.#first;
    this.#first = null;
    this.#length = 0;
    return first;
  }
}
