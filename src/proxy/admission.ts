// Whether a client's message may begin anything: one table of what each asks for, and one answer before anything is
// looked up. What is not in the table begins nothing.

import {
  type Deed,
  FORBIDDEN,
  type Grant,
  prefixWithin,
  type Refusal,
  refusalOf,
} from "../core/access.ts";
import type { Message, MessageKind } from "../wire/messages.ts";

/** `open`: asked by everybody who has said hello. */
const DEEDS: Readonly<Partial<Record<MessageKind, Deed | "open">>> = {
  ping: "open",
  listen: "open",
  get: "read",
  stat: "read",
  list: "read",
  putOpen: "write",
  remove: "write",
  clear: "write",
  lease: "write",
  repair: "write",
  repairAsk: "maintain",
  status: "inspect",
};

/** The message as it may be carried out, or why it may not; null: it begins nothing. */
export type Admission =
  | { readonly kind: "go"; readonly message: Message }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | null;

/** Lists and clears are narrowed to the namespace of the grant. */
export function admit(grant: Grant | null, message: Message, nowMs: number): Admission {
  const deed = DEEDS[message.kind];
  if (deed === undefined) return null;
  if (deed === "open") return { kind: "go", message };
  const refusal = refusalOf(grant, deed, "key" in message ? message.key : null, nowMs);
  if (refusal !== null || grant === null) return { kind: "refused", refusal: refusal ?? FORBIDDEN };
  if (message.kind !== "list" && message.kind !== "clear") return { kind: "go", message };
  const prefix = prefixWithin(grant, message.prefix);
  if (prefix === null) return { kind: "refused", refusal: FORBIDDEN };
  return { kind: "go", message: { ...message, prefix } };
}
