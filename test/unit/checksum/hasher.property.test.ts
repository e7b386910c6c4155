/** Any split, any alignment, either engine: the same digest. Any change inside an aligned word: another one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hashBytes } from "../../../src/checksum/chunk-digest.ts";
import { createHasher, createPortableHasher } from "../../../src/checksum/hasher.ts";

const seed = fc.nat(0xffffffff);
const bytes = fc.uint8Array({ maxLength: 1000 });

test("hasher: any split of unaligned views gives the digest of the whole, portable and WebAssembly", () => {
  fc.assert(
    fc.property(
      seed,
      seed,
      bytes,
      fc.array(fc.nat(300)),
      fc.nat(20),
      (low, high, all, cuts, offset) => {
        const memory = new Uint8Array(offset + all.length);
        memory.set(all, offset);
        const whole = hashBytes(low, high, all);
        for (const hasher of [createHasher(), createPortableHasher()]) {
          hasher.reset(low, high);
          let at = offset;
          for (const cut of cuts) {
            hasher.update(memory.subarray(at, at + cut));
            at = Math.min(at + cut, memory.length);
          }
          hasher.update(memory.subarray(at));
          assert.deepEqual(hasher.digest(), whole);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("hasher: portable and WebAssembly agree over many tiles", () => {
  const all = Uint8Array.from({ length: 100_003 }, (_, at) => (at * 2654435761) >>> 13);
  for (const from of [0, 1, 7, 8191, 8192, 99_999]) {
    const portable = createPortableHasher();
    portable.reset(from, 9);
    portable.update(all.subarray(from));
    assert.deepEqual(portable.digest(), hashBytes(from, 9, all.subarray(from)));
  }
});

test("hasher: a change confined to one aligned 8-byte word changes the digest", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 8, maxLength: 600 }),
      fc.nat(),
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
      (original, place, word) => {
        const at = (place % Math.floor(original.length / 8)) * 8;
        const changed = original.slice();
        changed.set(word, at);
        const isSame = Buffer.compare(changed, original) === 0;
        const digests = [hashBytes(1, 2, original), hashBytes(1, 2, changed)];
        if (isSame) assert.deepEqual(digests[0], digests[1]);
        else assert.notDeepEqual(digests[0], digests[1]);
      },
    ),
    { numRuns: 500 },
  );
});
