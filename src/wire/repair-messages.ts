// The messages by which a repairer gets its work from the proxy; a part of the table in messages.ts. How they follow on
// each other is said in docs/protocol/repair.md.

import { KEY_BYTES_MAX } from "../core/ids.ts";
import { CHUNKS_PER_STRIPE_MAX } from "../core/limits.ts";
import { message } from "./description.ts";
import { listOf, text, u8, u32, u53 } from "./schema.ts";

/** See the header. */
export const REPAIR_MESSAGES = {
  repairAsk: message(
    0x3c,
    ["client"],
    "A repairer asks for a stripe that lacks chunks; answered when there is one and the budgets allow.",
    {},
  ),
  repairOrder: message(
    0x3d,
    ["proxy"],
    "A stripe to be made whole; d of its chunks follow, as in a GET. The lost ones come back on the same channel, each as `repair` with its data, the next after `repaired`.",
    {
      key: text(KEY_BYTES_MAX),
      version: u53,
      generation: u32,
      dataChunks: u8,
      parityChunks: u8,
      stripe: u32,
      stripeBytes: u32,
      missing: listOf(u8, CHUNKS_PER_STRIPE_MAX),
    },
  ),
  repairDone: message(0x3e, ["client"], "The repairer is through with its order.", {}),
} as const;
