// How much of a function's memory may hold chunks. The provider kills an instance that exceeds its memory,
// and the store with it, so what the process needs for itself is set aside first. Arithmetic only.

const MIB = 1_024 * 1_024;

/**
 * Set aside for everything but chunks, in MiB: a bare instance (Node 24, the bundle, a connection) and what it needs under load,
 * as measured by `test/unit/runtime` and the local Lambda service; see docs/protocol/function.md.
 */
export const RESERVE_MB = 96;
/** Held back beside the reserve: allocator slack and page tables grow with the store. 1 part in 32 is 48 MB of 1.5 GB. */
const SLACK_DIVISOR = 32;

/** Bytes that chunks may take of a function of `memoryMb`; 0 when it is too small to hold any. */
export function chunkBudget(memoryMb: number): number {
  const slackMb = Math.ceil(memoryMb / SLACK_DIVISOR);
  return Math.max(0, Math.floor(memoryMb - RESERVE_MB - slackMb)) * MIB;
}
