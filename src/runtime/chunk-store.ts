// The chunks that one instance holds, by identity, within a hard budget of bytes. It keeps CLOCK order:
// a find only marks its chunk, and whoever lists the store gives the marked ones their second chance.
// It never evicts (the proxy evicts whole objects), never looks into bytes, and knows no message.
//
// Memory is let go at once, by detaching the buffer: left to the garbage collector, a store of 800 MB
// under churn grew to 1.6 GB, and the provider kills an instance for less. So a buffer that somebody else
// is reading is *lent*, stays counted, and is freed when the last reader gives it back. What is freed is kept
// for the next chunk of its size (see spare-buffers.ts) as long as the budget has room for both.

import { assert } from "../core/assert.ts";
import { chunkCost } from "../core/chunk-cost.ts";
import { chunkFingerprint, type Fingerprint, StoreDigest } from "../core/store-digest.ts";
import type { WireChunkId } from "../wire/messages.ts";
import { type ChunkBytes, SpareBuffers } from "./spare-buffers.ts";

/** One stored chunk. Its bytes never change; they vanish when it was dropped and nobody reads them. */
export interface StoredChunk extends WireChunkId {
  readonly bytes: ChunkBytes;
  readonly digestLow: number;
  readonly digestHigh: number;
}

interface Held extends StoredChunk {
  readonly name: string;
  readonly fingerprint: Fingerprint;
  isUsed: boolean;
  isDropped: boolean;
  readers: number;
}

/** The store of one instance. */
export class ChunkStore {
  /** What chunks may cost in all, overhead included. */
  readonly budgetBytes: number;
  readonly #chunks = new Map<string, Held>();
  readonly #digest = new StoreDigest();
  readonly #spare = new SpareBuffers();
  #usedBytes = 0;

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  /** What is taken of the budget: stored, reserved, and dropped but still being read. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** What is kept for chunks to come; with `usedBytes` never above the budget. */
  get spareBytes(): number {
    return this.#spare.bytes;
  }

  /** How many chunks are held. */
  get count(): number {
    return this.#chunks.size;
  }

  /** The digest of all identities held. */
  digest(): Fingerprint {
    return this.#digest.value();
  }

  /** A buffer for a chunk of `bytes`, its contents undefined, paid from the budget; null when there is no room. */
  reserve(bytes: number): ChunkBytes | null {
    const cost = chunkCost(bytes);
    if (this.#usedBytes + cost > this.budgetBytes) return null;
    try {
      const kept = this.#spare.take(bytes);
      this.#spare.shrink(this.budgetBytes - this.#usedBytes - cost);
      const place = kept ?? SpareBuffers.fresh(bytes);
      this.#usedBytes += cost;
      return place;
    } catch {
      return null; // The host refused the memory although the budget had room: full all the same.
    }
  }

  /** Gives back what `reserve` gave and `add` did not take. `isLent`: a transport may still write into it. */
  release(place: ChunkBytes, isLent: boolean): void {
    this.#usedBytes -= chunkCost(place.length);
    if (!isLent) this.#spare.offer(place, this.budgetBytes - this.#usedBytes);
  }

  /** Takes over a buffer from `reserve`, filled and verified. A chunk of the same identity is replaced. */
  add(chunk: StoredChunk): void {
    const name = nameOf(chunk);
    this.#remove(name);
    const { keyHash, version, stripe, index, bytes, digestLow, digestHigh } = chunk;
    const fingerprint = chunkFingerprint(keyHash, version, stripe, index);
    const identity = { keyHash, version, stripe, index, bytes, digestLow, digestHigh };
    const state = { isUsed: false, isDropped: false, readers: 0 };
    this.#chunks.set(name, { ...identity, name, fingerprint, ...state });
    this.#digest.toggle(fingerprint);
  }

  /** The chunk, marked as used; null when it is not held. Who reads its bytes later must `lend` it. */
  find(id: WireChunkId): StoredChunk | null {
    const held = this.#chunks.get(nameOf(id));
    if (held === undefined) return null;
    held.isUsed = true;
    return held;
  }

  /** From now until `giveBack` the bytes stay, even if the chunk is dropped. */
  lend(chunk: StoredChunk): void {
    held(chunk).readers++;
  }

  /** Ends one `lend`. */
  giveBack(chunk: StoredChunk): void {
    const lent = held(chunk);
    assert(lent.readers > 0, "a chunk was given back more often than lent");
    lent.readers--;
    if (lent.isDropped && lent.readers === 0) this.#free(lent);
  }

  /** Forgets a chunk; false when it was not held. */
  drop(id: WireChunkId): boolean {
    return this.#remove(nameOf(id));
  }

  /** Forgets every chunk. */
  empty(): void {
    for (const name of this.#chunks.keys()) this.#remove(name);
  }

  /** Every chunk held, as the store changes: what is added meanwhile comes too. */
  chunks(): IterableIterator<StoredChunk> {
    return this.#chunks.values();
  }

  /**
   * All chunks, most recently used first. The hand of the clock goes round once: a chunk used since the
   * last round moves in front of all that were not, and loses its mark.
   */
  mostRecentFirst(): readonly StoredChunk[] {
    // A chunk that was moved comes round once more, without its mark.
    for (const chunk of this.#chunks.values()) {
      if (!chunk.isUsed) continue;
      chunk.isUsed = false;
      this.#chunks.delete(chunk.name);
      this.#chunks.set(chunk.name, chunk);
    }
    return [...this.#chunks.values()].reverse();
  }

  #remove(name: string): boolean {
    const chunk = this.#chunks.get(name);
    if (chunk === undefined) return false;
    this.#chunks.delete(name);
    this.#digest.toggle(chunk.fingerprint);
    chunk.isDropped = true;
    if (chunk.readers === 0) this.#free(chunk);
    return true;
  }

  #free(chunk: Held): void {
    this.#usedBytes -= chunkCost(chunk.bytes.length);
    this.#spare.offer(chunk.bytes, this.budgetBytes - this.#usedBytes);
  }
}

function held(chunk: StoredChunk): Held {
  // Proof: StoredChunks come out of this store only, and it holds nothing but Held ones.
  return chunk as Held;
}

/** The identity as a compact string: one character for each byte of the key's hash, then the numbers. */
function nameOf(id: WireChunkId): string {
  return `${String.fromCharCode(...id.keyHash)}${id.version.toString(36)}.${id.stripe}.${id.index}`;
}
