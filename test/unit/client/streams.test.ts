// Streams through the client, both ways: any length, any pieces, left early, cut short.
// What a slow reader or a lost connection does is in faults.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { body, isEqual, joined, mustGet, pieces, world } from "./world.ts";

const MIB = 1_024 * 1_024;

test("put: a stream of any length in any pieces comes back, its tail joined when short", async () => {
  const { cache, proxy } = world();
  for (const [bytes, piece, stripes] of [
    [0, 1, 0],
    [1, 1, 1],
    [200_000, 7_001, 1],
    [262_144, 262_144, 1],
    [300_000, 65_536, 1],
    [33 * MIB, MIB + 3, 1],
    [40 * MIB, 5 * MIB, 2],
    [72 * MIB, 9 * MIB + 1, 3],
  ] as const) {
    const sent = body(bytes);
    const put = await cache.put("k", pieces(sent, piece));
    assert.equal(put.kind === "stored" && put.bytes, bytes);
    assert.equal(proxy.objects.get("k")?.described.stripeCount, stripes, `stripes of ${bytes}`);
    assert.ok(isEqual((await mustGet(cache, "k")).bytes, sent), `${bytes} in ${piece}`);
    const known = await cache.put("k", pieces(sent, piece), { length: bytes });
    assert.equal(known.kind, "stored");
    assert.ok(isEqual((await mustGet(cache, "k")).bytes, sent), `${bytes} in ${piece}, announced`);
  }
  assert.equal(cache.counters.pooledBytes, 0);
  await cache.close();
});

test("put: a stream of another length than announced stores nothing", async () => {
  const { cache, proxy } = world();
  await assert.rejects(cache.put("k", pieces(body(1_000), 100), { length: 999 }), {
    code: "ICACHE_INVALID",
  });
  await assert.rejects(cache.put("k", pieces(body(1_000), 100), { length: 1_001 }), {
    code: "ICACHE_INVALID",
  });
  await assert.rejects(cache.put("k", body(10), { length: 11 }), { code: "ICACHE_INVALID" });
  assert.equal(proxy.objects.size, 0);
  assert.equal(cache.counters.pooledBytes, 0);
  await cache.close();
});

test("put: the error of the caller's stream is the error of the put, and its stream is left", async () => {
  const { cache, proxy } = world();
  const fault = new Error("the disk broke");
  const failing = async function* () {
    yield body(1_000);
    throw fault;
  };
  await assert.rejects(cache.put("k", failing()), (error) => error === fault);
  assert.equal(proxy.objects.size, 0);
  await cache.close();
});

test("getStream: yields the object, a range of it, and nothing of an empty one", async () => {
  const { cache, proxy } = world();
  const sent = body(70 * MIB);
  await cache.put("k", sent);
  await cache.put("empty", body(0));
  proxy.lose("k", 1, 0);
  const whole = await cache.getStream("k");
  assert.equal(whole.kind, "hit");
  if (whole.kind === "hit") assert.ok(isEqual(await joined(whole.body), sent));
  const part = await cache.getStream("k", { range: { start: 1_000, end: 50 * MIB } });
  if (part.kind === "hit")
    assert.ok(isEqual(await joined(part.body), sent.subarray(1_000, 50 * MIB)));
  const empty = await cache.getStream("empty");
  assert.equal(empty.kind === "hit" && (await joined(empty.body)).length, 0);
  assert.deepEqual(await cache.getStream("none"), { kind: "miss", reason: "absent" });
  while (cache.counters.operations > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(cache.counters.pooledBytes, 0);
  await cache.close();
});

test("getStream: leaving early frees everything", async () => {
  const { cache, proxy } = world();
  await cache.put("k", body(100 * MIB));
  const stream = await cache.getStream("k");
  assert.equal(stream.kind, "hit");
  if (stream.kind === "hit") for await (const view of stream.body) if (view.length > 0) break;
  while (cache.counters.operations > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(cache.counters.pooledBytes, 0);
  while (proxy.count("cancel") === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(proxy.count("cancel"), 1);
  const unread = await cache.getStream("k");
  assert.equal(unread.kind, "hit");
  await cache.close();
  if (unread.kind === "hit") await assert.rejects(joined(unread.body), { code: "ICACHE_CLOSED" });
  assert.equal(cache.counters.pooledBytes, 0);
});

test("getStream: at most two stripes are asked for beyond what was read", async () => {
  const { cache, proxy } = world();
  await cache.put("k", body(160 * MIB));
  const stream = await cache.getStream("k");
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(proxy.count("getStripe") <= 1, "one stripe with the get, one asked for");
  if (stream.kind === "hit") assert.equal((await joined(stream.body)).length, 160 * MIB);
  await cache.close();
});

test("getStream: a loss midway throws", async () => {
  const { cache, proxy } = world();
  await cache.put("k", body(100 * MIB));
  for (let index = 0; index < 12; index++) proxy.lose("k", 2, index);
  const stream = await cache.getStream("k");
  assert.equal(stream.kind, "hit");
  if (stream.kind === "hit")
    await assert.rejects(joined(stream.body), { code: "ICACHE_UNREACHABLE" });
  await cache.close();
  assert.equal(cache.counters.pooledBytes, 0);
});
