// What clients did to keys and what they saw, judged as a lossy linearizable register: a miss is always legal, and
// there must be an order of all PUTs, DELETEs and hits in which each lies within its time and every hit follows its
// PUT at once. All in one process, so its clock orders everything. It never looks at bytes: bodies are numbers. The order
// is judged by the code that judges simulated runs, too.

import { misplacedIn } from "../../../src/sim/register-order.ts";

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
      for (const { held, intruder } of misplacedIn(effective))
        faults.push(`${held.key}: ${name(held)} was read after ${name(intruder)} had replaced it`);
    }
    return faults;
  }
}

function name(write: Write): string {
  return write.body === null ? "a delete" : `body ${write.body}`;
}
