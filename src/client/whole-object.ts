// An object that comes whole with its description, in one part: a copy of it, read into its final place and verified
// there. What stripe-assembly.ts does for the general case, without its tables. It sends nothing.

import { type ChunkIdentity, chunkDigest } from "../checksum/chunk-digest.ts";
import type { MessageOf } from "../wire/messages.ts";

/** See the header. */
export class WholeObject {
  readonly #identity: ChunkIdentity;
  readonly #message: MessageOf<"whole">;
  readonly #target: Uint8Array;
  #isPlaced = false;

  /** `target` receives the object and has exactly its length; it is written to until the body has come. */
  constructor(keyHash: Uint8Array, message: MessageOf<"whole">, target: Uint8Array) {
    const { generation, version, index } = message;
    this.#identity = { keyHash, generation, version, stripe: 0, index };
    this.#message = message;
    this.#target = target;
  }

  /** Where the body goes: null unless it is this object's, and all of it. */
  place({ stripe, index, offset }: MessageOf<"data">, bytes: number): Uint8Array | null {
    const isIt = stripe === 0 && index === this.#message.index && offset === 0;
    if (!isIt || bytes !== this.#target.length || this.#isPlaced) return null;
    this.#isPlaced = true;
    return this.#target;
  }

  /** True when what came is what was put. */
  isRight(body: Uint8Array | null): boolean {
    if (body === null) return false;
    const { low, high } = chunkDigest(this.#identity, body);
    return low === this.#message.digestLow && high === this.#message.digestHigh;
  }
}
