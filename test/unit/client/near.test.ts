// The near cache of the library over the fake proxy: what is asked, what is handed out, and whose memory it is.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { NearOptions } from "../../../src/client/api.ts";
import { body, isEqual, mustGet, settle, world } from "./world.ts";

/** Two clients of one proxy, of which the first keeps what it reads. */
function two(near: NearOptions = { bytes: 10_000_000 }) {
  const { cache, proxy } = world({ near });
  const { cache: other } = world({ dialer: proxy });
  const close = async (): Promise<void> => void (await Promise.all([cache.close(), other.close()]));
  /** How many objects have been sent since. */
  const sent = async (): Promise<number> => {
    await settle(5);
    return proxy.count("getDone");
  };
  return { cache, other, proxy, close, sent };
}

test("near: what is current is handed out for one small message each way, what is not is read anew", async () => {
  const { cache, other, proxy, close, sent } = two();
  await other.put("k", body(100_000, 1), { metadata: { of: "one" } });
  for (const _ of [1, 2, 3]) {
    const read = await mustGet(cache, "k");
    assert.ok(isEqual(read.bytes, body(100_000, 1)));
    assert.deepEqual(read.object.metadata, { of: "one" });
  }
  assert.equal(await sent(), 1);
  assert.equal(proxy.count("get"), 3);
  await other.put("k", body(50_000, 2));
  assert.ok(isEqual((await mustGet(cache, "k")).bytes, body(50_000, 2)));
  assert.ok(isEqual((await mustGet(cache, "k")).bytes, body(50_000, 2)));
  assert.equal(await sent(), 2);
  await other.delete("k");
  assert.deepEqual(await cache.get("k"), { kind: "miss", reason: "absent" });
  const { bytesMax, ...status } = cache.near() ?? assert.fail();
  assert.equal(bytesMax, 10_000_000);
  assert.deepEqual(status, {
    ...{ hits: 3, hitsUnasked: 0, misses: 3, superseded: 2, evictions: 0 },
    ...{ objects: 0, bytes: 0 },
  });
  assert.equal(other.near(), null);
  await close();
});

test("near: nobody's writing reaches what is kept, and every way to read gets the same bytes", async () => {
  const { cache, other, close, sent } = two();
  const bytes = body(10_000, 3);
  await other.put("k", bytes);
  const into = new Uint8Array(20_000);
  const first = await cache.getInto("k", into);
  assert.ok(first.kind === "hit" && first.bytes === 10_000);
  assert.ok(isEqual(into.subarray(0, 10_000), bytes));
  into.fill(0);
  for (const _ of [1, 2]) {
    const read = await mustGet(cache, "k");
    assert.ok(isEqual(read.bytes, bytes));
    read.bytes.fill(7);
  }
  await cache.getInto("k", into);
  assert.ok(isEqual(into.subarray(0, 10_000), bytes));
  const range = await mustGet(cache, "k", { range: { start: 9_990, end: 12_000 } });
  assert.ok(isEqual(range.bytes, bytes.subarray(9_990)));
  range.bytes.fill(7);
  assert.equal((await mustGet(cache, "k", { range: { start: 20_000 } })).bytes.length, 0);
  const [many] = await cache.getMany(["k"]);
  assert.ok(many?.kind === "hit" && isEqual(many.bytes, bytes));
  await assert.rejects(cache.getInto("k", new Uint8Array(5)), { code: "ICACHE_TOO_LARGE" });
  assert.equal(await sent(), 1);
  await close();
});

test("near: what is too large, or read in part, is not kept", async () => {
  const { cache, other, close, sent } = two({ bytes: 100_000, objectBytes: 10_000 });
  await other.put("large", body(10_001));
  await other.put("part", body(10_000));
  const into = new Uint8Array(10_001);
  for (const _ of [1, 2]) {
    await mustGet(cache, "large");
    const read = await cache.getInto("large", into);
    assert.ok(read.kind === "hit" && isEqual(into, body(10_001)));
    await mustGet(cache, "part", { range: { start: 0, end: 5_000 } });
  }
  assert.equal(await sent(), 6);
  assert.equal(cache.near()?.objects, 0);
  await close();
});

test("near: a proxy that began anew is not taken at its version's number", async () => {
  const { cache, proxy, close, sent } = two();
  await cache.put("k", body(1_000));
  await mustGet(cache, "k");
  assert.equal(await sent(), 1);
  proxy.cut();
  proxy.generation = 8;
  await settle();
  await mustGet(cache, "k");
  const asked = proxy.seen.findLast((message) => message.kind === "get");
  assert.ok(asked?.kind === "get" && asked.knownVersion === 0 && asked.knownGeneration === 0);
  assert.equal(await sent(), 2);
  await close();
});

test("near: an answer that nobody asked for breaks the connection, and no bytes come of it", async () => {
  const { cache, proxy, close } = two();
  await cache.put("k", body(1_000));
  const described = proxy.objects.get("k")?.described ?? assert.fail();
  proxy.mischief.ignore = (message) => {
    if (message.kind === "get")
      Object.assign(message, {
        knownVersion: described.version,
        knownGeneration: described.generation,
      });
    return false;
  };
  await assert.rejects(cache.get("k"), { code: "ICACHE_PROTOCOL" });
  await close();
});

test("near: write-once keys are not asked for again, unless they expire", async () => {
  const { cache, other, proxy, close } = two({ bytes: 1_000_000, writeOnce: ["layers/"] });
  await other.putMany([
    { key: "layers/1", body: body(1_000, 1) },
    { key: "layers/2", body: body(1_000, 2), ttlMs: 60_000 },
    { key: "other/1", body: body(1_000, 3) },
  ]);
  const keys = ["layers/1", "layers/2", "other/1"];
  await cache.getMany(keys);
  const before = proxy.count("get");
  const again = await cache.getMany(keys);
  assert.ok(again.every((read) => read.kind === "hit"));
  assert.equal(proxy.count("get"), before + 2);
  assert.equal(cache.near()?.hitsUnasked, 1);
  const [first] = again;
  assert.ok(first?.kind === "hit" && isEqual(first.bytes, body(1_000, 1)));
  first.bytes.fill(0);
  assert.ok(isEqual((await mustGet(cache, "layers/1")).bytes, body(1_000, 1)));
  const signal = AbortSignal.abort();
  await assert.rejects(cache.get("layers/1", { signal }), { code: "ICACHE_ABORTED" });
  await close();
  await assert.rejects(cache.get("layers/1"), { code: "ICACHE_CLOSED" });
});

test("near: this client's own changes are seen at once, also by reads that were under way", async () => {
  const { cache, proxy, close } = two({ bytes: 1_000_000, writeOnce: [""] });
  const changes = [
    () => cache.delete("k"),
    () => cache.clear(""),
    () => cache.put("k", body(2_000, 2)),
    () => cache.getOrSet("k", () => Promise.resolve(body(2_000, 2))).then(() => cache.delete("k")),
  ];
  for (const change of changes) {
    await cache.put("k", body(1_000, 1));
    await mustGet(cache, "k");
    await change();
    const expected = proxy.objects.has("k") ? body(2_000, 2) : null;
    const read = await cache.get("k");
    assert.equal(read.kind, expected === null ? "miss" : "hit");
    if (read.kind === "hit" && expected !== null) assert.ok(isEqual(read.bytes, expected));
    await cache.clear("");
  }
  await cache.put("k", body(1_000, 1));
  const [late, removed] = await Promise.all([cache.get("k"), cache.delete("k")]);
  assert.ok(late.kind === "hit" && removed);
  assert.deepEqual(await cache.get("k"), { kind: "miss", reason: "absent" });
  await close();
});

test("near: its options are checked", () => {
  const bad: unknown[] = [
    null,
    {},
    { bytes: 0 },
    { bytes: "1 GB" },
    { bytes: 1_000, objectBytes: 1_001 },
    { bytes: 1_000, writeOnce: "layers/" },
    { bytes: 1_000, writeOnce: [5] },
    { bytes: 1_000, writeOnce: Array<string>(65).fill("a") },
    { bytes: 1_000, ttlMs: 5 },
  ];
  for (const near of bad)
    assert.throws(() => world({ near: near as NearOptions }), { code: "ICACHE_INVALID" });
});
