// Binds a direct fetch to one chunk of one stripe, where client and function have a connection.

import type { InstanceId } from "../core/ids.ts";
import { DirectFetch, type DirectFetchOwner } from "./direct-fetch.ts";
import type { NodeLink } from "./node-link.ts";
import { chunkBytesOf, chunkIdOf, placeOf } from "./object-version.ts";
import type { OperationContext } from "./operation.ts";
import type { StripeGet } from "./stripe-get.ts";

/** See the header. */
export class DirectReader implements DirectFetchOwner {
  readonly isDirect = true;
  readonly #stripe: StripeGet;
  readonly #index: number;
  readonly #link: NodeLink;
  readonly #instance: InstanceId;
  readonly #bytes: number;
  #fetch: DirectFetch | null = null;
  #context: OperationContext | null = null;
  #startedAt = 0;

  constructor(
    stripe: StripeGet,
    index: number,
    bytes: number,
    link: NodeLink,
    instance: InstanceId,
  ) {
    this.#stripe = stripe;
    this.#index = index;
    this.#bytes = bytes;
    this.#link = link;
    this.#instance = instance;
  }

  /** Null: the chunk goes through the proxy. */
  static where(stripe: StripeGet, index: number, context: OperationContext): DirectReader | null {
    const { object, channel } = stripe;
    if (channel.direct === null) return null;
    const bytes = chunkBytesOf(object, stripe.stripe, index);
    const place = placeOf(object, stripe.stripe, index);
    if (!channel.direct.isWorth(bytes) || place === undefined) return null;
    const link = context.pool.link(place.node);
    const instance = channel.direct.upTo(link);
    if (instance === null || instance !== place.instance) return null;
    return new DirectReader(stripe, index, bytes, link, instance);
  }

  begin(context: OperationContext): void {
    const { object, stripe, channel } = this.#stripe;
    const { direct } = channel;
    if (direct === null) return;
    this.#context = context;
    this.#startedAt = context.clock.now();
    const id = chunkIdOf(object, stripe, this.#index);
    const to = { peer: direct.peer, ticket: direct.drawTicket(), instance: this.#instance };
    this.#fetch = new DirectFetch(id, this.#link, to, this);
  }

  leave(): void {
    this.#fetch?.leave();
  }

  onTicket(instance: Uint8Array, ticket: Uint8Array): void {
    this.#stripe.onTicket(this.#index, instance, ticket);
  }

  onDelivered(): void {
    const context = this.#context;
    if (context !== null) {
      context.counters.directGets++;
      context.latency.note(this.#bytes, context.clock.now() - this.#startedAt);
    }
    this.#stripe.onFetched(this.#index);
  }

  onFetchLate(): void {
    this.#stripe.onLate();
  }

  onFetchFailed(reason: "missing" | "unreachable", answeredBy: InstanceId | null): void {
    this.#stripe.onFailed(this.#index, reason, answeredBy);
  }

  onUndelivered(isBroken: boolean): void {
    this.#stripe.onUndelivered(this.#index, isBroken);
  }
}
