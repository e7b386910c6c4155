// The cursors of SCAN. Redis clients want a number; our listings go on behind a key. This remembers which key a
// number stands for, for all connections of a server, the most recent ones only.

/** How many cursors are remembered; the oldest go first, and using one that is gone is an error, not a wrong page. */
export const CURSORS_MAX = 10_000;

/** Numbers for places in a listing. */
export class CursorTable {
  readonly #after = new Map<number, string>();
  #last = 0;

  /** The number for going on behind `key`; never 0. */
  open(key: string): number {
    this.#last += 1;
    this.#after.set(this.#last, key);
    if (this.#after.size > CURSORS_MAX) {
      for (const oldest of this.#after.keys()) {
        this.#after.delete(oldest);
        break;
      }
    }
    return this.#last;
  }

  /** The key behind which the cursor goes on, or undefined when it is not known (any more). */
  after(cursor: number): string | undefined {
    return this.#after.get(cursor);
  }
}
