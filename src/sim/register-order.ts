// The heart of the register judgement, for simulated and real runs alike: whether there is an order of all PUTs, DELETEs
// and hits of one key in which each lies within its time and every hit follows its PUT at once. A miss is always legal.
// It is that of Gibbons and Korach for distinct values, and knows neither keys nor bytes.

/** All that concerns one PUT or DELETE that certainly took effect. */
export interface Span {
  /** The earliest end among the write itself and the hits that saw it: by then it had taken effect. */
  readonly firstEndAt: number;
  /** The latest beginning among the same: after that, or during it, it was still in effect. */
  readonly lastBeginAt: number;
}

/** A write that was in effect throughout, and another that must have been in effect in between. */
export interface Misplaced<S extends Span> {
  readonly held: S;
  readonly intruder: S;
}

/**
 * Every write of one key that cannot be put in order, with one reason. Where the first end of a span lies before its last
 * beginning, the register held it from the one to the other; neither another such span, nor the whole of a write that was
 * not held so, may fall in between.
 */
export function misplacedIn<S extends Span>(spans: readonly S[]): Misplaced<S>[] {
  const faults: Misplaced<S>[] = [];
  const sorted = [...spans].sort((a, b) => a.firstEndAt - b.firstEndAt);
  for (const [at, held] of sorted.entries()) {
    if (!isHeld(held)) continue;
    // Of two that are held the one that came first is told of.
    const intruder = sorted.find(
      (other, place) => other !== held && (!isHeld(other) || place > at) && isWithin(other, held),
    );
    if (intruder !== undefined) faults.push({ held, intruder });
  }
  return faults;
}

const isHeld = ({ firstEndAt, lastBeginAt }: Span): boolean => firstEndAt < lastBeginAt;

function isWithin(other: Span, { firstEndAt: from, lastBeginAt: to }: Span): boolean {
  // The same for both: of one that is held any moment falls within, of another both its ends.
  return other.lastBeginAt > from && other.firstEndAt < to;
}
