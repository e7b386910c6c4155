// Incremental hashes of node:crypto, for bodies whose sender declares a digest, and the digest that stands for a token.

import { createHash } from "node:crypto";

/** The SHA-256 of a text's UTF-8, in hex: by it a token is looked up. */
export function sha256Hex(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** A fresh hash; `update` borrows its bytes, `digest` ends it. */
export function createHasher(algorithm: "sha256" | "md5"): {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
} {
  return createHash(algorithm);
}
