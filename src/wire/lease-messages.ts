// The messages of leases, client and proxy: a part of the table in messages.ts. What a lease is stands in
// docs/protocol/leases.md.

import { KEY_BYTES_MAX } from "../core/ids.ts";
import { message } from "./description.ts";
import { flag, oneOf, text, u32, u53 } from "./schema.ts";

/** Spread into the one list of messages. */
export const LEASE_MESSAGES = {
  lease: message(
    0x4a,
    ["client"],
    "Asks to be the one who loads the object from behind the cache, or changes it there; answered by `leased`, perhaps much later, or by `leaseOver`.",
    { key: text(KEY_BYTES_MAX), purpose: oneOf("load", "change"), deadlineMs: u32 },
  ),
  leased: message(
    0x4b,
    ["proxy"],
    "From now until `leaseEnd`, or the end of the exchange, the client holds this lease of the key.",
    { lease: u53 },
  ),
  leaseOver: message(
    0x4c,
    ["proxy"],
    "There is nothing to load: the object is there, or the load that was waited for has ended so. `code` and `reason` are of its failure.",
    {
      outcome: oneOf("present", "loaded", "absent", "failed"),
      code: text(64),
      reason: text(1_024),
    },
  ),
  leaseEnd: message(
    0x4d,
    ["client"],
    "Gives the lease back. All who wait for a load are told how it ended; when it is only `released`, the next of them is granted the lease.",
    {
      outcome: oneOf("loaded", "absent", "failed", "released"),
      code: text(64),
      reason: text(1_024),
    },
  ),
  leaseEnded: message(
    0x4e,
    ["proxy"],
    "`isValid`: nobody but the holder has changed the key since the lease was granted.",
    { isValid: flag },
  ),
} as const;
