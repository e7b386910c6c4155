// What clients did to keys and what they saw, judged as a lossy linearizable register: a miss is always legal, and
// there must be an order of all PUTs, DELETEs and hits in which each lies within its time and every hit follows its
// PUT at once. All in one process, so its clock orders everything. It never looks at bytes: bodies are numbers.
//
// The judgement is that of Gibbons and Korach for distinct values. All that concerns one body spans from the first
// end to the last beginning; where these lie in that order, the register must have held the body throughout, and
// neither another such span nor a whole write of something else may fall within.

/** A PUT or DELETE under way. */
export interface Write {
  /** Null: a DELETE. */
  readonly body: number | null;
  firstEndAt: number;
  lastBeginAt: number;
  readonly key: string;
}

/** Remembers and judges. */
export class History {
  readonly #faults: string[] = [];
  readonly #writes = new Map<string, Write[]>();

  /** Until `endWrite` it may or may not take effect. */
  beginWrite(key: string, body: number | null): Write {
    const write = {
      key,
      body,
      firstEndAt: Number.POSITIVE_INFINITY,
      lastBeginAt: performance.now(),
    };
    const writes = this.#writes.get(key);
    if (writes === undefined) this.#writes.set(key, [write]);
    else writes.push(write);
    return write;
  }

  /** It took effect: it returned just now. */
  endWrite(write: Write): void {
    write.firstEndAt = Math.min(write.firstEndAt, performance.now());
  }

  /** A GET that began at `beganAt` has returned `body` just now. */
  hit(key: string, body: number, beganAt: number): void {
    const write = this.#writes.get(key)?.find((each) => each.body === body);
    if (write === undefined) return this.fault(`${key}: body ${body} was never put`);
    write.firstEndAt = Math.min(write.firstEndAt, performance.now());
    write.lastBeginAt = Math.max(write.lastBeginAt, beganAt);
  }

  /** Something that needs no judgement. */
  fault(text: string): void {
    this.#faults.push(text);
  }

  /** Everything that was wrong, in words. */
  judge(): readonly string[] {
    const faults = [...this.#faults];
    for (const writes of this.#writes.values()) {
      // Whatever never ended and was never seen need not have happened.
      const effective = writes.filter(({ firstEndAt }) => Number.isFinite(firstEndAt));
      for (const held of effective) {
        if (held.firstEndAt >= held.lastBeginAt) continue;
        const intruder = effective.find((other) => other !== held && isWithin(other, held));
        if (intruder !== undefined)
          faults.push(
            `${held.key}: ${name(held)} was read after ${name(intruder)} had replaced it`,
          );
      }
    }
    return faults;
  }
}

function isWithin(other: Write, held: Write): boolean {
  const { firstEndAt: from, lastBeginAt: to } = held;
  const isHeldToo = other.firstEndAt < other.lastBeginAt;
  if (isHeldToo) return other.firstEndAt < to && other.lastBeginAt > from;
  return other.lastBeginAt > from && other.firstEndAt < to;
}

function name(write: Write): string {
  return write.body === null ? "a delete" : `body ${write.body}`;
}
