// What a read of a simulated client has brought, whether its bytes came or were kept: for the judgement of both alike.

import type { ByteRange, Miss } from "../client/api.ts";
import type { GetOutcome } from "../client/get-contract.ts";
import { type NearObject, partOf } from "../client/near.ts";
import { assert } from "../core/assert.ts";
import type { MessageOf } from "../wire/messages.ts";

/** The object that was read, and its bytes from `from` on: from the pool, or from what is kept. */
export function readOf(
  outcome: Exclude<GetOutcome, Miss>,
  came: Uint8Array,
  kept: NearObject | null,
  range: ByteRange,
): { readonly message: MessageOf<"found">; readonly from: number; readonly bytes: Uint8Array } {
  if (outcome.kind === "hit")
    return { message: outcome.found.message, from: outcome.found.start, bytes: came };
  assert(kept !== null, "only a version that is kept is asked about");
  const { start, part } = partOf(kept, range);
  return { message: kept.found, from: start, bytes: part };
}
