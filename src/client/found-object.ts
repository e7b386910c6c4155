// What a proxy says of the object that a GET found, checked before anything is read by it. Pure; nothing is trusted.

import { codeFault } from "../core/code.ts";
import { layoutFault, stripeAt } from "../core/layout.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { FoundObject, GetRequest } from "./get-contract.ts";

/** The object and which of its bytes are wanted; or what cannot be. `address`: whose word it is. */
export function checkFound(
  message: MessageOf<"found">,
  request: Pick<GetRequest, "start" | "end">,
  address: string,
): FoundObject | string {
  const { bytes, stripeCount, stripeBytes, lastStripeBytes, dataChunks, parityChunks } = message;
  const layout = { bytes, stripeCount, stripeBytes, lastStripeBytes };
  const code = { dataChunks, parityChunks };
  const fault = layoutFault(layout) ?? codeFault(code);
  if (fault !== null) return fault;
  const start = Math.min(request.start, bytes);
  const end = Math.max(start, Math.min(request.end, bytes));
  if (start < end) {
    const isRight =
      message.firstStripe === stripeAt(layout, start) &&
      message.endStripe === stripeAt(layout, end - 1) + 1;
    if (!isRight) return "the stripes of the range are not the object's";
  }
  return { message, layout, code, start, end, address };
}

/** What `found` would say of an object that came whole. */
export function foundOf(message: MessageOf<"whole">): MessageOf<"found"> {
  const { bytes, version, generation, dataChunks, parityChunks, stripeCount, stripeBytes } =
    message;
  const { lastStripeBytes, createdAtMs, expiresAtMs, metadata } = message;
  return {
    kind: "found",
    bytes,
    version,
    generation,
    dataChunks,
    parityChunks,
    stripeCount,
    stripeBytes,
    lastStripeBytes,
    createdAtMs,
    expiresAtMs,
    metadata,
    firstStripe: 0,
    endStripe: 1,
  };
}
