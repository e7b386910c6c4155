// Incremental hashes of node:crypto, for bodies whose sender declares a digest. Not for secrets.

import { createHash } from "node:crypto";

/** A fresh hash; `update` borrows its bytes, `digest` ends it. */
export function createHasher(algorithm: "sha256" | "md5"): {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
} {
  return createHash(algorithm);
}
