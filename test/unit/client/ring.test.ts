// A client over several proxies that share the keys: routing, newer documents, proxies that are gone, listings.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createCache, type ProxyCache } from "../../../src/client/cache.ts";
import type { CacheOptions } from "../../../src/client/cache-options.ts";
import { CacheError } from "../../../src/core/errors.ts";
import type { Membership } from "../../../src/core/membership.ts";
import { buildRing } from "../../../src/core/ring.ts";
import { NodeCrypto } from "../../../src/host/node-crypto.ts";
import { SystemClock } from "../../../src/host/system-clock.ts";
import type { Dialer } from "../../../src/wire/connection.ts";
import { VirtualClock } from "../proxy/virtual-clock.ts";
import { FakeProxy } from "./fake-proxy.ts";
import { body, isEqual, seededRandom } from "./world.ts";

const KEYS = Array.from({ length: 40 }, (_, at) => `key-${String(at).padStart(2, "0")}`);

/** More than a dial, a greeting and an answer take. */
const TURNS_TO_REST = 12;

function document(epoch: number, ids: readonly string[]): Membership {
  const members = ids.map((id) => ({ id, address: `${id}:1`, weight: 1 }));
  return { epoch, members, virtualNodes: 64 };
}

/** Proxies by name, all with the same document, and a client that is told of the first. */
function worldOf(ids: readonly string[], options: Partial<CacheOptions> = {}) {
  const first = document(1, ids);
  const proxies = new Map<string, FakeProxy>();
  const add = (id: string, membership: Membership): FakeProxy => {
    const proxy = new FakeProxy();
    proxy.ring = { membership, id };
    proxies.set(`${id}:1`, proxy);
    return proxy;
  };
  for (const id of ids) add(id, first);
  const dialer: Dialer = {
    dial: (address, deadlineMs, opened) => {
      const proxy = proxies.get(address);
      if (proxy === undefined) globalThis.setImmediate(() => opened(null, "connection refused"));
      else proxy.dial(address, deadlineMs, opened);
    },
  };
  const cache = createCache({
    dialer,
    address: `${ids[0]}:1`,
    clock: new SystemClock(),
    random: seededRandom(),
    crypto: new NodeCrypto(),
    ...options,
  });
  const of = (id: string): FakeProxy => {
    const proxy = proxies.get(`${id}:1`);
    assert.ok(proxy !== undefined);
    return proxy;
  };
  return { cache, proxies, of, add };
}

async function putAll(cache: ProxyCache): Promise<void> {
  for (const [at, key] of KEYS.entries()) await cache.put(key, body(500 + at, at + 1));
}

async function hits(cache: ProxyCache): Promise<string[]> {
  const found: string[] = [];
  for (const [at, key] of KEYS.entries()) {
    const read = await cache.get(key);
    if (read.kind === "miss") continue;
    assert.ok(isEqual(read.bytes, body(500 + at, at + 1)));
    found.push(key);
  }
  return found;
}

test("ring: told of one proxy, the client learns of all and stores each key at its owner", async () => {
  const { cache, of } = worldOf(["a", "b", "c"]);
  await putAll(cache);
  const ring = buildRing(document(1, ["a", "b", "c"]));
  for (const key of KEYS) assert.ok(of(ring.ownerOf(key).id).objects.has(key), key);
  assert.equal((await hits(cache)).length, KEYS.length);
  await cache.close();
});

test("ring: a stream that was sent to the wrong proxy is sent to the right one", async () => {
  const ring = buildRing(document(1, ["a", "b"]));
  const key = KEYS.find((each) => ring.ownerOf(each).id === "b") ?? "";
  const { cache, of } = worldOf(["a", "b"]);
  await cache.put(
    key,
    (async function* () {
      yield body(2_000);
    })(),
  );
  assert.ok(of("b").objects.has(key));
  await cache.close();
});

test("ring: listings are merged in order, prefixes cleared everywhere, states collected", async () => {
  const { cache } = worldOf(["a", "b", "c"]);
  await putAll(cache);
  await cache.close();
  const { cache: other, of } = worldOf(["a", "b", "c"]);
  await putAll(other);
  const listed: string[] = [];
  for await (const row of other.list({ prefix: "key-" })) listed.push(row.key);
  assert.deepEqual(listed, KEYS);
  const status = await other.status();
  assert.ok(typeof status === "object" && status !== null && "proxies" in status);
  assert.equal(await other.clear("key-"), KEYS.length);
  for (const id of ["a", "b", "c"]) assert.equal(of(id).objects.size, 0);
  await other.close();
});

test("ring: a listing as the first call asks everybody", async () => {
  const { cache, of } = worldOf(["a", "b"]);
  for await (const row of cache.list()) assert.fail(row.key);
  assert.deepEqual([of("a").count("list"), of("b").count("list")], [1, 1]);
  await cache.close();
});

test("ring: a newer document moves about its share of the keys; moved ones miss", async () => {
  const { cache, of, add } = worldOf(["a", "b"]);
  await putAll(cache);
  const next = document(2, ["a", "b", "c"]);
  add("c", next);
  of("a").adopt(next);
  of("b").adopt(next);
  const ring = buildRing(next);
  const found = await hits(cache);
  assert.deepEqual(
    found,
    KEYS.filter((key) => ring.ownerOf(key).id !== "c"),
  );
  await putAll(cache);
  assert.equal((await hits(cache)).length, KEYS.length);
  await cache.close();
});

test("ring: when a proxy is gone the client asks the others, and goes on by their document", async () => {
  const { cache, proxies, of } = worldOf(["a", "b", "c"]);
  await putAll(cache);
  const next = document(2, ["a", "b"]);
  of("c").cut();
  proxies.delete("c:1");
  // The others know already, but their connections to this client are cut, so that it must ask.
  for (const id of ["a", "b"]) {
    of(id).cut();
    of(id).ring = { membership: next, id };
  }
  const before = buildRing(document(1, ["a", "b", "c"]));
  const found = await hits(cache);
  assert.deepEqual(
    found,
    KEYS.filter((key) => before.ownerOf(key).id !== "c"),
  );
  await cache.close();
});

test("ring: of several addresses, one that does not answer is passed over", async () => {
  const { cache, of } = worldOf(["a", "b"], { address: "nobody:1", moreAddresses: ["a:1"] });
  await putAll(cache);
  assert.ok(of("b").objects.size > 0);
  await cache.close();
});

test("ring: without anybody that answers the client says so in time", async () => {
  const { cache } = worldOf(["a"], {
    address: "nobody:1",
    moreAddresses: ["nobody:2"],
    unreachableMs: 200,
  });
  await assert.rejects(cache.get("key"), { code: "ICACHE_UNREACHABLE" });
  await cache.close();
});

test("ring: a proxy that never comes to the client's document ends in the caller's deadline", async () => {
  const clock = new VirtualClock();
  const membership = document(2, ["b", "a", "c"]);
  const { cache, of } = worldOf(["a", "b"], { membership, clock });
  of("a").ring = { membership: document(1, ["b"]), id: "a" };
  of("b").ring = { membership: document(1, ["a"]), id: "b" };
  const ring = buildRing(document(2, ["a", "b", "c"]));
  const key = KEYS.find((each) => ring.ownerOf(each).id === "a") ?? "";
  let error: unknown = null;
  const read = cache.get(key, { deadlineMs: 151 }).catch((thrown: unknown) => {
    error = thrown;
  });
  // The proxies answer by turns of the event loop; time passes only when they have come to rest.
  for (let passedMs = 0; passedMs < 149; passedMs++) {
    for (let turn = 0; turn < TURNS_TO_REST; turn++) await setImmediate();
    assert.equal(error, null, `after ${passedMs} ms`);
    clock.advance(1);
  }
  assert.equal(of("a").count("get"), 3, "at once, and every 50 ms");
  clock.advance(2); // It is asking for the fourth time when the deadline strikes.
  await read;
  assert.ok(error instanceof CacheError && error.code === "ICACHE_UNREACHABLE", String(error));
  const closed = cache.close();
  clock.advance(1);
  await closed;
});
