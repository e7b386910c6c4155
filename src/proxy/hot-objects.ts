// Small objects as they were read last, in the proxy's own memory: whoever reads one again wakes no function and waits for
// no second hop. An entry belongs to one version and goes with it, so that nothing here can be older than the table.
// Only what one chunk holds whole is kept; its bytes are what a function sent, and its readers verify them.

import { ClockEviction } from "../core/eviction.ts";
import type { ObjectVersion } from "./object-version.ts";

/** Larger objects are read from functions, whose memory is what this cache is for. */
export const HOT_OBJECT_BYTES_MAX: number = 64 * 1_024;
/** What a proxy keeps unless it is told otherwise. */
export const HOT_BYTES_DEFAULT: number = 16 * 1_024 * 1_024;
/** What an entry costs beside its bytes, about: buffers, maps, the mark of the clock. */
const ENTRY_BYTES = 512;

/** A chunk from which its object can be read without any other. */
export interface HotChunk {
  readonly index: number;
  readonly digestLow: number;
  readonly digestHigh: number;
  /** Never written again; borrowed by whoever sends it. */
  readonly bytes: Uint8Array;
}

/** See the header. */
export class HotObjects {
  readonly #bytesMax: number;
  readonly #chunks = new Map<ObjectVersion, HotChunk>();
  readonly #clock = new ClockEviction<ObjectVersion>();
  #bytes = 0;

  /** 0: keeps nothing. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** What is kept, with what the entries themselves cost. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#chunks.size;
  }

  /** The kept chunk of this version; looking is using. */
  find(object: ObjectVersion): HotChunk | undefined {
    const chunk = this.#chunks.get(object);
    if (chunk !== undefined) this.#clock.touch(object);
    return chunk;
  }

  /** Keeps a copy of a whole chunk that was just read, if it is worth that: others go for it. */
  offer(
    object: ObjectVersion,
    index: number,
    digest: Omit<HotChunk, "index" | "bytes">,
    bytes: Uint8Array,
  ): void {
    const { code, layout } = object;
    const isAlone =
      code.dataChunks === 1 && layout.stripeCount === 1 && bytes.length === layout.bytes;
    const cost = bytes.length + ENTRY_BYTES;
    if (!isAlone || bytes.length > HOT_OBJECT_BYTES_MAX || cost > this.#bytesMax) return;
    if (!object.isCurrent || this.#chunks.has(object)) return;
    const { digestLow, digestHigh } = digest;
    this.#chunks.set(object, { index, digestLow, digestHigh, bytes: bytes.slice() });
    this.#clock.insert(object);
    this.#bytes += cost;
    while (this.#bytes > this.#bytesMax) {
      const victim = this.#clock.victim((each) => each !== object);
      if (victim === null) return;
      this.drop(victim);
    }
  }

  /** The version is no longer current, or its kept bytes are not what they should be. */
  drop(object: ObjectVersion): void {
    const chunk = this.#chunks.get(object);
    if (chunk === undefined) return;
    this.#chunks.delete(object);
    this.#clock.remove(object);
    this.#bytes -= chunk.bytes.length + ENTRY_BYTES;
  }
}
