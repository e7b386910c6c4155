/**
 * An arena: a fixed piece of WebAssembly memory for the caller's shards, so that coding them copies nothing.
 * It hands out no pieces and frees none; the caller cuts `bytes` as it likes, and drops the arena as a whole.
 */
import { ARENA_AT } from "./kernel.ts";
import { createWasmKernel } from "./kernel-wasm.ts";

/** Memory that the codes of this room work on in place. */
export interface Arena {
  /** The caller's memory, zeros at first. Any view of it is coded in place, also one mixed with other buffers. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The most bytes of one arena: a WebAssembly memory ends at 4 GiB, and engines stop a little earlier. */
export const ARENA_BYTES_MAX = 2 ** 31;

/** Addresses 4096 bytes apart share a set of the first-level cache. */
const PAGE_LINES = 4096 / 64;

/**
 * An arena of `capacityBytes`. The engine reserves several GiB of addresses for each, so make few and large ones.
 * Without WebAssembly it is ordinary memory. Throws RangeError beyond `ARENA_BYTES_MAX` or when memory is short.
 *
 * ```ts
 * const { bytes } = createArena(12 * shardStride(shardBytes));
 * const shards = Array.from({ length: 12 }, (_, index) =>
 *   bytes.subarray(index * shardStride(shardBytes)).subarray(0, shardBytes));
 * createCode(10, 2).encode(shards.slice(0, 10), shards.slice(10), shardBytes); // Copies nothing.
 * ```
 */
export function createArena(capacityBytes: number): Arena {
  if (!Number.isInteger(capacityBytes) || capacityBytes < 0 || capacityBytes > ARENA_BYTES_MAX) {
    throw new RangeError(`an arena has 0 to ${ARENA_BYTES_MAX} bytes, not ${capacityBytes}`);
  }
  const kernel = createWasmKernel(capacityBytes);
  if (kernel === null) return { bytes: new Uint8Array(capacityBytes) };
  return { bytes: kernel.heap.subarray(ARENA_AT, ARENA_AT + capacityBytes) };
}

/**
 * The distance at which to lay out shards of this size in an arena: whole cache lines, and beyond a page five lines more
 * than pages, so that the same place of many shards does not compete for one set of the first-level cache.
 */
export function shardStride(shardBytes: number): number {
  const lines = Math.ceil(shardBytes / 64);
  const padLines = lines < PAGE_LINES ? 0 : (5 + PAGE_LINES - (lines % PAGE_LINES)) % PAGE_LINES;
  return (lines + padLines) * 64;
}
