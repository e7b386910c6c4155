// What every origin that is written must do; each adapter's tests call it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { partsOf } from "../../../src/origin/bodies.ts";
import type { OriginStore } from "../../../src/origin/store.ts";
import { body, joined, pieces } from "../client/world.ts";

const { signal } = new AbortController();
const plain = { bytes: null, metadata: {}, expiresAtMs: null, ifAbsent: false, signal };

/** Tests an origin; `open` makes an empty one. */
export function originConformance(name: string, open: () => Promise<OriginStore>): void {
  const sizes = [0, 1, 1_000, 65_536, 3_000_001, 20_000_000];

  test(`${name}: objects come back whole, with what was written with them`, async () => {
    const origin = await open();
    for (const size of sizes) {
      for (const bytes of [null, size]) {
        const metadata = {
          "content-type": "text/csv",
          "x-meta-a": "b",
          größe: "zwölf",
          Odd: "\u0001 x ",
        };
        const put = { ...plain, bytes, metadata, expiresAtMs: 4_000_000_000_123 };
        const whole = body(size, size + 1);
        assert.equal(await origin.put(`k/${size}`, pieces(whole, 700_000), put), "stored");
        const found = await origin.get(`k/${size}`, signal);
        assert(found !== null);
        assert.deepEqual([found.bytes, found.expiresAtMs], [size, 4_000_000_000_123]);
        assert.deepEqual({ ...found.metadata }, metadata);
        assert.equal(Buffer.compare(await joined(found.body), whole), 0);
        assert.equal((await origin.head(`k/${size}`, signal))?.expiresAtMs, 4_000_000_000_123);
      }
    }
    await origin.close();
  });

  test(`${name}: a PUT replaces all there was, metadata too; a DELETE leaves nothing`, async () => {
    const origin = await open();
    await origin.put("k", partsOf(body(10)), { ...plain, metadata: { a: "b" }, expiresAtMs: 9 });
    await origin.put("k", partsOf(body(5)), plain);
    const found = await origin.get("k", signal);
    assert(found !== null);
    assert.deepEqual([found.bytes, found.expiresAtMs, { ...found.metadata }], [5, null, {}]);
    await joined(found.body);
    assert.equal(await origin.remove("k", signal), true);
    assert.equal(await origin.remove("k", signal), false);
    assert.deepEqual([await origin.get("k", signal), await origin.head("k", signal)], [null, null]);
    await origin.close();
  });

  test(`${name}: of many who create at once one does`, async () => {
    const origin = await open();
    for (const size of [100, 9_000_000]) {
      const put = { ...plain, ifAbsent: true };
      const done = await Promise.all(
        [1, 2, 3, 4].map(
          async (seed) => await origin.put(`k${size}`, partsOf(body(size, seed)), put),
        ),
      );
      assert.deepEqual(done.toSorted(), ["exists", "exists", "exists", "stored"]);
      const found = await origin.get(`k${size}`, signal);
      assert(found !== null);
      const winner = done.indexOf("stored") + 1;
      assert.equal(Buffer.compare(await joined(found.body), body(size, winner)), 0);
    }
    await origin.close();
  });

  test(`${name}: a body that throws leaves what was there, and is thrown as it is`, async () => {
    const origin = await open();
    await origin.put("k", partsOf(body(10)), plain);
    const failure = new Error("broken");
    for (const after of [0, 1_000, 12_000_000]) {
      const broken = async function* (): AsyncGenerator<Uint8Array> {
        yield* pieces(body(after), 900_000);
        throw failure;
      };
      await assert.rejects(origin.put("k", broken(), plain), (error) => error === failure);
      assert.equal(await origin.put("k", partsOf(body(1)), { ...plain, ifAbsent: true }), "exists");
      const found = await origin.get("k", signal);
      assert(found !== null && found.bytes === 10);
      await joined(found.body);
    }
    await origin.close();
  });

  test(`${name}: keys of any spelling are kept apart`, async () => {
    const origin = await open();
    const keys = [
      "a",
      "a b",
      "b/",
      "d//c",
      "c/./d",
      "../x",
      "%2E",
      "ä/ö?#&",
      "\u0001",
      "x".repeat(1_000),
      "+",
      "e=f",
    ];
    for (const [at, key] of keys.entries()) await origin.put(key, partsOf(body(10 + at)), plain);
    for (const [at, key] of keys.entries()) {
      const found = await origin.get(key, signal);
      assert.equal(found?.bytes, 10 + at, key);
      if (found !== null) await joined(found.body);
    }
    await origin.close();
  });

  test(`${name}: a body that is left is let go, and a reader keeps its version while another is written`, async () => {
    const origin = await open();
    await origin.put("k", partsOf(body(3_000_000, 1)), plain);
    const left = await origin.get("k", signal);
    await left?.body[Symbol.asyncIterator]().return?.();
    const reading = await origin.get("k", signal);
    assert(reading !== null);
    const iterator = reading.body[Symbol.asyncIterator]();
    const first = await iterator.next();
    assert(first.done !== true);
    const seen: Uint8Array[] = [first.value.slice()];
    await origin.put("k", partsOf(body(3_000_000, 2)), plain);
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
      seen.push(next.value.slice());
    assert.equal(Buffer.compare(Buffer.concat(seen), body(3_000_000, 1)), 0);
    await origin.close();
  });
}
