// The Crypto port of a simulated world: deterministic, and no cryptography at all. Its "HMAC" is a fast keyed hash:
// in here nobody forges, and what matters is that a proof over other numbers, nonces or keys is another proof.

import { hashBytes } from "../checksum/chunk-digest.ts";
import type { Crypto } from "../core/ports.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** See the header. */
export class SimCrypto implements Crypto {
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  randomBytes(count: number): Uint8Array {
    const words = new Uint32Array(Math.ceil(count / 4));
    for (let at = 0; at < words.length; at++) words[at] = this.#random.u32();
    return new Uint8Array(words.buffer, 0, count);
  }

  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
    const keyed = hashBytes(0x6a09e667, 0x3c6ef372, key);
    const words = new Uint32Array(8);
    for (let part = 0; part < 4; part++) {
      const { low, high } = hashBytes((keyed.low ^ part) >>> 0, keyed.high >>> 0, message);
      words[2 * part] = low;
      words[2 * part + 1] = high;
    }
    return new Uint8Array(words.buffer);
  }

  equal(a: Uint8Array, b: Uint8Array): boolean {
    return a.length === b.length && a.every((byte, at) => byte === b[at]);
  }
}
