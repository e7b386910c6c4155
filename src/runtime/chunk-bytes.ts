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
  /** Where the last view began: chunks are read and written in order. */
  #run: Run | null;
  #runOffset = 0;

  constructor(length: number, first: Run | null) {
    this.#length = length;
    this.#first = first;
    this.#run = first;
  }

  /** How many; 0 once freed. */
  get length(): number {
    return this.#length;
  }

  /** In how many runs they lie. */
  get runs(): number {
    let runs = 0;
    for (let run = this.#first; run !== null; run = run.next) runs++;
    return runs;
  }

  /** A view of what begins at `offset`, `bytesMax` at most; shorter where a run ends. */
  from(offset: number, bytesMax: number): Uint8Array<ArrayBuffer> {
    if (offset < this.#runOffset) {
      this.#run = this.#first;
      this.#runOffset = 0;
    }
    for (let run = this.#run; run !== null; run = run.next) {
      const at = offset - this.#runOffset;
      this.#run = run;
      if (at < run.bytes)
        return new Uint8Array(run.block.memory, run.at + at, Math.min(bytesMax, run.bytes - at));
      if (run.next !== null) this.#runOffset += run.bytes;
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

  /** Whether any of them lie in a block. */
  liesIn(block: MemoryBlock): boolean {
    for (let run = this.#first; run !== null; run = run.next) if (run.block === block) return true;
    return false;
  }

  /** Copies them to other runs, where they lie from now on; answers the first of those before. */
  moveTo(first: Run): Run | null {
    const before = this.#first;
    const copy = new ChunkBytes(this.#length, first);
    let at = 0;
    for (const view of this.views()) {
      copy.write(at, view);
      at += view.length;
    }
    this.#first = first;
    this.#run = first;
    this.#runOffset = 0;
    return before;
  }

  /** Takes its memory away and answers the first run; null when that was done before, or there is none. */
  free(): Run | null {
    const first = this.#first;
    this.#first = null;
    this.#run = null;
    this.#length = 0;
    this.#runOffset = 0;
    return first;
  }
}
