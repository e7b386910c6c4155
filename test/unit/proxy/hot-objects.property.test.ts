// HotObjects against a naive twin that remembers everything: what is kept is what was offered for that very version, what
// was dropped stays away, and the sum never exceeds the bound.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CodeSpec } from "../../../src/core/code.ts";
import { type ObjectKey, version } from "../../../src/core/ids.ts";
import { layoutOf } from "../../../src/core/layout.ts";
import { HOT_OBJECT_BYTES_MAX, HotObjects } from "../../../src/proxy/hot-objects.ts";
import type { ObjectVersion } from "../../../src/proxy/object-version.ts";

const ALONE: CodeSpec = { dataChunks: 1, parityChunks: 2 };
const DIGEST = { digestLow: 1, digestHigh: 2 };

function objectOf(bytes: number, number = 1, code: CodeSpec = ALONE): ObjectVersion {
  return {
    key: "k" as ObjectKey, // A good key; all are versions of it.
    keyHash: new Uint8Array(16),
    version: version(number),
    code,
    layout: layoutOf(bytes),
    createdAtMs: 1,
    expiresAtMs: 0,
    metadata: [],
    places: [],
    usedAt: 0,
    pins: 0,
    isCurrent: true,
  };
}

test("hot objects: keeps within its bound what was offered for that very version, and nothing once dropped", () => {
  const step = fc.record({
    act: fc.constantFrom("offer", "offer", "offer", "find", "find", "drop", "retire"),
    at: fc.nat(11),
    fill: fc.nat(255),
  });
  const sizes = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 12, maxLength: 12 });
  const bound = fc.constantFrom(0, 600, 2_000, 8_000, 40_000);
  fc.assert(
    fc.property(bound, sizes, fc.array(step, { maxLength: 200 }), (bytesMax, bytes, steps) => {
      const hot = new HotObjects(bytesMax);
      const objects = bytes.map((length, at) => objectOf(length, at + 1));
      const offered = new Map<ObjectVersion, Uint8Array>();
      for (const { act, at, fill } of steps) {
        const object = objects[at]!;
        if (act === "retire") object.isCurrent = false;
        if (act === "drop" || act === "retire") {
          hot.drop(object);
          offered.delete(object);
        } else if (act === "offer") {
          const body = new Uint8Array(object.layout.bytes).fill(fill);
          const isKept = hot.find(object) !== undefined;
          hot.offer(object, 2, DIGEST, body);
          if (object.isCurrent && !isKept) offered.set(object, body.slice());
          body.fill(fill ^ 0xff); // The buffer is used again by whoever offered it.
        }
        let sum = 0;
        let count = 0;
        for (const each of objects) {
          const chunk = hot.find(each);
          if (chunk === undefined) continue;
          assert.deepEqual(chunk, { index: 2, ...DIGEST, bytes: offered.get(each) });
          sum += chunk.bytes.length;
          count++;
        }
        assert.equal(hot.size, count);
        assert.ok(hot.bytes <= bytesMax && sum <= hot.bytes, `${hot.bytes} of ${bytesMax}`);
      }
      for (const object of objects) hot.drop(object);
      assert.deepEqual([hot.size, hot.bytes], [0, 0]);
    }),
  );
});

test("hot objects: what was offered last is there whenever it fits at all", () => {
  const hot = new HotObjects(4_000);
  for (let number = 1; number <= 50; number++) {
    const object = objectOf(1_000, number);
    hot.offer(object, 0, DIGEST, new Uint8Array(1_000));
    assert.notEqual(hot.find(object), undefined);
  }
  assert.equal(hot.size, 2);
});

test("hot objects: what is read again outlives what is not", () => {
  const hot = new HotObjects(4_000);
  const used = objectOf(1_000, 1);
  hot.offer(used, 0, DIGEST, new Uint8Array(1_000));
  for (let number = 2; number <= 50; number++) {
    hot.find(used);
    hot.offer(objectOf(1_000, number), 0, DIGEST, new Uint8Array(1_000));
  }
  assert.notEqual(hot.find(used), undefined);
});

test("hot objects: keeps nothing that one chunk does not hold whole, that is long, or that is no longer current", () => {
  const hot = new HotObjects(1_000_000);
  const tried: readonly (readonly [ObjectVersion, number])[] = [
    [objectOf(2_000, 1, { dataChunks: 2, parityChunks: 1 }), 1_000],
    [objectOf(2_000, 1, { dataChunks: 2, parityChunks: 1 }), 2_000],
    [objectOf(64 * 1_024 * 1_024), 32 * 1_024 * 1_024],
    [objectOf(HOT_OBJECT_BYTES_MAX + 1), HOT_OBJECT_BYTES_MAX + 1],
    [objectOf(2_000), 1_999],
    [{ ...objectOf(2_000), isCurrent: false }, 2_000],
  ];
  for (const [object, bytes] of tried) {
    hot.offer(object, 0, DIGEST, new Uint8Array(bytes));
    assert.equal(hot.find(object), undefined);
  }
  assert.deepEqual([hot.size, hot.bytes], [0, 0]);
  const longest = objectOf(HOT_OBJECT_BYTES_MAX);
  hot.offer(longest, 0, DIGEST, new Uint8Array(HOT_OBJECT_BYTES_MAX));
  assert.equal(hot.size, 1);
  const none = new HotObjects(0);
  none.offer(objectOf(1), 0, DIGEST, new Uint8Array(1));
  assert.equal(none.size, 0);
});
