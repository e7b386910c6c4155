// A reader of one chunk of one stripe: hands what a transfer brings to the stripe, and goes on with a transfer of its own where
// those that it shared one with are too far ahead. What it waits for, it says; it keeps no bytes.

import type { InstanceId } from "../core/ids.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { ChunkFetch, FetchReader } from "./chunk-fetch.ts";
import type { OperationContext } from "./operation.ts";
import type { Part } from "./part-pool.ts";
import type { StripeGet } from "./stripe-get.ts";

/** See the header. */
export class ChunkReader implements FetchReader {
  readonly isDirect = false;
  readonly #stripe: StripeGet;
  readonly #index: number;
  readonly #context: OperationContext;
  #fetch: ChunkFetch | null = null;
  #found: MessageOf<"chunkFound"> | null = null;
  #waitingBytes = 0;

  constructor(stripe: StripeGet, index: number, context: OperationContext) {
    this.#stripe = stripe;
    this.#index = index;
    this.#context = context;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  begin(): void {
    this.#begin(0);
  }

  leave(): void {
    this.#fetch?.leave(this);
  }

  onFound(found: MessageOf<"chunkFound">): void {
    // A second time where the rest comes by a transfer of its own.
    if (this.#found === null) this.#stripe.onFound(this.#index, found);
    this.#found = found;
  }

  onPart(part: Part): void {
    if (this.#found !== null && part.offset === 0)
      this.#stripe.offerHot(this.#index, this.#found, part.bytes);
    const { length } = part.bytes;
    const fetch = this.#fetch;
    this.#waitingBytes += length;
    this.#stripe.onPart(this.#index, part, () => {
      this.#waitingBytes -= length;
      // One that joins is handed parts before it knows its fetch.
      (fetch ?? this.#fetch)?.onPassedOn(part);
    });
  }

  onOutpaced(offset: number): void {
    this.#begin(offset);
  }

  onFetched(): void {
    this.#stripe.onFetched(this.#index);
  }

  onFetchLate(): void {
    this.#stripe.onLate();
  }

  onFetchFailed(reason: "missing" | "unreachable", answeredBy: InstanceId | null): void {
    this.#stripe.onFailed(this.#index, reason, answeredBy);
  }

  #begin(from: number): void {
    const { object, stripe } = this.#stripe;
    this.#fetch = this.#context.fetch(object, stripe, this.#index, this, { from });
  }
}
