// One chunk on its way out of the store, from an offset, within credit. Parts are views of the stored
// bytes, which are lent for that long: dropping the chunk meanwhile does no harm. The connection lets
// the parts of different chunks take turns. It never sends more than was allowed.

import { PART_BYTES_MAX } from "../core/limits.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { StoredChunk } from "./chunk-store.ts";
import type { Transfer } from "./transfers.ts";

/** Parts of one chunk that wait in the connection: enough to keep it busy between two turns, few enough to forget. */
const PARTS_QUEUED_MAX = 4;

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
  #nextOffset: number;
  #allowedOffset: number;
  #queuedParts = 0;
  #isOver = false;

  constructor(chunk: StoredChunk, offset: number, credit: number, port: OutgoingPort) {
    this.#chunk = chunk;
    this.#port = port;
    this.#nextOffset = Math.min(offset, chunk.bytes.length);
    this.#allowedOffset = this.#nextOffset + credit;
    this.progressAt = port.now();
  }

  /** Queues what may be queued. */
  pump(): void {
    const { bytes, stripe, index } = this.#chunk;
    while (!this.#isOver && this.#queuedParts < PARTS_QUEUED_MAX) {
      const offset = this.#nextOffset;
      const allowedBytes = Math.min(bytes.length, this.#allowedOffset) - offset;
      if (allowedBytes <= 0) break;
      const body = bytes.from(offset, Math.min(allowedBytes, PART_BYTES_MAX));
      this.#nextOffset += body.length;
      this.#queuedParts++;
      this.#port.lend();
      const part = { kind: "data", stripe, index, attempt: 0, offset } as const;
      this.#port.send(part, body, () => this.#onSent());
    }
    if (this.#isOver || this.#queuedParts > 0 || this.#nextOffset < bytes.length) return;
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

  #onSent(): void {
    this.#queuedParts--;
    this.#port.giveBack();
    if (this.#isOver) return;
    this.progressAt = this.#port.now();
    this.pump();
  }
}
