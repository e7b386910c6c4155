// What one chunk costs its function in memory. Proxy and runtime must count alike, or the proxy would
// think there is room where the function answers "full". Arithmetic only.

/** From here on the allocator gives a chunk pages of its own. */
const PAGED_BYTES_MIN = 32 * 1_024;
/** Map entry, identity, typed array and buffer header, measured: 1,152 to 1,663 bytes on Node 24. */
const OVERHEAD_BYTES_SMALL = 1_792;
/** The same, and what is lost at the ends of the pages: 4,333 bytes measured for chunks of 100 KB. */
const OVERHEAD_BYTES_PAGED = 4_608;

/** Bytes of a function's budget that a chunk of `bytes` takes. */
export function chunkCost(bytes: number): number {
  return bytes + (bytes < PAGED_BYTES_MIN ? OVERHEAD_BYTES_SMALL : OVERHEAD_BYTES_PAGED);
}
