// The answer to an inventory request, page by page. A store of half a million small chunks has 500 pages,
// so it waits while the connection has enough to do. It never holds the whole answer in memory, and it
// reads the live store: what is put or dropped meanwhile may or may not be in it.

import type { Clock } from "../core/ports.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { StoredChunk } from "./chunk-store.ts";
import { Deadline } from "./deadline.ts";
import type { Transfer } from "./transfers.ts";

/** Rows of one page: as many as the message may have. */
const PAGE_CHUNKS_MAX = 1_000;
/** Bytes waiting in the connection above which no further page is made. */
const QUEUED_BYTES_MAX = 256 * 1_024;
/** How soon a full connection is looked at again. */
const LOOK_AGAIN_MS = 1;

/** What the pages need of their surroundings. */
export interface InventoryPort {
  send(page: MessageOf<"inventory">): void;
  queuedBytes(): number;
  complete(): void;
}

/** An inventory under way. */
export class InventoryPages implements Transfer {
  progressAt: number;
  readonly #clock: Clock;
  readonly #chunks: Iterator<StoredChunk>;
  readonly #port: InventoryPort;
  readonly #again: Deadline;

  constructor(clock: Clock, chunks: Iterator<StoredChunk>, port: InventoryPort) {
    this.#clock = clock;
    this.#chunks = chunks;
    this.#port = port;
    this.#again = new Deadline(clock, () => this.pump());
    this.progressAt = clock.now();
  }

  /** Sends pages as long as the connection takes them. */
  pump(): void {
    while (this.#port.queuedBytes() < QUEUED_BYTES_MAX) {
      const page = this.#nextPage();
      this.progressAt = this.#clock.now();
      this.#port.send(page);
      if (page.isLast) {
        this.#port.complete();
        return;
      }
    }
    this.#again.set(this.#clock.now() + LOOK_AGAIN_MS);
  }

  credit(): void {
    // Pages are small beside chunks and need none.
  }

  place(): null {
    return null;
  }

  data(): void {
    // Nothing comes in on this channel.
  }

  giveUp(): void {
    // The connection takes nothing for ten seconds: its owner notices; this only waits.
  }

  end(): void {
    this.#again.cancel();
  }

  #nextPage(): MessageOf<"inventory"> {
    const chunks: MessageOf<"inventory">["chunks"][number][] = [];
    while (chunks.length < PAGE_CHUNKS_MAX) {
      const { done, value } = this.#chunks.next();
      if (done === true) return { kind: "inventory", chunks, isLast: true };
      const { keyHash, version, stripe, index, bytes } = value;
      chunks.push({ keyHash, version, stripe, index, bytes: bytes.length });
    }
    return { kind: "inventory", chunks, isLast: false };
  }
}
