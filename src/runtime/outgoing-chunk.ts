// One chunk on its way out of the store, from an offset, within credit. Parts are views of the stored
// bytes, which are lent for that long: dropping the chunk meanwhile does no harm. The connection lets
// the parts of different chunks take turns. It never sends more than was allowed.

import { PART_BYTES_MAX } from "../core/limits.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { StoredChunk } from "./chunk-store.ts";
import type { Transfer } from "./transfers.ts";

/** Of one chunk in the connection: enough to keep it busy between two turns, little enough to forget. */
const QUEUED_BYTES_MAX = 4 * PART_BYTES_MAX;

/** What an outgoing chunk needs of its surroundings. */
export interface OutgoingPort {
  now(): number;
  lend(): void;
  giveBack(): void;
  send(part: MessageOf<"data">, body: Uint8Array, onSent: () => void): void;
  dropQueued(): void;
  /** All bytes have left; the transfer is over. */
  complete(): void;
  /** It cannot go on; must end in `end`. */
  interrupt(): void;
}

/** A chunk going out. */
export class OutgoingChunk implements Transfer {
  progressAt: number;
  readonly #chunk: StoredChunk;
  readonly #port: OutgoingPort;
  readonly #chunkBytes: number;
  #nextOffset: number;
  #allowedOffset: number;
  #queuedBytes = 0;
  #isOver = false;

  constructor(chunk: StoredChunk, offset: number, credit: number, port: OutgoingPort) {
    this.#chunk = chunk;
    this.#port = port;
    this.#chunkBytes = chunk.bytes.length;
    this.#nextOffset = Math.min(offset, this.#chunkBytes);
    this.#allowedOffset = this.#nextOffset + credit;
    this.progressAt = port.now();
  }

  /** Queues what may be queued. */
  pump(): void {
    const { bytes, stripe, index } = this.#chunk;
    // Dropped while nothing of it was on its way: the rest does not exist any more.
    const hasMore = !this.#isOver && this.#nextOffset < this.#chunkBytes;
    if (hasMore && bytes.length < this.#chunkBytes) return this.#port.interrupt();
    while (!this.#isOver && this.#queuedBytes < QUEUED_BYTES_MAX) {
      const offset = this.#nextOffset;
      const allowedBytes = Math.min(this.#chunkBytes, this.#allowedOffset) - offset;
      if (allowedBytes <= 0) break;
      const body = bytes.from(offset, Math.min(allowedBytes, PART_BYTES_MAX));
      this.#nextOffset += body.length;
      this.#queuedBytes += body.length;
      this.#port.lend();
      const part = { kind: "data", stripe, index, attempt: 0, offset } as const;
      this.#port.send(part, body, () => this.#onSent(body.length));
    }
    if (this.#isOver || this.#queuedBytes > 0 || this.#nextOffset < this.#chunkBytes) return;
    this.#isOver = true;
    this.#port.complete();
  }

  credit(bytes: number): void {
    this.#allowedOffset += bytes;
    this.progressAt = this.#port.now();
    this.pump();
  }

  place(): null {
    return null;
  }

  data(): void {
    // Nothing comes in on this channel; a part would have been thrown away.
  }

  giveUp(): void {
    this.#port.interrupt();
  }

  end(): void {
    this.#isOver = true;
    this.#port.dropQueued();
  }

  #onSent(bytes: number): void {
    this.#queuedBytes -= bytes;
    this.#port.giveBack();
    if (this.#isOver) return;
    this.progressAt = this.#port.now();
    this.pump();
  }
}
