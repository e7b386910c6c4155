// How much of a function's memory may hold chunks. The provider kills an instance that exceeds its memory,
// and the store with it, so what the process needs for itself is set aside first. Arithmetic only.
//
// Measured on Node 24 with the bundle over TCP, store full, then 10 s of puts, gets and drops (peak of the
// resident set, beyond the budget): a bare instance 50 MB; full 62 MB; under churn 116 MB with a store of 152 MB and
// 185 MB with one of 1,392 MB, since glibc, once a large block was freed, carves later ones out of a heap that
// fragments. With MALLOC_MMAP_THRESHOLD_=65536 and MALLOC_ARENA_MAX=1 it was 78 MB and 63 MB.

const MIB = 1_024 * 1_024;

/** Set aside for everything but chunks, in MiB. */
const RESERVE_MB = 96;
/** One part in so many is slack for the allocator, where it gives every chunk pages of its own … */
const SLACK_DIVISOR_TUNED = 16;
/** … and where it does as it likes. */
const SLACK_DIVISOR_DEFAULT = 8;

/**
 * Bytes that chunks may take of a function of `memoryMb`; 0 when it is too small to hold any. `isTuned`: the allocator's
 * threshold is fixed, as deployment does by the environment variable MALLOC_MMAP_THRESHOLD_.
 */
export function chunkBudget(memoryMb: number, isTuned: boolean): number {
  const slackMb = Math.ceil(memoryMb / (isTuned ? SLACK_DIVISOR_TUNED : SLACK_DIVISOR_DEFAULT));
  return Math.max(0, Math.floor(memoryMb - RESERVE_MB - slackMb)) * MIB;
}
