// A chunk on its way from a function straight to one client: the proxy gives both a ticket and hears how it ended. It
// is not shared, and no byte of it comes here.

import type { InstanceId } from "../core/ids.ts";
import { fromHex } from "../core/invocation.ts";
import type { Message, WireChunkId } from "../wire/messages.ts";
import type { Exchange, ExchangeEnd } from "./exchange.ts";
import type { NodeLink } from "./node-link.ts";

/** The GET that wants the chunk. */
export interface DirectFetchOwner {
  /** The function was asked: tell the client by which ticket it gets the chunk. */
  onTicket(instance: Uint8Array, ticket: Uint8Array): void;
  onDelivered(): void;
  onFetchLate(): void;
  onFetchFailed(reason: "missing" | "unreachable", answeredBy: InstanceId | null): void;
  /** It does not work this way; `isBroken`: nor will it the next time. */
  onUndelivered(isBroken: boolean): void;
}

/** A direct transfer under way. */
export class DirectFetch implements Exchange {
  readonly purpose = "serve";
  readonly #id: WireChunkId;
  readonly #link: NodeLink;
  readonly #peer: number;
  readonly #ticket: Uint8Array;
  /** Which instance has a connection to the client. */
  readonly #instance: InstanceId;
  readonly #owner: DirectFetchOwner;
  #channel: number | null = null;
  #isOver = false;

  constructor(
    id: WireChunkId,
    link: NodeLink,
    to: { readonly peer: number; readonly ticket: Uint8Array; readonly instance: InstanceId },
    owner: DirectFetchOwner,
  ) {
    this.#id = id;
    this.#link = link;
    this.#peer = to.peer;
    this.#ticket = to.ticket;
    this.#instance = to.instance;
    this.#owner = owner;
    link.open(this);
  }

  /** Nobody wants it any more; the owner is not called. */
  leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#link.close(this, this.#channel);
  }

  start(channel: number): void {
    this.#channel = channel;
    if (this.#link.awakeInstance !== this.#instance)
      return this.#end(() => this.#owner.onUndelivered(false));
    const { stripe, index, keyHash, version } = this.#id;
    const order = { keyHash, version, stripe, index, peer: this.#peer, ticket: this.#ticket };
    this.#link.send(channel, { kind: "chunkSend", ...order });
    this.#owner.onTicket(fromHex(this.#instance) ?? new Uint8Array(16), this.#ticket);
  }

  bodyPlace(): null {
    return null;
  }

  onMessage(message: Message): void {
    const answeredBy = this.#link.awakeInstance;
    if (message.kind === "chunkDelivered") this.#end(() => this.#owner.onDelivered());
    else if (message.kind === "undelivered") this.#end(() => this.#owner.onUndelivered(true));
    else if (message.kind === "chunkAbsent")
      this.#end(() => this.#owner.onFetchFailed("missing", answeredBy));
  }

  onLate(): void {
    this.#owner.onFetchLate();
  }

  onEnd(reason: ExchangeEnd): void {
    this.#channel = null;
    // Begun again in the next invocation it may find another instance: the way through the proxy copes with that.
    if (reason === "interrupted") this.#end(() => this.#owner.onUndelivered(false));
    else
      this.#end(() =>
        this.#owner.onFetchFailed(reason === "lost" ? "missing" : "unreachable", null),
      );
  }

  #end(tell: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#channel !== null) this.#link.finish(this.#channel);
    tell();
  }
}
