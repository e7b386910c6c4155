// A chunk of a PUT on its way from the client straight to a function, which fetches it against a ticket. Only the
// function's word that it is verified and stored counts, and it comes here.

import type { InstanceId } from "../core/ids.ts";
import { fromHex } from "../core/invocation.ts";
import type { Message } from "../wire/messages.ts";
import type { Upload, UploadOrder, UploadOwner } from "./chunk-upload.ts";
import type { Exchange, ExchangeEnd } from "./exchange.ts";
import type { NodeLink } from "./node-link.ts";

/** By which ticket which instance fetches the chunk. */
export interface DirectWay {
  readonly peer: number;
  readonly instance: InstanceId;
  readonly ticket: Uint8Array;
}

/** What the client is told of it. */
export function wayInWords(
  index: number,
  { instance, ticket }: DirectWay,
): { readonly index: number; readonly instance: Uint8Array; readonly ticket: Uint8Array } {
  return { index, instance: fromHex(instance) ?? new Uint8Array(16), ticket };
}

/** An upload past the proxy. */
export class DirectUpload implements Exchange, Upload {
  readonly purpose = "serve";
  readonly order: UploadOrder;
  readonly link: NodeLink;
  readonly #way: DirectWay;
  readonly #owner: UploadOwner;
  readonly #sendDrops: (link: NodeLink) => void;
  #channel: number | null = null;
  #isOver = false;

  constructor(
    order: UploadOrder,
    link: NodeLink,
    way: DirectWay,
    owner: UploadOwner,
    sendDrops: (link: NodeLink) => void,
  ) {
    this.order = order;
    this.link = link;
    this.#way = way;
    this.#owner = owner;
    this.#sendDrops = sendDrops;
    link.open(this);
  }

  /** Ends it without calling the owner; the function forgets what it has of it. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.link.close(this, this.#channel);
  }

  start(channel: number): void {
    this.#channel = channel;
    const { peer, instance, ticket } = this.#way;
    if (this.link.awakeInstance !== instance) return this.#fail("interrupted");
    const { id, bytes, digestLow, digestHigh } = this.order;
    this.#sendDrops(this.link); // The bytes of dropped chunks were counted as free for this one.
    const { keyHash, version, stripe, index } = id;
    this.link.send(channel, {
      kind: "chunkTake",
      ...{ keyHash, version, stripe, index, bytes, digestLow, digestHigh, peer, ticket },
    });
  }

  bodyPlace(): null {
    return null;
  }

  onMessage(message: Message): void {
    if (message.kind === "chunkStored") {
      const { state } = this.link;
      if (state.kind !== "awake" || this.#isOver) return;
      this.#finish();
      this.#owner.onStored(this, state.instance);
    } else if (message.kind === "chunkRefused") this.#fail(message.reason);
  }

  onEnd(reason: ExchangeEnd): void {
    this.#channel = null;
    this.#fail(reason);
  }

  #fail(reason: ExchangeEnd | "full" | "corrupt"): void {
    if (this.#isOver) return;
    this.#finish();
    this.#owner.onUploadFailed(this, reason);
  }

  #finish(): void {
    this.#isOver = true;
    if (this.#channel !== null) this.link.finish(this.#channel);
  }
}
