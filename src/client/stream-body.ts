// The reader's end of `getStream`: an async iterator over the views of a StreamSink. It owns no memory; it tells
// the sink when a view is done with, and everybody when the reader leaves. Iterating twice goes on where it stopped.

import type { StreamSink } from "./stream-sink.ts";

/** See the header. */
export class StreamBody implements AsyncIterableIterator<Uint8Array> {
  readonly #sink: StreamSink;
  readonly #onLeave: () => void;
  #failure: { readonly error: unknown } | null = null;
  #isOver = false;
  #wake: (() => void) | null = null;
  #lastNext: Promise<unknown> = Promise.resolve();

  /** `onLeave` is called once when the reader has left or read everything. */
  constructor(sink: StreamSink, onLeave: () => void) {
    this.#sink = sink;
    this.#onLeave = onLeave;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** More may be taken. */
  poke(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** The next `next` rejects with this, and the one that waits. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#failure ??= { error };
    this.#sink.leave(true);
    this.poke();
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const result = this.#lastNext.then(() => this.#takeNext());
    this.#lastNext = result.catch(() => {});
    return result;
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#leave(false);
    this.poke();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: unknown): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#leave(false);
    this.poke();
    return Promise.reject(error);
  }

  async #takeNext(): Promise<IteratorResult<Uint8Array, undefined>> {
    for (;;) {
      if (this.#isOver) return { done: true, value: undefined };
      if (this.#failure !== null) {
        this.#leave(true);
        throw this.#failure.error;
      }
      const taken = this.#sink.take();
      if (taken.kind === "view") return { done: false, value: taken.bytes };
      if (taken.kind === "end") this.#leave(false);
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #leave(mayStillLook: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#sink.leave(mayStillLook);
    this.#onLeave();
  }
}
