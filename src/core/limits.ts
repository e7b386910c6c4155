// Every bound of the system that more than one room needs, with its unit and its reason.
// Bounds that only one module knows stand in that module.

const KIB = 1_024;
const MIB = 1_024 * KIB;

/** The longest body of one frame: large enough that headers are free, small enough to interleave. */
export const PART_BYTES_MAX = 1 * MIB;
/** The unit of coding: a 100 MB object then lies on about 40 functions, and a stream needs two of them in memory. */
export const STRIPE_BYTES_MAX = 32 * MIB;
/** A stream's last stripe under this is joined to the one before it. */
export const STRIPE_TAIL_BYTES_MIN = STRIPE_BYTES_MAX / 4;
/** The largest stripe there can be: a full one with a joined tail. */
export const STRIPE_BYTES_JOINED_MAX = STRIPE_BYTES_MAX + STRIPE_TAIL_BYTES_MIN;
/** The most chunks of one stripe; GF(2^8) has no more rows. */
export const CHUNKS_PER_STRIPE_MAX = 255;
/** The largest object: 4,096 full stripes, 128 GiB. */
export const STRIPES_PER_OBJECT_MAX = 4_096;
/** All metadata of one object, names and values together, in bytes of UTF-8. */
export const METADATA_BYTES_MAX = 8 * KIB;
/** How many metadata pairs one object may have. */
export const METADATA_PAIRS_MAX = 64;
/** What a sender may have on its way in one chunk transfer before the receiver grants more; also the most a proxy grants. */
export const CREDIT_BYTES_INITIAL = 1 * MIB;
/**
 * What a client may have on its way of each chunk of a PUT before the proxy grants more: it does so as soon as the chunk is
 * announced, if it has the memory. Twelve chunks of this keep the way to it busy meanwhile.
 */
export const PUT_CREDIT_BYTES_INITIAL = 128 * KIB;
/** A function returns by then, whatever it is doing: a time-out would cost its store. */
export const INVOCATION_MS_MAX = 45_000;
/** The time-out configured at the provider, for every function. */
export const FUNCTION_TIMEOUT_MS = 60_000;
/** Added to the function's time-out before an invocation of unknown fate is taken to have ended. */
export const DETACHED_MARGIN_MS = 5_000;
/** How long an operation may take when the caller names no deadline. */
export const DEADLINE_MS_DEFAULT = 60_000;
/** The proxy keeps the outcome of a mutation this long, so that a retry takes effect once. */
export const RETRY_WINDOW_MS = 120_000;
/** The most outcomes kept for retries; the oldest go first. */
export const RETRY_OUTCOMES_MAX = 100_000;
