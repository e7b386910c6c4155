// One stripe of a GET being put together: says where each part that comes in goes, verifies whole chunks, and
// reconstructs what is missing. Data chunks that are wanted whole lie in their final place from the start, as does the
// first of several copies; parity and chunks that a range cuts lie in scratch memory. It trusts nothing that comes in,
// and sends nothing.

import { type ChunkIdentity, chunkDigest, seedOf } from "../checksum/chunk-digest.ts";
import type { Digest } from "../checksum/columns.ts";
import { createHasher, type Hasher } from "../checksum/hasher.ts";
import { assert } from "../core/assert.ts";
import { type CodeSpec, isReplicated } from "../core/code.ts";
import { chunkLength, chunkStride } from "../core/layout.ts";
import { createCode } from "../erasure/code.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { BufferPool, Lease } from "./buffer-pool.ts";

/** Which stripe of which object version, and which of its bytes are wanted. */
export interface AssemblySpec {
  readonly keyHash: Uint8Array;
  readonly generation: number;
  readonly version: number;
  readonly stripe: number;
  readonly code: CodeSpec;
  readonly stripeBytes: number;
  /** The wanted bytes [start, end) within the stripe; not empty. */
  readonly start: number;
  readonly end: number;
}

/** What a message or part changed: `bad` asks for a `chunkBad`. */
export type Change = "none" | "good" | "bad";

interface Chunk {
  readonly index: number;
  readonly bytes: number;
  attempt: number;
  digestLow: number;
  digestHigh: number;
  received: number;
  status: "unknown" | "coming" | "good" | "bad";
  isReceiving: boolean;
  memory: Uint8Array | null;
  hasher: Hasher | null;
}

/** See the header. The target is written to until `isReady`, and never after `finish`. */
export class StripeAssembly {
  readonly spec: AssemblySpec;
  readonly #target: Uint8Array;
  readonly #pool: BufferPool;
  readonly #stride: number;
  readonly #isReplicated: boolean;
  readonly #chunks: Chunk[] = [];
  /** Of copies: the one that is received where the stripe belongs. */
  #placed: Chunk | null = null;
  readonly #erased = new Set<number>();
  readonly #leases: Lease[] = [];
  #goodCount = 0;
  #isFinished = false;

  /** `target` receives the wanted bytes and has exactly their length; `pool` lends scratch memory. */
  constructor(spec: AssemblySpec, target: Uint8Array, pool: BufferPool) {
    this.spec = spec;
    this.#target = target;
    this.#pool = pool;
    const { dataChunks, parityChunks } = spec.code;
    this.#isReplicated = isReplicated(spec.code);
    this.#stride = chunkStride(spec.stripeBytes, dataChunks);
    for (let index = 0; index < dataChunks + parityChunks; index++) {
      const bytes = chunkLength(spec.stripeBytes, dataChunks, index);
      const isKnownEmpty = bytes === 0;
      if (isKnownEmpty) this.#goodCount += 1;
      this.#chunks.push({
        index,
        bytes,
        attempt: -1,
        digestLow: 0,
        digestHigh: 0,
        received: 0,
        hasher: null,
        isReceiving: false,
        status: isKnownEmpty ? "good" : "unknown",
        // An empty chunk holds nothing that could be missing.
        memory: isKnownEmpty ? new Uint8Array(0) : null,
      });
    }
  }

  /** A chunk's parts will follow. `bad`: it cannot be a chunk of this stripe. */
  announce(message: MessageOf<"chunk">): Change {
    const chunk = this.#chunks[message.index];
    if (
      this.#isFinished ||
      chunk === undefined ||
      chunk.status === "good" ||
      message.attempt <= chunk.attempt
    )
      return "none";
    chunk.attempt = message.attempt;
    chunk.received = 0;
    if (message.bytes !== chunk.bytes) return this.#spoil(chunk);
    chunk.status = "coming";
    chunk.digestLow = message.digestLow;
    chunk.digestHigh = message.digestHigh;
    chunk.memory ??= this.#memoryOf(chunk);
    return "none";
  }

  /** Where a part goes: null unless it is the very next one of the attempt under way. */
  place(message: MessageOf<"data">, bytes: number): Uint8Array | null {
    const chunk = this.#chunkOf(message);
    if (chunk === null || chunk.memory === null || chunk.isReceiving) return null;
    if (message.offset !== chunk.received || bytes === 0 || message.offset + bytes > chunk.bytes)
      return null;
    chunk.isReceiving = true;
    return chunk.memory.subarray(message.offset, message.offset + bytes);
  }

  /** A part has come; `body` is null when it had no place. */
  received(message: MessageOf<"data">, body: Uint8Array | null): Change {
    if (body === null) {
      // Parts come in order, so a part out of place means that the chunk cannot become whole.
      const chunk = this.#chunkOf(message);
      return chunk === null || chunk.isReceiving ? "none" : this.#spoil(chunk);
    }
    const chunk = this.#chunks[message.index];
    if (chunk === undefined) return "none";
    chunk.isReceiving = false;
    if (this.#isFinished || chunk.status !== "coming" || chunk.attempt !== message.attempt)
      return "none";
    const isFirst = chunk.received === 0;
    chunk.received += body.length;
    const digest = this.#digest(chunk, body, isFirst);
    if (digest === null) return "none";
    if (digest.low !== chunk.digestLow || digest.high !== chunk.digestHigh)
      return this.#spoil(chunk);
    chunk.status = "good";
    this.#goodCount += 1;
    return "good";
  }

  /** The transport has let go of this chunk's place without filling it. */
  unplace(index: number): void {
    const chunk = this.#chunks[index];
    if (chunk !== undefined) chunk.isReceiving = false;
  }

  /** The proxy says that these are proven missing. */
  noteErased(indexes: readonly number[]): void {
    for (const index of indexes) {
      const chunk = this.#chunks[index];
      if (chunk !== undefined && chunk.bytes > 0) this.#erased.add(index);
    }
  }

  /** True after `finish`. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** True while fewer than d chunks are whole. */
  get isShort(): boolean {
    return this.#goodCount < this.spec.code.dataChunks;
  }

  /**
   * True when `finish` may be called: every wanted byte is there or can be reconstructed, and the transport is
   * not writing to where it would be reconstructed.
   */
  get isReady(): boolean {
    if (this.#isReplicated) {
      const placed = this.#placed;
      const isPlaceFree = placed === null || !placed.isReceiving || placed.status === "good";
      return this.#goodCount > 0 && isPlaceFree;
    }
    let lacksWanted = false;
    for (const chunk of this.#chunks) {
      if (chunk.status === "good" || !this.#isWanted(chunk)) continue;
      if (chunk.isReceiving) return false;
      lacksWanted = true;
    }
    return !lacksWanted || this.#goodCount >= this.spec.code.dataChunks;
  }

  /** Reconstructs what is missing, fills the target, and says how many chunks had to be reconstructed. */
  finish(): number {
    this.#isFinished = true;
    if (this.#isReplicated) {
      if (this.#placed?.status !== "good") this.#copyWanted(this.#goodCopy);
      return 0;
    }
    const missing = this.#chunks.filter(
      (chunk) => chunk.status !== "good" && this.#isWanted(chunk),
    );
    if (missing.length > 0) this.#reconstruct(missing);
    const { dataChunks } = this.spec.code;
    for (const chunk of this.#chunks) {
      if (chunk.index >= dataChunks || !this.#isWanted(chunk) || this.#isInPlace(chunk)) continue;
      this.#copyWanted(chunk);
    }
    return missing.length;
  }

  /** Chunks proven missing or found bad, computed anew into fresh memory; empty when that is impossible. After `finish`. */
  lostChunks(): { readonly index: number; readonly bytes: Uint8Array }[] {
    if (this.#erased.size === 0 || this.#goodCount < this.spec.code.dataChunks) return [];
    const { dataChunks, parityChunks } = this.spec.code;
    const lost = [...this.#erased]
      .filter((index) => !this.#isGoodOnWire(index))
      .map((index) => ({ index, bytes: new Uint8Array(this.#chunks[index]?.bytes ?? 0) }));
    const shards = this.#chunks.map((chunk) => (chunk.status === "good" ? chunk.memory : null));
    for (const { index, bytes } of lost) shards[index] = bytes;
    const present = this.#chunks.map((chunk) => chunk.status === "good");
    const wanted = this.#chunks.map((chunk) => lost.some(({ index }) => index === chunk.index));
    if (lost.length > 0)
      createCode(dataChunks, parityChunks).reconstruct(shards, present, wanted, this.#stride);
    return lost;
  }

  /** How many bytes `lostChunks` would make. */
  get lostBytes(): number {
    let bytes = 0;
    for (const index of this.#erased) bytes += this.#chunks[index]?.bytes ?? 0;
    return bytes;
  }

  /** Gives scratch memory back; only when the transport has no place of this stripe. */
  release(): void {
    this.#isFinished = true;
    for (const lease of this.#leases) lease.release();
    this.#leases.length = 0;
  }

  /** True while the transport writes to a place of this stripe. */
  get isReceiving(): boolean {
    return this.#chunks.some((chunk) => chunk.isReceiving);
  }

  /** Takes the next part; the digest once the last has come. One that comes in a single part needs no state of its own. */
  #digest(chunk: Chunk, body: Uint8Array, isFirst: boolean): Digest | null {
    const isLast = chunk.received === chunk.bytes;
    const identity = this.#identityOf(chunk.index);
    if (isFirst && isLast) return chunkDigest(identity, body);
    chunk.hasher ??= createHasher();
    if (isFirst) {
      const seed = seedOf(identity);
      chunk.hasher.reset(seed.low, seed.high);
    }
    chunk.hasher.update(body);
    return isLast ? chunk.hasher.digest() : null;
  }

  #isGoodOnWire(index: number): boolean {
    return this.#chunks[index]?.status === "good";
  }

  #chunkOf(message: MessageOf<"data">): Chunk | null {
    const chunk = this.#chunks[message.index];
    if (this.#isFinished || chunk === undefined) return null;
    return chunk.status === "coming" && chunk.attempt === message.attempt ? chunk : null;
  }

  #spoil(chunk: Chunk): Change {
    chunk.status = "bad";
    this.#erased.add(chunk.index);
    return "bad";
  }

  #reconstruct(missing: readonly Chunk[]): void {
    const { dataChunks, parityChunks } = this.spec.code;
    for (const chunk of missing) chunk.memory ??= this.#memoryOf(chunk);
    const shards = this.#chunks.map((chunk) => chunk.memory);
    const present = this.#chunks.map((chunk) => chunk.status === "good");
    const wanted = this.#chunks.map((chunk) => missing.includes(chunk));
    createCode(dataChunks, parityChunks).reconstruct(shards, present, wanted, this.#stride);
  }

  /** Data whose bytes overlap the wanted ones. */
  #isWanted(chunk: Chunk): boolean {
    const { code, start, end } = this.spec;
    const offset = chunk.index * this.#stride;
    return (
      chunk.index < code.dataChunks &&
      chunk.bytes > 0 &&
      offset < end &&
      offset + chunk.bytes > start
    );
  }

  /** Where in the stripe its bytes belong; null: nowhere. */
  #offsetOf(chunk: Chunk): number | null {
    if (this.#isReplicated) return 0;
    return chunk.index < this.spec.code.dataChunks ? chunk.index * this.#stride : null;
  }

  #isInPlace(chunk: Chunk): boolean {
    const { start, end } = this.spec;
    const offset = this.#offsetOf(chunk);
    return offset !== null && offset >= start && offset + chunk.bytes <= end;
  }

  #memoryOf(chunk: Chunk): Uint8Array {
    if (this.#isInPlace(chunk) && (!this.#isReplicated || this.#takePlace(chunk))) {
      const at = (this.#offsetOf(chunk) ?? 0) - this.spec.start;
      return this.#target.subarray(at, at + chunk.bytes);
    }
    const lease = this.#pool.take(chunk.bytes);
    this.#leases.push(lease);
    return lease.memory();
  }

  /** Only one of several copies may be received where the stripe belongs, until it proves bad. */
  #takePlace(copy: Chunk): boolean {
    const before = this.#placed;
    if (before !== null && (before.status !== "bad" || before.isReceiving)) return false;
    if (before !== null) before.memory = null;
    this.#placed = copy;
    return true;
  }

  get #goodCopy(): Chunk {
    const copy = this.#chunks.find(({ status }) => status === "good");
    assert(copy !== undefined, "a stripe is finished when it is ready");
    return copy;
  }

  #copyWanted(chunk: Chunk): void {
    const { start, end } = this.spec;
    const offset = this.#offsetOf(chunk) ?? 0;
    const from = Math.max(start, offset);
    const to = Math.min(end, offset + chunk.bytes);
    const { memory } = chunk;
    if (memory !== null)
      this.#target.set(memory.subarray(from - offset, to - offset), from - start);
  }

  #identityOf(index: number): ChunkIdentity {
    const { keyHash, generation, version, stripe } = this.spec;
    return { keyHash, generation, version, stripe, index };
  }
}
