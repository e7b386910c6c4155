// Admission: how many operations of one client may be under way, and how many may wait for that. Beyond both,
// operations are refused at once, so that a flood costs its sender and not the memory of the process.

/** Operations under way at once, of one client. */
export const OPERATIONS_MAX = 1_024;
/** Operations that wait for their turn. */
export const OPERATIONS_WAITING_MAX = 10_000;

/** Counts who is in; see the header. */
export class Gate {
  readonly #insideMax: number;
  readonly #waitingMax: number;
  readonly #waiting = new Set<() => void>();
  #insideCount = 0;

  constructor(insideMax: number, waitingMax: number) {
    this.#insideMax = insideMax;
    this.#waitingMax = waitingMax;
  }

  /** How many are in. */
  get insideCount(): number {
    return this.#insideCount;
  }

  /** Calls `admitted` when there is room, possibly within this call. Null: refused. Else a way to give the wish up. */
  enter(admitted: () => void): (() => void) | null {
    if (this.#insideCount < this.#insideMax) {
      this.#insideCount += 1;
      admitted();
      return () => {};
    }
    if (this.#waiting.size >= this.#waitingMax) return null;
    this.#waiting.add(admitted);
    return () => void this.#waiting.delete(admitted);
  }

  /** One of those who were admitted has left. */
  leave(): void {
    this.#insideCount -= 1;
    for (const admitted of this.#waiting) {
      if (this.#insideCount >= this.#insideMax) return;
      this.#waiting.delete(admitted);
      this.#insideCount += 1;
      admitted();
    }
  }
}
