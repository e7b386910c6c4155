// The memory of a store: blocks that grow with it, out of which chunks of any size are cut. A freed chunk's memory
// serves the next ones, because touching fresh pages costs a function as much as receiving into them. Small chunks keep
// to blocks of their own as long as they can, so that what they leave does not cut the room of large ones to pieces. As
// long as so many bytes are free a chunk finds room, in several runs if need be.

import { ChunkBytes, type Run } from "./chunk-bytes.ts";
import { GRANULE_BYTES, MemoryBlock } from "./memory-block.ts";

/** Long enough for a stripe's chunk of the default code, short enough to become unused and be let go. */
export const BLOCK_BYTES = 4 * 1_024 * 1_024;
/** Shorter chunks are small. */
const LARGE_BYTES_MIN = 64 * 1_024;
/** What unused blocks may keep: what a few objects put at once take of one function. */
const UNUSED_BYTES_MAX = 64 * 1_024 * 1_024;

/** See the header. It holds no more than `bytesMax`, less `besideBytes` for each chunk, as long as blocks fall unused. */
export class ChunkMemory {
  readonly #bytesMax: number;
  readonly #besideBytes: number;
  /** Of small chunks, and of others. */
  readonly #small: MemoryBlock[] = [];
  readonly #large: MemoryBlock[] = [];
  #chunks = 0;
  #heldBytes = 0;
  #freeBytes = 0;
  #unusedBytes = 0;

  /** `besideBytes`: what a chunk takes of the same memory beside its bytes. */
  constructor(bytesMax: number, besideBytes: number) {
    this.#bytesMax = bytesMax;
    this.#besideBytes = besideBytes;
  }

  /** All blocks. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Memory for a chunk, its contents undefined; null when less is free, or the host refuses it. */
  allocate(bytes: number): ChunkBytes | null {
    const whole = granules(bytes);
    this.#chunks++;
    if (whole <= this.#freeBytes + Math.max(0, this.#growthBytes)) {
      const run = this.#take(whole, whole - bytes);
      if (run !== null || whole === 0) {
        this.letGo();
        return new ChunkBytes(bytes, run);
      }
    }
    this.#chunks--;
    return null;
  }

  /** Takes a chunk's memory back; its holders have nothing from now on. To be called once. */
  free(chunk: ChunkBytes): void {
    this.#chunks--;
    this.#give(chunk.free());
    this.letGo();
  }

  /** True when blocks that are in use hold so much more than they should that one that is emptied will be let go. */
  get isOverfull(): boolean {
    return this.#growthBytes <= -BLOCK_BYTES;
  }

  /** The block that has the least in use, of small chunks or of all, that may be emptied, and whose chunks fit elsewhere. */
  sparsest(isOfSmall: boolean, mayBe: (block: MemoryBlock) => boolean): MemoryBlock | null {
    let sparsest: MemoryBlock | null = null;
    for (const blocks of isOfSmall ? [this.#small] : [this.#small, this.#large])
      for (const block of blocks) {
        if (block.freeBytes <= (sparsest?.freeBytes ?? 0) || block.isUnused) continue;
        if (block.memory.byteLength <= this.#freeBytes && mayBe(block)) sparsest = block;
      }
    return sparsest;
  }

  /**
   * Moves chunks, of whose bytes nobody has a view, from a block to others, as long as there is room. It stays, unused, for
   * what is allocated next, or until `letGo`.
   */
  empty(block: MemoryBlock, chunks: Iterable<ChunkBytes>): void {
    block.isClosed = true;
    for (const chunk of chunks) {
      const whole = granules(chunk.length);
      const run = this.#take(whole, whole - chunk.length);
      if (run === null) break;
      this.#give(chunk.moveTo(run));
    }
    block.isClosed = false;
  }

  /** Unused blocks, the newest first, as far as they are more than may be kept, or more than there is memory for. */
  letGo(): void {
    while (this.#unusedBytes > 0) {
      if (this.#unusedBytes <= UNUSED_BYTES_MAX && this.#growthBytes >= 0) return;
      const own = this.#large.some(({ isUnused }) => isUnused) ? this.#large : this.#small;
      const [block] = own.splice(
        own.findLastIndex(({ isUnused }) => isUnused),
        1,
      );
      const { memory } = block!;
      this.#unusedBytes -= memory.byteLength;
      this.#heldBytes -= memory.byteLength;
      this.#freeBytes -= memory.byteLength;
      // At once: left to the garbage collector, a store under churn takes twice its budget.
      memory.transfer(0);
    }
  }

  /** What blocks may still grow by; below 0 where blocks in use hold more than they should. */
  get #growthBytes(): number {
    const growth = this.#bytesMax - this.#chunks * this.#besideBytes - this.#heldBytes;
    return Math.floor(growth / GRANULE_BYTES) * GRANULE_BYTES;
  }

  /** From the last run to the first: the last one ends `unused` before what was taken for it does. */
  #take(whole: number, unused: number): Run | null {
    let run: Run | null = null;
    for (let rest = whole; rest > 0; ) {
      const block = this.#blockFor(rest, whole < LARGE_BYTES_MIN);
      if (block === null) {
        this.#give(run);
        return null;
      }
      if (block.isUnused) this.#unusedBytes -= block.memory.byteLength;
      const extent = block.take(rest);
      this.#freeBytes -= extent.bytes;
      rest -= extent.bytes;
      run = { block, at: extent.at, bytes: extent.bytes - (run === null ? unused : 0), next: run };
    }
    return run;
  }

  #give(first: Run | null): void {
    for (let run = first; run !== null; run = run.next) {
      const bytes = granules(run.bytes);
      run.block.give({ at: run.at, bytes });
      this.#freeBytes += bytes;
      if (run.block.isUnused) this.#unusedBytes += run.block.memory.byteLength;
    }
  }

  /**
   * The block of its kind that is least spoilt by giving so much in one run, or all of itself; an unused one; a new one; or
   * the one with the longest run. Null when the host refuses.
   */
  #blockFor(bytes: number, isSmall: boolean): MemoryBlock | null {
    const [own, others] = isSmall ? [this.#small, this.#large] : [this.#large, this.#small];
    const wanted = Math.min(bytes, BLOCK_BYTES);
    const best = bestOf(own, wanted);
    if (best !== null && best.longestBytes >= wanted) return best;
    const unused = others.findIndex((block) => block.isUnused && block.longestBytes >= wanted);
    if (unused >= 0) {
      const [block] = others.splice(unused, 1);
      own.push(block!);
      return block!;
    }
    const growthBytes = Math.min(BLOCK_BYTES, this.#growthBytes);
    if (growthBytes >= wanted) return this.#grow(own, growthBytes);
    const other = bestOf(others, wanted);
    if (other !== null && other.longestBytes > (best?.longestBytes ?? 0)) return other;
    return best !== null && best.longestBytes > 0 ? best : this.#grow(own, growthBytes);
  }

  #grow(own: MemoryBlock[], bytes: number): MemoryBlock | null {
    if (bytes <= 0) return null;
    try {
      const block = new MemoryBlock(bytes);
      own.push(block);
      this.#heldBytes += bytes;
      this.#freeBytes += bytes;
      this.#unusedBytes += bytes;
      return block;
    } catch {
      return null;
    }
  }
}

/** The block with the shortest run that has so many bytes; else the one with the longest run. */
function bestOf(blocks: readonly MemoryBlock[], bytes: number): MemoryBlock | null {
  let best: MemoryBlock | null = null;
  for (const block of blocks) {
    if (best === null || isBetter(block.longestBytes, best.longestBytes, bytes)) best = block;
  }
  return best;
}

function isBetter(run: number, best: number, bytes: number): boolean {
  return best < bytes ? run > best : run >= bytes && run < best;
}

function granules(bytes: number): number {
  return Math.ceil(bytes / GRANULE_BYTES) * GRANULE_BYTES;
}
