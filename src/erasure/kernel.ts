/**
 * What a kernel does: four sums over a heap of bytes, with shards named by their address in it. Two exist, WebAssembly
 * and portable, with the same results. A kernel knows no code and checks no argument; `coding.ts` lays out and asks.
 */
import { multiply } from "./field.ts";

/**
 * Sums of shards. All work on the list of (address, coefficient) entries set before, from index 0; `bytes` is a
 * multiple of `COLUMN_BYTES`. An output may be one of the inputs.
 */
export interface Kernel {
  /** All the memory there is: list, tables, scratch, then whatever an arena offers. Never grows. */
  readonly heap: Uint8Array<ArrayBuffer>;
  /** Sets one entry of the list. */
  enter(index: number, address: number, coefficient: number): void;
  /**
   * P = Σ D + pIn and Q = Σ 2^(count-1-j) D_j + qIn, each data byte read once. Coefficients are not looked at.
   * Address 0 is a shard of zeros in the list, nothing to add as pIn or qIn, nothing to store as pOut or qOut.
   */
  pq(count: number, pIn: number, qIn: number, pOut: number, qOut: number, bytes: number): void;
  /** out = Σ D. Coefficients are not looked at. */
  xor(count: number, out: number, bytes: number): void;
  /** out = Σ coefficient * D. */
  combine(count: number, out: number, bytes: number): void;
  isZero(at: number, bytes: number): boolean;
}

/** Kernels work on 64-byte columns: four vectors of each sum in registers, and one cache line of every shard. */
export const COLUMN_BYTES = 64;

/** The list: 8 bytes for each entry, of which a sum has at most 255 and one more for what it is added to. */
export const LIST_AT = 0;
/** 32 bytes for each coefficient c: c*0 … c*15, then c*0x00, c*0x10 … c*0xf0. */
export const TABLES_AT = 2048;
/** Where shards that are not in the heap are copied to, tile by tile. */
export const SCRATCH_AT = TABLES_AT + 256 * 32;
/** Half of a second-level cache, so that a tile of every shard stays near. */
export const SCRATCH_BYTES = 512 * 1024;
/** The first byte after the kernel's own, on a WebAssembly page. */
export const ARENA_AT = Math.ceil((SCRATCH_AT + SCRATCH_BYTES) / 65536) * 65536;

/** Writes the product tables of all coefficients: every kernel does it once, for its own heap. */
export function writeTables(heap: Uint8Array): void {
  for (let coefficient = 0; coefficient < 256; coefficient += 1) {
    const at = TABLES_AT + coefficient * 32;
    for (let nibble = 0; nibble < 16; nibble += 1) {
      heap[at + nibble] = multiply(coefficient, nibble);
      heap[at + 16 + nibble] = multiply(coefficient, nibble << 4);
    }
  }
}
