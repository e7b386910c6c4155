/**
 * One coding call at work: walks the shards tile by tile, says where in the kernel's heap each shard's tile is, copies
 * in and out what lives elsewhere, and sums parity rows. It decides nothing about which shards are lost: `code.ts` does.
 *
 * A shard that is a view of the heap is worked on in place. The last few bytes of a shard, less than a column, always
 * go through scratch, so that a kernel may work in whole columns and never writes past a shard's end.
 */
import { COLUMN_BYTES, type Kernel, SCRATCH_AT, SCRATCH_BYTES } from "./kernel.ts";

/** Measured on 10+2 of 100 MB in ordinary memory: 8.6 GB/s with 16 KiB, 6.8 with 8 KiB, 6.0 with 4 KiB. */
const TILE_BYTES_MAX = 16384;

/** Keeps the slots of scratch at different places modulo 4096, for the first-level cache's sake. */
const SLOT_PAD_BYTES = 5 * COLUMN_BYTES;

/** Slots of scratch: one for each shard, by its index, then one for each parity row's syndrome. */
export class Coding {
  readonly #kernel: Kernel;
  readonly #rows: readonly Uint8Array[];
  readonly #dataShards: number;
  readonly #tileBytesMax: number;
  /** For each shard: its tile's address in the heap, or 0 for a tile of zeros. */
  readonly addresses: Uint32Array;
  #from = 0;
  #bytes = 0;

  constructor(kernel: Kernel, dataShards: number, rows: readonly Uint8Array[]) {
    this.#kernel = kernel;
    this.#rows = rows;
    this.#dataShards = dataShards;
    this.addresses = new Uint32Array(dataShards + rows.length);
    const slotCount = dataShards + 2 * rows.length;
    const slotBytes = Math.floor(SCRATCH_BYTES / slotCount) - SLOT_PAD_BYTES;
    this.#tileBytesMax = Math.min(TILE_BYTES_MAX, slotBytes - (slotBytes % COLUMN_BYTES));
  }

  /** Moves to the first tile of shards of this size; false when there is none. */
  start(shardBytes: number): boolean {
    this.#from = 0;
    this.#bytes = 0;
    return this.next(shardBytes);
  }

  /** Moves to the next tile; false after the last one. */
  next(shardBytes: number): boolean {
    this.#from += this.#bytes;
    const rest = Math.min(shardBytes - this.#from, this.#tileBytesMax);
    this.#bytes = rest < COLUMN_BYTES ? rest : rest - (rest % COLUMN_BYTES);
    return this.#bytes > 0;
  }

  /** Makes the tile of an input shard addressable. What the shard is too short for counts as zeros. */
  load(index: number, shard: Uint8Array): void {
    const there = Math.min(shard.length - this.#from, this.#bytes);
    if (there <= 0) {
      this.addresses[index] = 0;
    } else if (this.#isInPlace(shard)) {
      this.addresses[index] = shard.byteOffset + this.#from;
    } else {
      const { heap } = this.#kernel;
      const at = this.#slot(index);
      heap.set(shard.subarray(this.#from, this.#from + there), at);
      heap.fill(0, at + there, at + this.#columnsBytes());
      this.addresses[index] = at;
    }
  }

  /** Gives an output shard's tile a place: its own, or scratch, also when it is null. */
  place(index: number, shard: Uint8Array | null): void {
    const isInPlace = shard !== null && this.#isInPlace(shard);
    this.addresses[index] = isInPlace ? shard.byteOffset + this.#from : this.#slot(index);
  }

  /** Brings an output shard's tile home from scratch. Only the shard's own length is written. */
  store(index: number, shard: Uint8Array): void {
    const at = this.addresses[index] as number;
    const room = Math.min(shard.length - this.#from, this.#bytes);
    if (room <= 0 || at !== this.#slot(index)) return;
    shard.set(this.#kernel.heap.subarray(at, at + room), this.#from);
  }

  /** The address of a parity row's syndrome. */
  syndrome(row: number): number {
    return this.#slot(this.#dataShards + this.#rows.length + row);
  }

  /**
   * Sums the data tiles by parity rows into `outputs[row]`, where that is not 0, and adds the row's own parity tile when
   * `addsParity`: what is then left is zero, or the syndrome of the shards whose address is 0.
   */
  sumRows(outputs: Uint32Array, addsParity: boolean): void {
    const kernel = this.#kernel;
    const bytes = this.#columnsBytes();
    const added = (row: number) =>
      addsParity && outputs[row] ? (this.addresses[this.#dataShards + row] as number) : 0;
    const [pOut = 0, qOut = 0] = outputs;
    if (qOut !== 0) {
      for (let index = 0; index < this.#dataShards; index += 1) {
        kernel.enter(index, this.addresses[index] as number, 1);
      }
      kernel.pq(this.#dataShards, added(0), added(1), pOut, qOut, bytes);
    } else if (pOut !== 0) {
      kernel.xor(this.#enterRow(0, added(0)), pOut, bytes);
    }
    for (let row = 2; row < this.#rows.length; row += 1) {
      const out = outputs[row] as number;
      if (out !== 0) kernel.combine(this.#enterRow(row, added(row)), out, bytes);
    }
  }

  /** Solves for one lost shard: its tile is the sum of the syndromes of `rows`, weighed by `weights`. */
  solve(index: number, rows: readonly number[], weights: Uint8Array): void {
    rows.forEach((row, entry) => {
      this.#kernel.enter(entry, this.syndrome(row), weights[entry] as number);
    });
    this.#kernel.combine(rows.length, this.addresses[index] as number, this.#columnsBytes());
  }

  /** Whether a row's syndrome is zero in this tile. */
  isZero(row: number): boolean {
    return this.#kernel.isZero(this.syndrome(row), this.#columnsBytes());
  }

  #enterRow(row: number, added: number): number {
    const weights = this.#rows[row] as Uint8Array;
    let count = 0;
    for (let index = 0; index < this.#dataShards; index += 1) {
      const address = this.addresses[index] as number;
      if (address !== 0) this.#kernel.enter(count++, address, weights[index] as number);
    }
    if (added !== 0) this.#kernel.enter(count++, added, 1);
    return count;
  }

  #isInPlace(shard: Uint8Array): boolean {
    return (
      shard.buffer === this.#kernel.heap.buffer &&
      this.#bytes % COLUMN_BYTES === 0 &&
      this.#from + this.#bytes <= shard.length
    );
  }

  #columnsBytes(): number {
    return Math.ceil(this.#bytes / COLUMN_BYTES) * COLUMN_BYTES;
  }

  #slot(index: number): number {
    return SCRATCH_AT + index * (this.#tileBytesMax + SLOT_PAD_BYTES);
  }
}
