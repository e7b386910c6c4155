// What repairs may spend: bytes per second, and money per hour by the ledger. Pure; whoever asks says what time it is
// and what repairs have cost so far.

/** What repairs may spend. */
export interface RepairLimits {
  /** Bytes read and stored by repairs; 0: no repairs. */
  readonly bytesPerSecond: number;
  /** Of the ledger's account `repair`, within the last hour. */
  readonly dollarsPerHour: number;
}

/** For whoever names none: a node of 500 MB in 8 s, and about 35 nodes of 1.5 GB an hour. */
export const REPAIR_LIMITS_DEFAULT: RepairLimits = {
  bytesPerSecond: 64 * 1_024 * 1_024,
  dollarsPerHour: 0.1,
};

const HOUR_MS = 3_600_000;
/** The hour moves on in steps of this. */
const MARK_MS = 60_000;
/** Unspent bytes are kept for so long. */
const SAVED_S_MAX = 1;

/** See the header. */
export class RepairBudget {
  readonly limits: RepairLimits;
  #bytes: number;
  #filledAt: number;
  /** What repairs had cost at these times, the oldest first. */
  readonly #marks: { readonly at: number; readonly dollars: number }[] = [];

  constructor(limits: RepairLimits, now: number) {
    this.limits = limits;
    this.#bytes = limits.bytesPerSecond * SAVED_S_MAX;
    this.#filledAt = now;
  }

  /** How long to wait until the next repair may begin; 0: now. `dollars`: what repairs have cost since the beginning. */
  waitMs(now: number, dollars: number): number {
    const { bytesPerSecond, dollarsPerHour } = this.limits;
    if (bytesPerSecond === 0) return Number.POSITIVE_INFINITY;
    if (this.dollarsLastHour(now, dollars) >= dollarsPerHour) return MARK_MS;
    this.#fill(now);
    return this.#bytes > 0 ? 0 : Math.ceil((-1_000 * this.#bytes) / bytesPerSecond) + 1;
  }

  /**
   * A repair of so many bytes begins. Within any time no more begins than its share of the rate, one second's bytes
   * and one repair: a stripe that is larger than what is saved is owed, and waited for afterwards.
   */
  spend(bytes: number, now: number): void {
    this.#fill(now);
    this.#bytes -= bytes;
  }

  /** What repairs have cost within the last hour. */
  dollarsLastHour(now: number, dollars: number): number {
    const last = this.#marks.at(-1);
    if (last === undefined || now - last.at >= MARK_MS) this.#marks.push({ at: now, dollars });
    // The oldest mark stands for what was spent before the hour.
    while ((this.#marks[1]?.at ?? now) <= now - HOUR_MS) this.#marks.shift();
    return dollars - (this.#marks[0]?.dollars ?? dollars);
  }

  #fill(now: number): void {
    const { bytesPerSecond } = this.limits;
    const gained = ((now - this.#filledAt) / 1_000) * bytesPerSecond;
    this.#bytes = Math.min(bytesPerSecond * SAVED_S_MAX, this.#bytes + gained);
    this.#filledAt = now;
  }
}
