// One chunk on its way into the store. Its memory was paid for before the first byte, so that a full
// store says so at once; the digest grows as parts come, while they are warm in the cache. It never
// stores anything itself: it says whether the chunk is what its identity and digest claim.

import { createHasher } from "../checksum/hasher.ts";
import { assert } from "../core/assert.ts";
import { CREDIT_BYTES_INITIAL } from "../core/limits.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { ChunkBytes } from "./chunk-bytes.ts";
import type { Transfer } from "./transfers.ts";

/** What an incoming chunk needs of its surroundings. */
export interface IncomingPort {
  now(): number;
  grant(bytes: number): void;
  /** Gives the memory back; `lent` is the view of it that a transport may still write into. */
  release(lent: Uint8Array | null): void;
  /** A transport writes no more into that view. */
  returned(lent: Uint8Array): void;
  /** All bytes came; the transfer is over. */
  complete(isGood: boolean): void;
  /** It cannot go on; must end in `end`. */
  interrupt(): void;
}

/** A chunk coming in, in order of offset. */
export class IncomingChunk implements Transfer {
  progressAt: number;
  readonly #announced: MessageOf<"chunkPut" | "chunkTake">;
  readonly #bytes: ChunkBytes;
  readonly #port: IncomingPort;
  readonly #hasher = createHasher();
  #receivedBytes = 0;
  /** The view of its memory that the transport writes into. */
  #lent: Uint8Array | null = null;

  constructor(
    announced: MessageOf<"chunkPut" | "chunkTake">,
    bytes: ChunkBytes,
    seed: { readonly low: number; readonly high: number },
    port: IncomingPort,
  ) {
    this.#announced = announced;
    this.#bytes = bytes;
    this.#port = port;
    this.#hasher.reset(seed.low, seed.high);
    this.progressAt = port.now();
  }

  /** The memory is there, so all of it is granted at once; an empty chunk is complete. */
  begin(): void {
    const beyond = this.#bytes.length - CREDIT_BYTES_INITIAL;
    if (beyond > 0) this.#port.grant(beyond);
    if (this.#bytes.length === 0) this.#finish();
  }

  credit(): void {
    // Only for chunks going out.
  }

  place(message: MessageOf<"data">, bytes: number): Uint8Array | null {
    const { stripe, index } = this.#announced;
    const isNext =
      message.stripe === stripe &&
      message.index === index &&
      message.offset === this.#receivedBytes &&
      this.#receivedBytes + bytes <= this.#bytes.length;
    if (!isNext) return null;
    assert(this.#lent === null, "two transports write into one chunk");
    const place = this.#bytes.from(this.#receivedBytes, bytes);
    // A part that two pieces of memory will hold comes elsewhere first.
    if (place.length < bytes) return new Uint8Array(bytes);
    this.#lent = place;
    return place;
  }

  data(_message: MessageOf<"data">, body: Uint8Array | null): void {
    // A part that is not the next one: the sender has lost its thread, and the chunk can only begin anew.
    if (body === null) {
      this.#port.interrupt();
      return;
    }
    if (this.#lent === null) this.#bytes.write(this.#receivedBytes, body);
    this.#lent = null;
    this.progressAt = this.#port.now();
    this.#hasher.update(body);
    this.#receivedBytes += body.length;
    if (this.#receivedBytes === this.#bytes.length) this.#finish();
  }

  giveUp(): void {
    this.#port.interrupt();
  }

  end(): void {
    this.#port.release(this.#lent);
  }

  /** The transport writes no more into what it was given, whether that is full or not. */
  returned(): void {
    if (this.#lent !== null) this.#port.returned(this.#lent);
    this.#lent = null;
  }

  #finish(): void {
    const { low, high } = this.#hasher.digest();
    const { digestLow, digestHigh } = this.#announced;
    this.#port.complete(low === digestLow && high === digestHigh);
  }
}
