// How much of a function's memory may hold chunks. The provider kills an instance that exceeds its memory,
// and the store with it, so what the process needs for itself is set aside first. Arithmetic only.
//
// Measured on Node 24 with full stores under PUTs of all sizes (decision 0031): the resident set's peak is 60 to 85 MB
// above the budget, 50 of them a bare instance's.

const MIB = 1_024 * 1_024;

/** Set aside for everything but chunks, in MiB. */
const RESERVE_MB = 104;
/** One part in so many is left free, so that chunks of all sizes find room in one piece as a rule. */
const SLACK_DIVISOR = 32;

/** Bytes that chunks may take of a function of `memoryMb`; 0 when it is too small to hold any. */
export function chunkBudget(memoryMb: number): number {
  const slackMb = Math.ceil(memoryMb / SLACK_DIVISOR);
  return Math.max(0, Math.floor(memoryMb - RESERVE_MB - slackMb)) * MIB;
}

/** Bytes of memory in which a store of so many bytes of chunks lies. */
export function memoryOf(budgetBytes: number): number {
  return Math.floor(budgetBytes * (1 + 1 / SLACK_DIVISOR));
}
