// A bound on bytes that many connections hold together. Taken at once or not at all, so that nobody waits while holding.

/** Bytes shared by all connections of a door. */
export class ByteBudget {
  #freeBytes: number;

  constructor(bytes: number) {
    this.#freeBytes = bytes;
  }

  /** Takes so many bytes; false when they are not free. */
  take(bytes: number): boolean {
    if (bytes > this.#freeBytes) return false;
    this.#freeBytes -= bytes;
    return true;
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#freeBytes += bytes;
  }
}
