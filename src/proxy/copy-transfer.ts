// One chunk on its way from a primary through the proxy to its replica: asked for there, stored here, part by part, and no
// faster than the replica takes it. Both ends verify by the digest that the primary names. It decides nothing about accounts.

import { CREDIT_BYTES_INITIAL } from "../core/limits.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { Exchange } from "./exchange.ts";
import type { NodeLink } from "./node-link.ts";
import type { ChunkRecord } from "./node-space.ts";
import { Part, type PartPool } from "./part-pool.ts";

/** Why a chunk was not copied. */
export type CopyFailure = "absent" | "corrupt" | "full" | "interrupted";

/** The round it belongs to. */
export interface CopyOwner {
  readonly parts: PartPool;
  /** The replica has verified and stored it. */
  onCopied(copy: CopyTransfer): void;
  /** Not copied, and this transfer is over. */
  onCopyFailed(copy: CopyTransfer, reason: CopyFailure): void;
}

/** A copy under way: an exchange on the primary's link, and a channel to the replica. */
export class CopyTransfer implements Exchange {
  readonly purpose = "backup";
  readonly record: ChunkRecord;
  readonly #link: NodeLink;
  readonly #owner: CopyOwner;
  /** At the primary; null before it began and once all has come. */
  #channel: number | null = null;
  /** At the replica; 0 before the chunk was announced there. */
  #sideChannel = 0;
  #received = 0;
  #sent = 0;
  #allowed = CREDIT_BYTES_INITIAL;
  #waiting: Part[] = [];
  #isOver = false;

  constructor(record: ChunkRecord, link: NodeLink, owner: CopyOwner) {
    this.record = record;
    this.#link = link;
    this.#owner = owner;
  }

  /** The channel on which the replica answers. */
  get sideChannel(): number {
    return this.#sideChannel;
  }

  start(channel: number): void {
    this.#channel = channel;
    const credit = CREDIT_BYTES_INITIAL;
    this.#link.send(channel, { kind: "chunkGet", ...this.record.id, offset: 0, credit });
  }

  bodyPlace(message: Message, bytes: number): Uint8Array | null {
    if (message.kind !== "data" || this.#sideChannel === 0) return null;
    const isNext = message.offset === this.#received && this.#received + bytes <= this.record.bytes;
    return isNext ? this.#owner.parts.take(bytes) : null;
  }

  onMessage(message: Message, body: Uint8Array | null): void {
    if (this.#isOver) return;
    if (message.kind === "chunkFound") this.#onFound(message);
    else if (message.kind === "chunkAbsent") this.#fail("absent");
    else if (message.kind === "cancel") this.#fail("interrupted");
    else if (message.kind === "data" && body !== null) this.#onPart(body, message.offset);
  }

  onEnd(): void {
    this.#channel = null;
    this.#fail("interrupted");
  }

  /** The replica has answered. */
  onSideMessage(message: Message): void {
    if (this.#isOver) return;
    if (message.kind === "credit") {
      this.#allowed += message.bytes;
      this.#forward();
    } else if (message.kind === "chunkStored") {
      this.#end();
      this.#owner.onCopied(this);
    } else if (message.kind === "chunkRefused") {
      this.#fail(message.reason);
    }
  }

  /** Ends it without telling the owner; both sides forget what they have of it. */
  cancel(): void {
    if (!this.#isOver) this.#end();
  }

  #onFound({ bytes, digestLow, digestHigh }: MessageOf<"chunkFound">): void {
    if (bytes !== this.record.bytes) return this.#fail("absent"); // Not the chunk the table speaks of.
    const { id } = this.record;
    const order = { kind: "chunkPut", ...id, bytes, digestLow, digestHigh } as const;
    this.#sideChannel = this.#link.sendSide("fresh", order);
    if (bytes === 0) this.#receivedAll();
  }

  #onPart(body: Uint8Array, offset: number): void {
    this.#received += body.length;
    this.#waiting.push(new Part(this.#owner.parts, body, offset));
    if (this.#received === this.record.bytes) this.#receivedAll();
    this.#forward();
  }

  #receivedAll(): void {
    if (this.#channel !== null) this.#link.finish(this.#channel);
    this.#channel = null;
  }

  #forward(): void {
    const { stripe, index } = this.record.id;
    while (!this.#isOver) {
      const part = this.#waiting[0];
      if (part === undefined || this.#sent + part.bytes.length > this.#allowed) return;
      this.#waiting.shift();
      this.#sent += part.bytes.length;
      const { offset, bytes } = part;
      const data = { kind: "data", stripe, index, attempt: 0, offset } as const;
      this.#link.sendSide(this.#sideChannel, data, bytes, () => {
        part.release();
        this.#grant(bytes.length);
      });
    }
  }

  /** So much has left for the replica: the primary may send as much again. */
  #grant(bytes: number): void {
    if (this.#isOver || this.#channel === null || !this.#link.isAwake) return;
    const { stripe, index } = this.record.id;
    this.#link.send(this.#channel, { kind: "credit", stripe, index, bytes });
  }

  #fail(reason: CopyFailure): void {
    if (this.#isOver) return;
    this.#end();
    this.#owner.onCopyFailed(this, reason);
  }

  #end(): void {
    this.#isOver = true;
    for (const part of this.#waiting) part.release();
    this.#waiting = [];
    this.#link.close(this, this.#channel);
    this.#channel = null;
    // Of one that is complete the replica knows nothing any more, and ignores this.
    if (this.#sideChannel !== 0 && this.#sent < this.record.bytes)
      this.#link.sendSide(this.#sideChannel, { kind: "cancel" });
  }
}
