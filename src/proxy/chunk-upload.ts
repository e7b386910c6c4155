// One transfer of a chunk to a function: parts wait until the node is awake, go on within the credit the
// function gives, and end with its word that the chunk is verified and stored.

import type { InstanceId } from "../core/ids.ts";
import { CREDIT_BYTES_INITIAL } from "../core/limits.ts";
import type { Message, WireChunkId } from "../wire/messages.ts";
import type { Exchange, ExchangeEnd } from "./exchange.ts";
import type { NodeLink } from "./node-link.ts";
import type { Part } from "./part-pool.ts";

/** What the chunk is. */
export interface UploadOrder {
  readonly id: WireChunkId;
  readonly bytes: number;
  readonly digestLow: number;
  readonly digestHigh: number;
  readonly purpose: "serve" | "repair";
}

/** A chunk on its way to a function, through the proxy or past it. */
export interface Upload {
  readonly order: UploadOrder;
  readonly link: NodeLink;
  cancel(): void;
}

/** The PUT or repair to which the chunk belongs. */
export interface UploadOwner {
  /** These bytes have left for the function: the client may send as many more. */
  onForwarded(upload: Upload, bytes: number): void;
  onStored(upload: Upload, instance: InstanceId): void;
  /** Not stored, and this upload is over. */
  onUploadFailed(upload: Upload, reason: ExchangeEnd | "full" | "corrupt"): void;
}

/** An upload under way. */
export class ChunkUpload implements Exchange, Upload {
  readonly purpose: "serve" | "repair";
  readonly order: UploadOrder;
  readonly link: NodeLink;
  readonly #owner: UploadOwner;
  readonly #sendDrops: (link: NodeLink) => void;
  #channel: number | null = null;
  #waiting: Part[] = [];
  #allowedBytes = CREDIT_BYTES_INITIAL;
  #sentBytes = 0;
  #isOver = false;

  constructor(
    order: UploadOrder,
    link: NodeLink,
    owner: UploadOwner,
    sendDrops: (link: NodeLink) => void,
  ) {
    this.order = order;
    this.purpose = order.purpose;
    this.link = link;
    this.#owner = owner;
    this.#sendDrops = sendDrops;
    link.open(this);
  }

  /** The next part, handed over. */
  feed(part: Part): void {
    if (this.#isOver) return part.release();
    this.#waiting.push(part);
    this.#forward();
  }

  /** Ends it without calling the owner; the function forgets what it has of it. */
  cancel(): void {
    if (this.#isOver) return;
    this.link.close(this, this.#channel);
    this.#end();
  }

  start(channel: number): void {
    this.#channel = channel;
    const { id, bytes, digestLow, digestHigh } = this.order;
    this.#sendDrops(this.link); // The bytes of dropped chunks were counted as free for this one.
    this.link.send(channel, { kind: "chunkPut", ...id, bytes, digestLow, digestHigh });
    this.#forward();
  }

  bodyPlace(): null {
    return null;
  }

  onMessage(message: Message): void {
    switch (message.kind) {
      case "credit":
        this.#allowedBytes += message.bytes;
        return this.#forward();
      case "chunkStored": {
        const { state } = this.link;
        if (state.kind !== "awake" || this.#isOver) return;
        this.#finish();
        return this.#owner.onStored(this, state.instance);
      }
      case "chunkRefused":
        if (this.#isOver) return;
        this.#finish();
        return this.#owner.onUploadFailed(this, message.reason);
      default:
    }
  }

  onEnd(reason: ExchangeEnd): void {
    if (this.#isOver) return;
    this.#channel = null;
    this.#end();
    this.#owner.onUploadFailed(this, reason);
  }

  #forward(): void {
    while (this.#channel !== null && this.link.isAwake) {
      const part = this.#waiting[0];
      if (part === undefined || this.#sentBytes + part.bytes.length > this.#allowedBytes) return;
      this.#waiting.shift();
      this.#sentBytes += part.bytes.length;
      const { stripe, index } = this.order.id;
      const { length } = part.bytes;
      this.link.send(
        this.#channel,
        { kind: "data", stripe, index, attempt: 0, offset: part.offset },
        part.bytes,
        () => {
          part.release();
          if (!this.#isOver) this.#owner.onForwarded(this, length);
        },
      );
    }
  }

  #finish(): void {
    if (this.#channel !== null) this.link.finish(this.#channel);
    this.#end();
  }

  #end(): void {
    this.#isOver = true;
    for (const part of this.#waiting) part.release();
    this.#waiting = [];
  }
}
