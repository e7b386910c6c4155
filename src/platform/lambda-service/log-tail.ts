// The last 4 KB of what a function wrote during an invocation, as `X-Amz-Log-Type: Tail` returns it.
// Never keeps more than two tails' worth of bytes, however much is written.

/** What AWS returns at most of a log. */
export const LOG_TAIL_BYTES = 4096;

/** A byte log of which only the end can be read. */
export class LogTail {
  #parts: Buffer[] = [];
  #bytes = 0;

  /** Adds text or bytes (kept, not copied). */
  append(more: Buffer | string): void {
    const part = typeof more === "string" ? Buffer.from(more) : more;
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes > 2 * LOG_TAIL_BYTES) {
      this.#parts = [Buffer.from(this.bytes())];
      this.#bytes = this.#parts[0]?.length ?? 0;
    }
  }

  /** The last 4 KB. */
  bytes(): Buffer {
    const all = Buffer.concat(this.#parts);
    return all.subarray(Math.max(0, all.length - LOG_TAIL_BYTES));
  }
}
