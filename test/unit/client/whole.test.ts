// Reads that the proxy answers from its own memory, through the whole client: all at once, a range, a stream; damaged on
// the way, which the reader says and asks again; and answers that cannot be.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProxyCache } from "../../../src/client/cache.ts";
import type { FakeProxy, Whole } from "./fake-proxy.ts";
import { body, isEqual, joined, mustGet, world } from "./world.ts";

const BYTES = 3_000;
const WHOLE: Whole = { index: 0, isDamaged: false };

/** A cache over a proxy that has "k", one chunk and two copies, and answers as `whole` says. */
async function stored(
  whole: NonNullable<FakeProxy["mischief"]["whole"]>,
): Promise<{ cache: ProxyCache; proxy: FakeProxy; sent: Uint8Array }> {
  const { cache, proxy } = world();
  const sent = body(BYTES);
  await cache.put("k", sent, { code: { dataChunks: 1, parityChunks: 2 } });
  proxy.mischief = { whole };
  return { cache, proxy, sent };
}

/** As the real proxy: what was called bad is read from a function. */
const untilBad =
  (whole: Whole): NonNullable<FakeProxy["mischief"]["whole"]> =>
  ({ isWholeBad }) =>
    isWholeBad ? null : whole;

test("whole: any chunk that comes with its object is the read; nothing more is sent for it", async () => {
  for (const index of [0, 1, 2]) {
    const { cache, proxy, sent } = await stored(untilBad({ index, isDamaged: false }));
    const read = await mustGet(cache, "k");
    assert.ok(isEqual(read.bytes, sent));
    assert.equal(read.timings.reconstructed, 0);
    const into = new Uint8Array(BYTES + 10);
    const placed = await cache.getInto("k", into);
    assert.ok(placed.kind === "hit" && isEqual(into.subarray(0, BYTES), sent));
    for (const kind of ["getDone", "cancel", "chunkBad"] as const)
      assert.equal(proxy.count(kind), 0, kind);
    assert.equal(proxy.count("get"), 2);
    assert.equal(cache.counters.operations, 0);
    await cache.close();
    assert.equal(cache.counters.pooledBytes, 0);
  }
});

test("whole: a range of it is that range", async () => {
  const { cache, sent } = await stored(untilBad(WHOLE));
  for (const [start, end] of [
    [0, 1],
    [5, 9],
    [2_999, 3_000],
    [1_000, 9_000],
  ] as const) {
    const read = await mustGet(cache, "k", { range: { start, end } });
    assert.ok(isEqual(read.bytes, sent.subarray(start, end)), `${start} to ${end}`);
  }
  await cache.close();
});

test("whole: one that is damaged is asked for again, once, and then not taken from memory", async () => {
  const { cache, proxy, sent } = await stored(untilBad({ index: 0, isDamaged: true }));
  const into = new Uint8Array(BYTES);
  const reads = [
    async () => assert.ok(isEqual((await mustGet(cache, "k")).bytes, sent)),
    async () => {
      const { bytes } = await mustGet(cache, "k", { range: { start: 7, end: 2_000 } });
      assert.ok(isEqual(bytes, sent.subarray(7, 2_000)));
    },
    async () => {
      const read = await cache.getInto("k", into);
      assert.ok(read.kind === "hit" && isEqual(into, sent));
    },
  ];
  for (const [at, read] of reads.entries()) {
    await read();
    const gets = proxy.seen.filter((message) => message.kind === "get");
    assert.deepEqual(
      gets.slice(2 * at).map((message) => message.kind === "get" && message.isWholeBad),
      [false, true],
    );
    const [first, second] = gets.slice(2 * at);
    assert.deepEqual({ ...second, isWholeBad: false }, first, "all else is asked as before");
  }
  assert.equal(proxy.count("chunkBad"), 0);
  assert.equal(proxy.connections, 1);
  await cache.close();
  assert.equal(cache.counters.pooledBytes, 0);
});

test("whole: a stream reads it, also where it came damaged first, and no byte of that is seen", async () => {
  for (const isDamaged of [false, true]) {
    const { cache, proxy, sent } = await stored(untilBad({ index: 0, isDamaged }));
    for (const range of [undefined, { start: 10, end: 1_010 }]) {
      const stream = await cache.getStream("k", range === undefined ? {} : { range });
      assert.equal(stream.kind, "hit");
      if (stream.kind !== "hit") continue;
      const expected = range === undefined ? sent : sent.subarray(range.start, range.end);
      assert.ok(isEqual(await joined(stream.body), expected));
    }
    assert.equal(proxy.count("get"), isDamaged ? 4 : 2);
    while (cache.counters.operations > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(cache.counters.pooledBytes, 0);
    await cache.close();
  }
});

test("whole: one more where it was bad before, or one that cannot be, breaks the protocol", async () => {
  const wrong: readonly ((message: { readonly isWholeBad: boolean }) => Whole)[] = [
    () => ({ index: 0, isDamaged: true }),
    () => ({ ...WHOLE, more: { dataChunks: 2 } }),
    () => ({ ...WHOLE, more: { index: 3 } }),
    () => ({ ...WHOLE, more: { stripeCount: 2, stripeBytes: BYTES, bytes: 2 * BYTES } }),
    () => ({ ...WHOLE, more: { bytes: BYTES + 1 } }),
  ];
  for (const whole of wrong) {
    const { cache } = await stored(whole);
    await assert.rejects(cache.get("k"), { code: "ICACHE_PROTOCOL" });
    await cache.close();
    assert.equal(cache.counters.pooledBytes, 0);
  }
});

test("whole: of another version or index than its bytes are, it is damaged, too", async () => {
  for (const more of [{ version: 77 }, { index: 1 }, { generation: 8 }, { digestLow: 1 }]) {
    const { cache, proxy, sent } = await stored(untilBad({ ...WHOLE, more }));
    assert.ok(isEqual((await mustGet(cache, "k")).bytes, sent));
    assert.equal(proxy.count("get"), 2);
    await cache.close();
  }
});

test("whole: a near cache keeps what came so, and asks about it by its version", async () => {
  const { cache, proxy } = world({ near: { bytes: 1_000_000 } });
  const sent = body(BYTES);
  await cache.put("k", sent, { code: { dataChunks: 1, parityChunks: 2 } });
  proxy.mischief = { whole: untilBad(WHOLE) };
  for (let reads = 0; reads < 3; reads++)
    assert.ok(isEqual((await mustGet(cache, "k")).bytes, sent));
  assert.equal(cache.near()?.hits, 2);
  await cache.close();
});
