// The calls beside get and put, what happens when many are made at once, and which arguments are refused.
// The proxy is the fake one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CacheError } from "../../../src/core/errors.ts";
import { body, isEqual, mustGet, pieces, world } from "./world.ts";

test("50 writers and 50 readers of one key: every read is one of the puts, whole", async () => {
  const { cache } = world();
  const versions = Array.from({ length: 50 }, (_, seed) => body(500_000, seed + 1));
  await cache.put("k", versions[0]!);
  const writes = versions.map((bytes) => cache.put("k", bytes));
  const reads = versions.map(async () => {
    const read = await mustGet(cache, "k");
    assert.ok(versions.some((bytes) => isEqual(bytes, read.bytes)));
  });
  await Promise.all([...writes, ...reads]);
  await cache.close();
});

test("list, has, delete, clear, status and ping answer", async () => {
  const { cache } = world();
  for (const key of ["a/1", "a/2", "a/3", "b/1"]) await cache.put(key, body(10));
  const keys = [];
  for await (const { key } of cache.list({ prefix: "a/" })) keys.push(key);
  assert.deepEqual(keys, ["a/1", "a/2", "a/3"]);
  assert.equal(await cache.has("a/1"), true);
  assert.equal(await cache.delete("a/1"), true);
  assert.equal(await cache.delete("a/1"), false);
  assert.equal(await cache.has("a/1"), false);
  assert.equal(await cache.clear("a/"), 2);
  assert.deepEqual(await cache.status(), { objects: 1 });
  assert.ok((await cache.ping()) >= 0);
  await cache.close();
});

test("getOrSet: a thousand callers load once, and an error reaches all and is not kept", async () => {
  const { cache, proxy } = world();
  let loads = 0;
  const load = async () => {
    loads += 1;
    return pieces(body(5_000), 999);
  };
  const results = await Promise.all(Array.from({ length: 1_000 }, () => cache.getOrSet("k", load)));
  assert.equal(loads, 1);
  assert.ok(results.every((bytes) => bytes === results[0]));
  assert.ok(isEqual(results[0]!, body(5_000)));
  assert.equal(proxy.objects.size, 1);
  const fault = new Error("no");
  let failures = 0;
  const fail = () => {
    failures += 1;
    return Promise.reject(fault);
  };
  const settled = await Promise.allSettled(
    Array.from({ length: 10 }, () => cache.getOrSet("x", fail)),
  );
  assert.ok(settled.every((each) => each.status === "rejected" && each.reason === fault));
  assert.equal(failures, 1);
  await assert.rejects(cache.getOrSet("x", fail));
  assert.equal(failures, 2);
  await cache.close();
});

test("arguments: each mistake is refused before anything is sent, and says what is right", async () => {
  const { cache, proxy } = world();
  const bad: (() => Promise<unknown>)[] = [
    () => cache.put("", body(1)),
    () => cache.put("\ud800", body(1)),
    () => cache.put("k", "text" as never),
    () => cache.put("k", body(1), { ttl: 5 } as never),
    () => cache.put("k", body(1), { ttlMs: 0 }),
    () => cache.put("k", body(1), { ttlMs: 1.5 }),
    () => cache.put("k", body(1), { code: { dataChunks: 0, parityChunks: 1 } }),
    () => cache.put("k", body(1), { code: { dataChunks: 200, parityChunks: 100 } }),
    () => cache.put("k", body(1), { metadata: { a: 1 as never } }),
    () => cache.get("k", { range: { start: -1 } }),
    () => cache.get("k", { range: { start: 5, end: 4 } }),
    () => cache.get("k", { firstD: "some" as never }),
    () => cache.get("k", { deadlineMs: 0 }),
    () => cache.getInto("k", [] as never),
    () => cache.getOrSet("k", async () => body(1), { range: { start: 0 } }),
    () => cache.stat(5 as never),
  ];
  for (const call of bad)
    await assert.rejects(
      call(),
      (error) => error instanceof CacheError && error.code === "ICACHE_INVALID",
    );
  await assert.rejects(cache.put("é".repeat(513), body(1)), { code: "ICACHE_TOO_LARGE" });
  await assert.rejects(cache.put("k", body(1), { metadata: { a: "x".repeat(9_000) } }), {
    code: "ICACHE_TOO_LARGE",
  });
  assert.equal(proxy.connections, 0);
  await cache.close();
  await assert.rejects(cache.get("k"), { code: "ICACHE_CLOSED" });
});
