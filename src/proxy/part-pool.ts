// Buffers for parts on their way through the proxy, used again and again: a fresh one would cost the first
// touch of its pages. A part is handed out, shared by its readers, and comes back when the last is done.

import { PART_BYTES_MAX } from "../core/limits.ts";
import { TRANSFER_BYTES_DEFAULT, TransferBudget } from "./transfer-credit.ts";

/** Shorter parts lie in buffers of this size, which are kept, too: most objects of a busy cache are small. */
const TINY_BYTES = 4_096;
/** What is longer and no longer than this is allocated afresh: it would pin more than it costs. */
const SMALL_BYTES_MAX = 16 * 1_024;
/** Lengths of buffers, so that short parts do not pin long ones: from 32 KiB on none is more than twice as long as its part. */
const BUFFER_BYTES: readonly number[] = [
  TINY_BYTES,
  PART_BYTES_MAX / 16,
  PART_BYTES_MAX / 8,
  PART_BYTES_MAX / 4,
  PART_BYTES_MAX / 2,
  PART_BYTES_MAX,
];
/** Kept beyond what transfers may hold: lengths change, and where just as much was kept GETs of 100 MB cost a third more CPU. */
const SPARE_BYTES = 32 * 1_024 * 1_024;
/** By how much less counts as in use of late for each byte that comes back: of a peak 16 MiB are forgotten in 4 GiB. */
const FORGOTTEN_SHARE = 1 / 256;

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
    pool.budget.hold(bytes.buffer.byteLength);
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    this.#holders--;
    if (this.#holders > 0) return;
    this.#pool.budget.letGo(this.bytes.buffer.byteLength);
    this.#pool.giveBack(this.bytes);
  }
}

/** The buffers of one proxy. */
export class PartPool {
  /** What all transfers may have on their way. */
  readonly budget: TransferBudget;
  /** Kept for the next parts, and what may be in use and kept together even if less was in use of late. */
  readonly #keptBytesMax: number;
  readonly #kept = new Map<number, ArrayBuffer[]>(BUFFER_BYTES.map((bytes) => [bytes, []]));
  #keptBytes = 0;
  /**
   * The most that was in use at once, of late. As much may be in use and kept together: less, and where many transfers
   * have their least each, buffers were let go and made again at each of their turns, faster than they are collected.
   */
  #peakBytes = 0;

  constructor(transferBytes: number = TRANSFER_BYTES_DEFAULT) {
    this.budget = new TransferBudget(transferBytes);
    this.#keptBytesMax = transferBytes + SPARE_BYTES;
  }

  /** Memory for a part of this length, its contents undefined. */
  take(bytes: number): Uint8Array {
    if (bytes > TINY_BYTES && bytes <= SMALL_BYTES_MAX) return new Uint8Array(bytes);
    const length = BUFFER_BYTES.find((each) => each >= bytes) ?? bytes;
    const kept = this.#kept.get(length)?.pop();
    if (kept !== undefined) this.#keptBytes -= length;
    return new Uint8Array(kept ?? new ArrayBuffer(length), 0, bytes);
  }

  /** The last holder is done with it. */
  giveBack(bytes: Uint8Array): void {
    const { buffer } = bytes;
    if (!(buffer instanceof ArrayBuffer)) return;
    const heldBytes = this.budget.heldBytes;
    const wereHeldBytes = heldBytes + buffer.byteLength;
    this.#peakBytes = Math.max(
      wereHeldBytes,
      this.#peakBytes - buffer.byteLength * FORGOTTEN_SHARE,
    );
    const same = this.#kept.get(buffer.byteLength);
    if (same === undefined) return;
    const most = Math.min(
      this.#keptBytesMax,
      Math.max(this.#keptBytesMax, this.#peakBytes) - heldBytes,
    );
    while (this.#keptBytes + buffer.byteLength > most) {
      // Parts have become longer or shorter, or fewer.
      const other = BUFFER_BYTES.findLast(
        (each) => each !== buffer.byteLength && (this.#kept.get(each)?.length ?? 0) > 0,
      );
      if (other === undefined) return;
      this.#kept.get(other)?.pop();
      this.#keptBytes -= other;
    }
    same.push(buffer);
    this.#keptBytes += buffer.byteLength;
  }
}
