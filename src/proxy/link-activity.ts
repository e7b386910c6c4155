// When a node was last spoken to and heard of, and whether it owes an answer for too long. It decides nothing.

/** Activity of one link; times of the clock in ms. */
export class LinkActivity {
  #lastAt = Number.NEGATIVE_INFINITY;
  #heardAt = Number.NEGATIVE_INFINITY;
  #workedAt = Number.NEGATIVE_INFINITY;
  #isSilent = false;

  /** When its last exchange ended. */
  get workedAt(): number {
    return this.#workedAt;
  }

  /** When anything was last sent or received. */
  get lastAt(): number {
    return this.#lastAt;
  }

  /** A request to it was overdue, and nothing was heard of it since. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

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
