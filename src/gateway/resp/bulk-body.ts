// The body of a large argument, as the cache reads it: each part is taken from the connection when it is asked for, so
// a slow cache makes the sender wait. What the cache leaves unread can be drained, to find the next command.

import { CacheError } from "../../core/errors.ts";

/** Gives the next part; null at the whole end; "lost" when the connection ended midway. */
export type PartSource = () => Promise<Uint8Array | null | "lost">;

/** A body that can be read once. A lost connection throws, so that nothing half is stored. */
export class BulkBody implements AsyncIterable<Uint8Array> {
  readonly #source: PartSource;
  #end: "whole" | "lost" | null = null;
  /** Reads are taken one after the other, also those of a cache that has given up meanwhile. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(source: PartSource) {
    this.#source = source;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return { next: async () => await this.#next() };
  }

  /** Reads and throws away what is left; false when the connection ended before the body. */
  async drain(): Promise<boolean> {
    while (this.#end === null) await this.#take();
    return this.#end === "whole";
  }

  async #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const part = await this.#take();
    if (part !== null) return { done: false, value: part };
    if (this.#end === "whole") return { done: true, value: undefined };
    throw new CacheError("ICACHE_ABORTED", "the connection ended before the body did");
  }

  async #take(): Promise<Uint8Array | null> {
    const taking = this.#last.then(async () => {
      if (this.#end !== null) return null;
      const part = await this.#source();
      if (part !== null && part !== "lost") return part;
      this.#end = part === null ? "whole" : "lost";
      return null;
    });
    this.#last = taking;
    return await taking;
  }
}
