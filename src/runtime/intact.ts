// Whether what a store holds is still what came: its bytes against the digest that came with them. Reads all of them.

import { seedOf } from "../checksum/chunk-digest.ts";
import { createHasher } from "../checksum/hasher.ts";
import type { StoredChunk } from "./chunk-store.ts";

/** `generation`: of the store, part of every chunk's identity. */
export function isIntact(chunk: StoredChunk, generation: number): boolean {
  const { keyHash, version, stripe, index } = chunk;
  const seed = seedOf({ keyHash, version, stripe, index, generation });
  const hasher = createHasher();
  hasher.reset(seed.low, seed.high);
  for (const view of chunk.bytes.views()) hasher.update(view);
  const { low, high } = hasher.digest();
  return low === chunk.digestLow && high === chunk.digestHigh;
}
