// A body in memory as PUTs take it, in stripes of any length: the library's own begin at 32 MiB, too much for thousands of
// runs. It can be taken again from the beginning, and knows nothing of who takes it.

import type { StripeSource } from "../client/put-source.ts";
import { layoutOfStripes, type ObjectLayout, stripeLength, stripeOffset } from "../core/layout.ts";

/** See the header. */
export class StripedSource implements StripeSource {
  readonly size: number;
  readonly layout: ObjectLayout;
  readonly isRewindable = true;
  readonly #bytes: Uint8Array;
  #next = 0;

  constructor(bytes: Uint8Array, stripeBytes: number) {
    this.#bytes = bytes;
    this.size = bytes.length;
    const count = Math.ceil(bytes.length / stripeBytes);
    const whole = count === 1 ? bytes.length : stripeBytes;
    this.layout =
      count === 0
        ? layoutOfStripes(0, 0, 0)
        : layoutOfStripes(count, whole, bytes.length - (count - 1) * whole);
  }

  take(): Uint8Array | "end" {
    if (this.#next === this.layout.stripeCount) return "end";
    const from = stripeOffset(this.layout, this.#next);
    return this.#bytes.subarray(from, from + stripeLength(this.layout, this.#next++));
  }

  giveBack(): void {}

  rewind(): void {
    this.#next = 0;
  }

  listen(): void {}

  close(): void {}
}
