// Buffers of chunks that were freed, kept for chunks of nearly the same size: the first touch of fresh pages costs a
// function as much as receiving into them. Taken over by detaching, so that whoever still held a view holds nothing.
// It never keeps more than it is told, and never hands out a buffer that somebody may still write into.

/** A buffer that can be given back. */
export type ChunkBytes = Uint8Array<ArrayBuffer>;

/** Smaller ones come from the allocator's heap, whose pages were touched before. */
const SPARE_BYTES_MIN = 64 * 1_024;
/** All that is kept: what a few objects put at once take of one function. */
const SPARE_BYTES_MAX = 64 * 1_024 * 1_024;
/** A buffer is a whole number of pages, so that sizes that differ by less share buffers. */
const PAGE_BYTES = 4_096;
/** One part in so many may stay unused at a buffer's end; the reserve for the allocator's slack is larger (memory.ts). */
const WASTE_DIVISOR = 64;

/** See the header; oldest first to go. */
export class SpareBuffers {
  readonly #kept: ArrayBuffer[] = [];
  #bytes = 0;

  /** What is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A new buffer of zeros, of a size that can be kept later. */
  static fresh(bytes: number): ChunkBytes {
    if (bytes < SPARE_BYTES_MIN) return new Uint8Array(bytes);
    const whole = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    return new Uint8Array(new ArrayBuffer(whole), 0, bytes);
  }

  /** A kept buffer for so many bytes, their contents undefined; null when none fits. */
  take(bytes: number): ChunkBytes | null {
    if (bytes < SPARE_BYTES_MIN) return null;
    const bytesMax = bytes + Math.max(PAGE_BYTES - 1, bytes / WASTE_DIVISOR);
    // The newest first: its pages are the likeliest to be in the processor's caches.
    const at = this.#kept.findLastIndex(
      ({ byteLength }) => byteLength >= bytes && byteLength <= bytesMax,
    );
    const buffer = this.#kept[at];
    if (buffer === undefined) return null;
    this.#kept.splice(at, 1);
    this.#bytes -= buffer.byteLength;
    return new Uint8Array(buffer, 0, bytes);
  }

  /** Frees `bytes`, whose views are empty from now on; kept if at most `roomBytes` are kept then in all. */
  offer({ buffer }: ChunkBytes, roomBytes: number): void {
    if (buffer.byteLength < SPARE_BYTES_MIN || buffer.byteLength > roomBytes) {
      buffer.transfer(0);
      return;
    }
    this.shrink(roomBytes - buffer.byteLength);
    const kept = buffer.transfer();
    this.#kept.push(kept);
    this.#bytes += kept.byteLength;
    this.shrink(SPARE_BYTES_MAX);
  }

  /** Lets go until at most so many bytes are kept. */
  shrink(bytesMax: number): void {
    while (this.#bytes > bytesMax) {
      const oldest = this.#kept.shift();
      if (oldest === undefined) return;
      this.#bytes -= oldest.byteLength;
      oldest.transfer(0);
    }
  }
}
