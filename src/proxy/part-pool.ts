// Buffers for parts on their way through the proxy, used again and again: a fresh one would cost the first
// touch of its pages. A part is handed out, shared by its readers, and comes back when the last is done.

import { PART_BYTES_MAX } from "../core/limits.ts";

/** Shorter parts lie in buffers of this size, which are kept, too: most objects of a busy cache are small. */
const TINY_BYTES = 4_096;
/** What is longer and no longer than this is allocated afresh: it would pin more than it costs. */
const SMALL_BYTES_MAX = 64 * 1_024;
/** Buffers of a size kept for the next part; beyond this they are let go. */
const KEPT_BUFFERS_MAX = 64;

/** One part of a chunk, owned by everybody who holds it. */
export class Part {
  readonly bytes: Uint8Array;
  readonly offset: number;
  #holders = 1;
  readonly #pool: PartPool;

  constructor(pool: PartPool, bytes: Uint8Array, offset: number) {
    this.#pool = pool;
    this.bytes = bytes;
    this.offset = offset;
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    this.#holders--;
    if (this.#holders === 0) this.#pool.giveBack(this.bytes);
  }
}

/** The buffers of one proxy. */
export class PartPool {
  readonly #kept: ArrayBuffer[] = [];
  readonly #keptTiny: ArrayBuffer[] = [];

  /** Memory for a part of this length, its contents undefined. */
  take(bytes: number): Uint8Array {
    if (bytes <= TINY_BYTES)
      return new Uint8Array(this.#keptTiny.pop() ?? new ArrayBuffer(TINY_BYTES), 0, bytes);
    if (bytes <= SMALL_BYTES_MAX) return new Uint8Array(bytes);
    const buffer = this.#kept.pop() ?? new ArrayBuffer(PART_BYTES_MAX);
    return new Uint8Array(buffer, 0, bytes);
  }

  /** The last holder is done with it. */
  giveBack(bytes: Uint8Array): void {
    const { buffer } = bytes;
    if (!(buffer instanceof ArrayBuffer)) return;
    const { byteLength } = buffer;
    const kept =
      byteLength === PART_BYTES_MAX
        ? this.#kept
        : byteLength === TINY_BYTES
          ? this.#keptTiny
          : null;
    if (kept !== null && kept.length < KEPT_BUFFERS_MAX) kept.push(buffer);
  }
}
