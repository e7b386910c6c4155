// Sends one chunk: its parts in order of offset, within what the receiver has allowed. A new attempt begins at
// offset 0 with fresh credit; parts of the old one that are queued still leave, and the receiver ignores them.

import { CREDIT_BYTES_INITIAL } from "../core/limits.ts";
import type { Exchange } from "./exchange.ts";

/** Half of the most that is on its way, so that the next part is on its way while the last one is being confirmed. */
const SENT_PART_BYTES = CREDIT_BYTES_INITIAL / 2;

/** The announced identity of what is sent. */
export interface SentChunk {
  readonly stripe: number;
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** See the header. The chunk's bytes are borrowed until `isIdle` is true and `stop` was called. */
export class ChunkSender {
  readonly #exchange: Pick<Exchange, "send">;
  readonly #chunk: SentChunk;
  readonly #initialBytes: number;
  readonly #onSent: () => void;
  #attempt = 0;
  #offset = 0;
  #creditBytes = 0;
  #isStopped = false;
  #inFlightCount = 0;

  /** `initialBytes`: what the receiver allows unasked. `onSent` is called after each part that the transport gave back. */
  constructor(
    exchange: Pick<Exchange, "send">,
    chunk: SentChunk,
    initialBytes: number,
    onSent: () => void,
  ) {
    this.#exchange = exchange;
    this.#chunk = chunk;
    this.#initialBytes = initialBytes;
    this.#onSent = onSent;
  }

  /** True when the transport holds no part of this chunk. */
  get isIdle(): boolean {
    return this.#inFlightCount === 0;
  }

  /** Begins this attempt from offset 0; it must have been announced. */
  begin(attempt: number): void {
    this.#attempt = attempt;
    this.#offset = 0;
    this.#creditBytes = this.#initialBytes;
    this.#pump();
  }

  /** The receiver allows more. */
  grant(bytes: number): void {
    this.#creditBytes += bytes;
    this.#pump();
  }

  /** Sends no further part. */
  stop(): void {
    this.#isStopped = true;
  }

  #pump(): void {
    const { stripe, index, bytes } = this.#chunk;
    while (!this.#isStopped && this.#offset < bytes.length && this.#creditBytes > 0) {
      const count = Math.min(SENT_PART_BYTES, this.#creditBytes, bytes.length - this.#offset);
      const offset = this.#offset;
      this.#offset += count;
      this.#creditBytes -= count;
      this.#inFlightCount += 1;
      this.#exchange.send(
        { kind: "data", stripe, index, attempt: this.#attempt, offset },
        bytes.subarray(offset, offset + count),
        () => {
          this.#inFlightCount -= 1;
          this.#onSent();
        },
      );
    }
  }
}
