// The chunks that one instance holds, by identity, within a hard budget of bytes. It keeps CLOCK order:
// a find only marks its chunk, and whoever lists the store gives the marked ones their second chance.
// It never evicts (the proxy evicts whole objects), never looks into bytes, and knows no message.
//
// What is dropped makes room for the next chunk at once. So a chunk that somebody else is reading is *lent*, stays
// counted, and is freed when the last reader gives it back; and memory that a transport may still write into serves
// nobody until the transport has returned it.

import { assert } from "../core/assert.ts";
import { CHUNK_OVERHEAD_BYTES, chunkCost } from "../core/chunk-cost.ts";
import { chunkFingerprint, type Fingerprint, StoreDigest } from "../core/store-digest.ts";
import type { WireChunkId } from "../wire/messages.ts";
import type { ChunkBytes } from "./chunk-bytes.ts";
import { BLOCK_BYTES, ChunkMemory } from "./chunk-memory.ts";
import { memoryOf } from "./memory.ts";
import { GRANULE_BYTES } from "./memory-block.ts";

/** Of a key's name on the wire. */
const KEY_HASH_BYTES = 16;

/** How often it looks whether memory should be let go: small chunks take a megabyte meanwhile beside their bytes. */
const COMPACTION_RESERVES = 1_024;

/** A chunk that would lie in more runs for each block of its length, each of which travels by itself, is worth emptying one for. */
const RUNS_MAX = 8;
/** So many chunks are reserved before a block is emptied again where that brought nothing: a look reads all of the store. */
const FRUITLESS_RESERVES = 64;

/** One stored chunk. Its bytes never change; they vanish when it was dropped and nobody reads them. */
export interface StoredChunk extends WireChunkId {
  readonly bytes: ChunkBytes;
  readonly digestLow: number;
  readonly digestHigh: number;
}

/** As small as can be: a store of small chunks has hundreds of thousands. The name says which key's it is. */
class Held implements StoredChunk {
  readonly name: string;
  readonly version: number;
  readonly stripe: number;
  readonly index: number;
  readonly bytes: ChunkBytes;
  readonly digestLow: number;
  readonly digestHigh: number;
  isUsed = false;
  isDropped = false;
  readers = 0;

  constructor(name: string, chunk: StoredChunk) {
    this.name = name;
    this.version = chunk.version;
    this.stripe = chunk.stripe;
    this.index = chunk.index;
    this.bytes = chunk.bytes;
    this.digestLow = chunk.digestLow;
    this.digestHigh = chunk.digestHigh;
  }

  get keyHash(): Uint8Array {
    return Uint8Array.from({ length: KEY_HASH_BYTES }, (_, at) => this.name.charCodeAt(at));
  }
}

/** The store of one instance. */
export class ChunkStore {
  /** What chunks may cost in all, overhead included. */
  readonly budgetBytes: number;
  readonly #chunks = new Map<string, Held>();
  readonly #digest = new StoreDigest();
  readonly #memory: ChunkMemory;
  /** Memory of transfers that ended while a transport was writing, by the view that it has. */
  readonly #stray = new Map<Uint8Array, ChunkBytes>();
  #usedBytes = 0;
  #reserved = 0;
  /** What `#reserved` must be before another block is emptied for a chunk. */
  #emptyFrom = 0;

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
    this.#memory = new ChunkMemory(memoryOf(budgetBytes), CHUNK_OVERHEAD_BYTES - GRANULE_BYTES);
  }

  /** What is taken of the budget: stored, reserved, and dropped but still being read. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** What it has of the host for chunks there are and chunks to come. */
  get heldBytes(): number {
    return this.#memory.heldBytes;
  }

  /** How many chunks are held. */
  get count(): number {
    return this.#chunks.size;
  }

  /** The digest of all identities held. */
  digest(): Fingerprint {
    return this.#digest.value();
  }

  /** Memory for a chunk of `bytes`, its contents undefined, paid from the budget; null when there is no room. */
  reserve(bytes: number): ChunkBytes | null {
    const cost = chunkCost(bytes);
    if (this.#usedBytes + cost > this.budgetBytes) return null;
    if (++this.#reserved % COMPACTION_RESERVES === 0) this.#compact();
    const place = this.#allocate(bytes);
    if (place !== null) this.#usedBytes += cost;
    return place;
  }

  /** Gives back what `reserve` gave and `add` did not take. `lent`: the view that a transport may still write into. */
  release(place: ChunkBytes, lent: Uint8Array | null): void {
    this.#usedBytes -= chunkCost(place.length);
    if (lent === null) this.#memory.free(place);
    else this.#stray.set(lent, place);
  }

  /** A transport writes no more into a view of a chunk's memory. */
  returned(view: Uint8Array): void {
    const place = this.#stray.get(view);
    if (place === undefined) return;
    this.#stray.delete(view);
    this.#memory.free(place);
  }

  /** Takes over memory from `reserve`, filled and verified. A chunk of the same identity is replaced. */
  add(chunk: StoredChunk): void {
    const name = nameOf(chunk);
    this.#remove(name);
    this.#chunks.set(name, new Held(name, chunk));
    this.#toggle(chunk);
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

  /** In few runs if that can be had: where small chunks left holes only, others are moved into these. */
  #allocate(bytes: number): ChunkBytes | null {
    let place = this.#memory.allocate(bytes);
    const blocks = Math.ceil(bytes / BLOCK_BYTES);
    for (let round = 0; round < blocks; round++) {
      const runs = place?.runs ?? 0;
      if (place === null || runs <= RUNS_MAX * blocks || this.#reserved < this.#emptyFrom) break;
      this.#memory.free(place);
      this.#emptySparsest(true);
      place = this.#memory.allocate(bytes);
      if (place !== null && place.runs >= runs)
        this.#emptyFrom = this.#reserved + FRUITLESS_RESERVES;
    }
    return place;
  }

  /**
   * Where small chunks have come and large ones gone, what they take beside their bytes is to come out of blocks that still
   * have something in each.
   */
  #compact(): void {
    if (!this.#memory.isOverfull) return;
    this.#emptySparsest(false);
    this.#memory.letGo();
  }

  /** Moves what lies in a block of small chunks, or of any, in which nobody is reading. */
  #emptySparsest(isOfSmall: boolean): void {
    // Before all chunks are gone through: is there one at all?
    if (this.#memory.sparsest(isOfSmall, () => true) === null) return;
    const chunks = [...this.#chunks.values()];
    const read = chunks.filter(({ readers }) => readers > 0);
    const block = this.#memory.sparsest(
      isOfSmall,
      (each) => !read.some(({ bytes }) => bytes.liesIn(each)),
    );
    if (block === null) return;
    const inIt = chunks.map(({ bytes }) => bytes).filter((bytes) => bytes.liesIn(block));
    this.#memory.empty(block, inIt);
  }

  #remove(name: string): boolean {
    const chunk = this.#chunks.get(name);
    if (chunk === undefined) return false;
    this.#chunks.delete(name);
    this.#toggle(chunk);
    chunk.isDropped = true;
    if (chunk.readers === 0) this.#free(chunk);
    return true;
  }

  #toggle({ keyHash, version, stripe, index }: WireChunkId): void {
    this.#digest.toggle(chunkFingerprint(keyHash, version, stripe, index));
  }

  #free(chunk: Held): void {
    this.#usedBytes -= chunkCost(chunk.bytes.length);
    this.#memory.free(chunk.bytes);
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
