// When a node was last spoken to and heard of, whether it owes an answer for too long, and how long it lately had nothing to
// do. It decides nothing.

import type { Purpose } from "../core/ports.ts";

/** How many breaks are remembered: enough to know a habit, few enough to forget it soon. */
const BREAKS_MAX = 8;

/** Activity of one link; times of the clock in ms. */
export class LinkActivity {
  #lastAt = Number.NEGATIVE_INFINITY;
  #heardAt = Number.NEGATIVE_INFINITY;
  #workedAt = Number.NEGATIVE_INFINITY;
  #isSilent = false;
  readonly #breakMsMin: number;
  readonly #breaks: number[] = [];
  /** When the work before the last break ended. */
  #breakBeganAt = Number.NaN;

  /** Breaks up to `breakMsMin` are not worth remembering: every node waits for so long. */
  constructor(breakMsMin: number) {
    this.#breakMsMin = breakMsMin;
  }

  /** When anything was last sent or received. */
  get lastAt(): number {
    return this.#lastAt;
  }

  /** A request to it was overdue, and nothing was heard of it since. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** The last long breaks between the end of its work and somebody who wanted something of it, in ms, the latest at the end. */
  get breaks(): readonly number[] {
    return this.#breaks;
  }

  /** It had nothing to do and is wanted. A break may have several Invokes, where the primary is sought or one failed: it is the first that counts. */
  noteWanted(purpose: Purpose, now: number): void {
    const isDemand = purpose !== "warm-up" && purpose !== "backup";
    if (!isDemand || Object.is(this.#breakBeganAt, this.#workedAt)) return;
    this.#breakBeganAt = this.#workedAt;
    const breakMs = now - this.#workedAt;
    if (breakMs > this.#breakMsMin && this.#breaks.push(breakMs) > BREAKS_MAX) this.#breaks.shift();
  }

  /** An exchange of it has ended. */
  noteWorked(now: number): void {
    this.#workedAt = now;
  }

  noteSent(now: number): void {
    this.#lastAt = now;
  }

  noteHeard(now: number): void {
    this.#lastAt = now;
    this.#heardAt = now;
    this.#isSilent = false;
  }

  /** What was asked of it then is overdue: it is silent if it has said nothing since. */
  noteOverdue(askedAt: number): void {
    if (this.#heardAt <= askedAt) this.#isSilent = true;
  }
}
