// Where terms begin. A runtime refuses a lower term than it has seen, so a proxy that has lost its state must still
// come up with a higher one than its predecessor's: terms therefore never lie below the time of day in seconds.

/** Seconds since 1970 fit into 32 bits until 2106. */
const MS_PER_TERM = 1_000;

/** The lowest term a proxy that starts at this time may take. */
export function termFloor(wallMs: number): number {
  return Math.floor(wallMs / MS_PER_TERM) % 2 ** 32;
}
