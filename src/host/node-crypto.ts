// Secrets and proofs by Node's OpenSSL. It keeps no key.

import { createHmac, randomFillSync, timingSafeEqual } from "node:crypto";
import type { Crypto } from "../core/ports.ts";

/** The machine's cryptography. */
export class NodeCrypto implements Crypto {
  randomBytes(count: number): Uint8Array {
    return randomFillSync(new Uint8Array(count));
  }

  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
    return new Uint8Array(createHmac("sha256", key).update(message).digest());
  }

  equal(a: Uint8Array, b: Uint8Array): boolean {
    return a.length === b.length && timingSafeEqual(a, b);
  }
}
