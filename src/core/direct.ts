// The direct path's key and proofs: what a client's listener and a function's instance know of each other through the
// proxy, and nobody else does. Pure; HMAC comes through the Crypto port.

import type { Crypto } from "./ports.ts";

const utf8 = new TextEncoder();

/** Bytes of the secret a client tells its proxies, of a key made from it, and of each nonce. */
export const DIRECT_KEY_BYTES = 32;
/** Bytes of a ticket. */
export const TICKET_BYTES = 16;
/** Chunks below this go through the proxy: the messages around a direct transfer cost more than the bytes. */
export const DIRECT_CHUNK_BYTES_MIN = 128 * 1_024;
/** The same for a client in the proxy's own process, where the other way is one copy and no connection of its own. */
export const DIRECT_CHUNK_BYTES_MIN_LOCAL = 2 * 1_024 * 1_024;

/** Which of the three proofs of a handshake it is. */
export type DirectStep = "hello" | "challenge" | "proof";

/** The key of one client and one instance. */
export function pairKey(crypto: Crypto, secret: Uint8Array, instance: Uint8Array): Uint8Array {
  return crypto.hmacSha256(secret, join(utf8.encode("infinicache direct key 1|"), instance));
}

/** What proves at this step that its sender has the pair's key; `nonces` are those said so far, the function's first. */
export function directProof(
  crypto: Crypto,
  key: Uint8Array,
  step: DirectStep,
  ...nonces: readonly Uint8Array[]
): Uint8Array {
  return crypto.hmacSha256(key, join(utf8.encode(`infinicache direct ${step} 1|`), ...nonces));
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
