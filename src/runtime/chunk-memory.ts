// The memory of a store: blocks that grow with it, out of which chunks of any size are cut. A freed chunk's memory
// serves the next ones, whatever their size, because touching fresh pages costs a function as much as receiving into
// them. As long as so many bytes are free a chunk finds room, in pieces if need be: there is nothing to compact.

import { ChunkBytes, type Run } from "./chunk-bytes.ts";
import { GRANULE_BYTES, MemoryBlock } from "./memory-block.ts";

/** Long enough for a stripe's chunk of the default code, short enough to become unused and be let go. */
const BLOCK_BYTES = 4 * 1_024 * 1_024;
/** What unused blocks may keep: what a few objects put at once take of one function. */
const UNUSED_BYTES_MAX = 64 * 1_024 * 1_024;

/** See the header. It never holds more than `bytesMax`. */
export class ChunkMemory {
  readonly #bytesMax: number;
  /** The oldest first, which are filled first. */
  readonly #blocks: MemoryBlock[] = [];
  #heldBytes = 0;
  #freeBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax - (bytesMax % GRANULE_BYTES);
  }

  /** All blocks. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Memory for a chunk, its contents undefined; null when less is free, or the host refuses it. */
  allocate(bytes: number): ChunkBytes | null {
    const whole = granules(bytes);
    if (whole > this.#freeBytes + this.#bytesMax - this.#heldBytes) return null;
    // From the last run to the first: the last one ends where the chunk does.
    let run: Run | null = null;
    let unused = whole - bytes;
    for (let rest = whole; rest > 0; ) {
      const block = this.#blockFor(rest);
      if (block === null) {
        this.#give(run);
        return null;
      }
      const extent = block.take(rest);
      this.#freeBytes -= extent.bytes;
      rest -= extent.bytes;
      run = { block, at: extent.at, bytes: extent.bytes - unused, next: run };
      unused = 0;
    }
    return new ChunkBytes(bytes, run);
  }

  /** Takes a chunk's memory back; its holders have nothing from now on. */
  free(chunk: ChunkBytes): void {
    this.#give(chunk.free());
  }

  #give(first: Run | null): void {
    for (let run = first; run !== null; run = run.next) {
      const bytes = granules(run.bytes);
      run.block.give({ at: run.at, bytes });
      this.#freeBytes += bytes;
      if (run.block.isUnused) this.#letGo();
    }
  }

  /**
   * The one that is the least spoilt by giving so much in one piece, a new one, or the one that has the longest piece; null
   * when the host refuses.
   */
  #blockFor(bytes: number): MemoryBlock | null {
    let best: MemoryBlock | null = null;
    for (const block of this.#blocks) {
      if (best === null || isBetter(block.longestBytes, best.longestBytes, bytes)) best = block;
    }
    if (best !== null && best.longestBytes >= bytes) return best;
    const roomBytes = Math.min(BLOCK_BYTES, this.#bytesMax - this.#heldBytes);
    if (roomBytes === 0) return best;
    try {
      return this.#grow(roomBytes);
    } catch {
      return null;
    }
  }

  #grow(bytes: number): MemoryBlock {
    const block = new MemoryBlock(bytes);
    this.#blocks.push(block);
    this.#heldBytes += bytes;
    this.#freeBytes += bytes;
    return block;
  }

  /** The newest blocks that are unused, as far as all of these are more than may be kept. */
  #letGo(): void {
    const unused = this.#blocks.filter(({ isUnused }) => isUnused);
    let unusedBytes = unused.reduce((sum, { memory }) => sum + memory.byteLength, 0);
    while (unusedBytes > UNUSED_BYTES_MAX) {
      const block = unused.pop();
      if (block === undefined) return;
      const { memory } = block;
      unusedBytes -= memory.byteLength;
      this.#heldBytes -= memory.byteLength;
      this.#freeBytes -= memory.byteLength;
      this.#blocks.splice(this.#blocks.indexOf(block), 1);
      // At once: left to the garbage collector, a store under churn takes twice its budget.
      memory.transfer(0);
    }
  }
}

/** Whether a run is better for so many bytes: the shortest that has them, else the longest. */
function isBetter(run: number, best: number, bytes: number): boolean {
  return best < bytes ? run > best : run >= bytes && run < best;
}

function granules(bytes: number): number {
  return Math.ceil(bytes / GRANULE_BYTES) * GRANULE_BYTES;
}
