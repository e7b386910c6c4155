// Which stripes lack chunks, and which of them is to be made whole next: the one with the least redundancy left, then
// the one used last. One repair of a stripe at a time, and a pause after one that failed. Pure: it moves nothing,
// reads no clock, and holds no more than a named number of stripes.

import { chunkCount } from "../core/code.ts";
import { type ObjectVersion, placeOf } from "./object-version.ts";

/** Stripes listed at once: about 20 MB. Beyond it those with most redundancy wait in the table, which is looked through again. */
export const DEGRADED_STRIPES_MAX = 65_536;
/** A claim that was not given back by then is void: a little longer than the order that holds it may last. */
export const CLAIM_MS_MAX = 35_000;
/** The pause after a repair that failed doubles from the first to the last of these. */
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 30_000;

/** A stripe that lacks chunks. */
export interface DegradedStripe {
  readonly object: ObjectVersion;
  readonly stripe: number;
}

interface Entry extends DegradedStripe {
  /** Chunks that may still be lost before the stripe is. */
  spare: number;
  /** Nobody else may repair it before. */
  claimedUntil: number;
  notBefore: number;
  failures: number;
}

/** See the header. */
export class RepairPlan {
  readonly #stripesMax: number;
  readonly #entries = new Map<string, Entry>();
  /** The same by what they can spare. */
  readonly #bySpare = new Map<number, Map<string, Entry>>();
  #hasOverlooked = false;

  constructor(stripesMax: number = DEGRADED_STRIPES_MAX) {
    this.#stripesMax = stripesMax;
  }

  /** Stripes known to lack chunks. */
  get size(): number {
    return this.#entries.size;
  }

  /** Stripes that the next loss would end. */
  get exposed(): number {
    return this.#bySpare.get(0)?.size ?? 0;
  }

  /** Whether there were more than fit, and now there is room: the table is to be looked through again. */
  get wantsRestock(): boolean {
    return this.#hasOverlooked && this.#entries.size <= this.#stripesMax / 2;
  }

  /** A chunk of the stripe was lost or stored. */
  note(object: ObjectVersion, stripe: number): void {
    const name = nameOf(object, stripe);
    const known = this.#entries.get(name);
    const missing = missingOf(object, stripe).length;
    const spare = object.code.parityChunks - missing;
    if (missing === 0 || spare < 0 || !object.isCurrent) {
      if (known !== undefined) this.#remove(name, known);
      return;
    }
    if (known === undefined) {
      if (this.#makeRoom(spare))
        this.#add(name, { object, stripe, spare, claimedUntil: 0, notBefore: 0, failures: 0 });
    } else if (known.spare !== spare) {
      this.#remove(name, known);
      known.spare = spare;
      this.#add(name, known);
    }
  }

  /** The version is not current any more. */
  forget(object: ObjectVersion): void {
    if (this.#entries.size === 0) return;
    for (let stripe = 0; stripe < object.layout.stripeCount; stripe++) {
      const name = nameOf(object, stripe);
      const entry = this.#entries.get(name);
      if (entry !== undefined) this.#remove(name, entry);
    }
  }

  /** Looks through all current versions, after there were more than fit. */
  restock(objects: Iterable<ObjectVersion>): void {
    this.#hasOverlooked = false;
    for (const object of objects) {
      if (object.places.every(({ instance }) => instance !== null)) continue;
      for (let stripe = 0; stripe < object.layout.stripeCount; stripe++) this.note(object, stripe);
    }
  }

  /** Claims the stripe to repair next; null when there is none now. */
  take(now: number, isBusy: (stripe: DegradedStripe) => boolean): DegradedStripe | null {
    // Never more than the codes have parities, mostly two.
    for (const spare of [...this.#bySpare.keys()].sort((a, b) => a - b)) {
      let best: Entry | null = null;
      for (const entry of this.#bySpare.get(spare)?.values() ?? []) {
        if (Math.max(entry.claimedUntil, entry.notBefore) > now) continue;
        if ((best === null || isUsedLater(entry, best)) && !isBusy(entry)) best = entry;
      }
      if (best === null) continue;
      best.claimedUntil = now + CLAIM_MS_MAX;
      return best;
    }
    return null;
  }

  /** Whether the stripe is being repaired by somebody who has claimed it. */
  isClaimed(object: ObjectVersion, stripe: number, now: number): boolean {
    return (this.#entries.get(nameOf(object, stripe))?.claimedUntil ?? 0) > now;
  }

  /** A claim is given back. True when the stripe is whole, or nobody wants it any more; else it pauses if `isFailure`. */
  release({ object, stripe }: DegradedStripe, now: number, isFailure: boolean): boolean {
    const entry = this.#entries.get(nameOf(object, stripe));
    if (entry === undefined) return true;
    entry.claimedUntil = 0;
    if (isFailure)
      entry.notBefore = now + Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** entry.failures++);
    return false;
  }

  /** When a stripe can be taken that cannot be now; null when there is none. */
  nextAt(now: number): number | null {
    let next: number | null = null;
    for (const { claimedUntil, notBefore } of this.#entries.values()) {
      const at = Math.max(claimedUntil, notBefore);
      if (at > now && (next === null || at < next)) next = at;
    }
    return next;
  }

  /** Room for one with so much to spare: at the cost of one that can spare more, or not at all. */
  #makeRoom(spare: number): boolean {
    if (this.#entries.size < this.#stripesMax) return true;
    this.#hasOverlooked = true;
    const most = Math.max(...this.#bySpare.keys());
    if (most <= spare) return false;
    for (const [name, entry] of this.#bySpare.get(most) ?? []) {
      this.#remove(name, entry);
      return true;
    }
    return false;
  }

  #add(name: string, entry: Entry): void {
    this.#entries.set(name, entry);
    const bucket = this.#bySpare.get(entry.spare) ?? new Map<string, Entry>();
    this.#bySpare.set(entry.spare, bucket.set(name, entry));
  }

  #remove(name: string, entry: Entry): void {
    this.#entries.delete(name);
    const bucket = this.#bySpare.get(entry.spare);
    bucket?.delete(name);
    if (bucket?.size === 0) this.#bySpare.delete(entry.spare);
  }
}

/** The indexes of the stripe's chunks that are stored nowhere. */
export function missingOf(object: ObjectVersion, stripe: number): number[] {
  const missing: number[] = [];
  for (let index = 0; index < chunkCount(object.code); index++)
    if (placeOf(object, stripe, index)?.instance === null) missing.push(index);
  return missing;
}

function isUsedLater(a: Entry, b: Entry): boolean {
  if (a.object.usedAt !== b.object.usedAt) return a.object.usedAt > b.object.usedAt;
  return a.object.version > b.object.version;
}

function nameOf({ version }: ObjectVersion, stripe: number): string {
  return `${version}.${stripe}`;
}
