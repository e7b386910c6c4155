// The proofs of both sides of a link: the hello that an instance says and the welcome it believes. Pure but for
// the random nonce; it keeps no state and knows no connection.

import { helloProofText, type InvokeOrder, welcomeProofText } from "../core/invocation.ts";
import type { Crypto } from "../core/ports.ts";
import type { MessageOf } from "../wire/messages.ts";

/** What a hello says about the store. */
export type StoreSummary = Pick<
  MessageOf<"functionHello">,
  "storeDigestLow" | "storeDigestHigh" | "chunks" | "usedBytes" | "budgetBytes"
>;

/** Who this instance is. */
export interface InstanceIdentity {
  readonly pool: string;
  readonly node: number;
  readonly nodeKey: Uint8Array;
  /** 16 random bytes, drawn at start. */
  readonly instance: Uint8Array;
}

/** A hello for this invocation, with a fresh nonce and the proof over the connection's challenge. */
export function makeHello(
  crypto: Crypto,
  identity: InstanceIdentity,
  order: InvokeOrder,
  challenge: Uint8Array,
  told: StoreSummary & Pick<MessageOf<"functionHello">, "redials" | "isFresh">,
): MessageOf<"functionHello"> {
  const { node, nodeKey, instance } = identity;
  const { generation, term, invocation } = order;
  const nonce = crypto.randomBytes(32);
  const text = helloProofText(challenge, nonce, instance, { node, term, invocation, generation });
  const proof = crypto.hmacSha256(nodeKey, text);
  return { kind: "functionHello", node, instance, nonce, proof, generation, ...told };
}

/** True when the welcome proves the node's key over our nonce, for this term and generation. */
export function isGenuineWelcome(
  crypto: Crypto,
  identity: InstanceIdentity,
  order: InvokeOrder,
  asked: { readonly nonce: Uint8Array; readonly challenge: Uint8Array },
  welcome: MessageOf<"functionWelcome">,
): boolean {
  const { term, generation } = order;
  const text = welcomeProofText(asked.nonce, asked.challenge, { term, generation });
  const proof = crypto.hmacSha256(identity.nodeKey, text);
  return welcome.generation === generation && crypto.equal(welcome.proof, proof);
}
