// Claims about reading through: one load for all, errors reach all and are not kept, nothing older is stored over
// something newer, nothing half is stored.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CacheError } from "../../../src/core/errors.ts";
import { SystemWallClock } from "../../../src/host/system-wall-clock.ts";
import { loaderOrigin } from "../../../src/origin/loader.ts";
import { body, joined } from "../client/world.ts";
import { latch, tierOver } from "./world.ts";

const SMALL = body(10_000, 1);
const NEWER = body(10_000, 2);
const LARGE = body(5_000_000, 3);

test("read-through: a thousand readers of an absent key make one load, and all get its bytes", async () => {
  for (const bytes of [SMALL, LARGE]) {
    const { tier, origin, cache } = tierOver();
    origin.set("k", bytes);
    const reads = await Promise.all(
      Array.from({ length: bytes === SMALL ? 1_000 : 20 }, () => tier.get("k")),
    );
    for (const read of reads) {
      assert.equal(read.kind, "hit");
      assert.equal(Buffer.compare(read.bytes, bytes), 0);
    }
    assert.equal(origin.gets, 1);
    assert.equal(cache.objects.size, 1);
    assert.equal(origin.openBodies, 0);
    assert.equal(cache.leases.size, 0);
  }
});

test("read-through: many keys are loaded each for itself; one that fails at the origin fails alone", async () => {
  const { tier, origin, cache } = tierOver();
  for (const at of [0, 1, 2, 3]) origin.set(`k${at}`, body(1_000, at + 1));
  await cache.put("k3", body(1_000, 4));
  const reads = await tier.getMany(["k0", "absent", "k3", "k1", ""]);
  assert.deepEqual(
    reads.map(({ kind }) => kind),
    ["hit", "miss", "hit", "hit", "failed"],
  );
  assert.equal(origin.gets, 3, "what the cache has is not loaded");
  origin.failure = new Error("gone");
  const [kept, failed] = await tier.getMany(["k0", "k2"]);
  assert.equal(kept?.kind, "hit");
  assert.ok(failed?.kind === "failed" && failed.error === origin.failure);
  const puts = await tier.putMany([{ key: "k2", body: NEWER }]);
  assert.deepEqual(
    puts.map(({ kind }) => kind),
    ["stored"],
  );
});

test("read-through: what readers get is theirs: writing to it changes nothing for others", async () => {
  const { tier, origin } = tierOver();
  origin.set("k", SMALL.slice());
  const [a, b] = await Promise.all([tier.get("k"), tier.get("k")]);
  assert(a.kind === "hit" && b.kind === "hit");
  a.bytes.fill(0);
  assert.equal(Buffer.compare(b.bytes, SMALL), 0);
  const again = await tier.get("k");
  assert(again.kind === "hit" && Buffer.compare(again.bytes, SMALL) === 0);
});

test("read-through: an error reaches all who wait, and the next read loads again", async () => {
  const { tier, origin, cache } = tierOver();
  origin.set("k", SMALL);
  origin.failure = new CacheError("ICACHE_ORIGIN", "out of order");
  const reads = await Promise.allSettled(Array.from({ length: 50 }, () => tier.get("k")));
  assert.deepEqual(
    [...new Set(reads.map((read) => read.status === "rejected" && read.reason))],
    [origin.failure],
  );
  assert.equal(origin.gets, 1);
  origin.failure = null;
  assert.equal((await tier.get("k")).kind, "hit");
  assert.equal(cache.leases.size, 0);
});

test("read-through: ranges, streams, own memory and descriptions are of the same object", async () => {
  for (const bytes of [SMALL, LARGE]) {
    const range = { start: 100, end: bytes.length - 1 };
    const part = bytes.subarray(range.start, range.end);
    const fresh = () => {
      const world = tierOver();
      world.origin.set("k", bytes);
      return world.tier;
    };
    const read = await fresh().get("k", { range });
    assert(read.kind === "hit" && Buffer.compare(read.bytes, part) === 0);
    const stream = await fresh().getStream("k", { range });
    assert(stream.kind === "hit");
    assert.deepEqual([stream.start, stream.end], [range.start, range.end]);
    assert.equal(Buffer.compare(await joined(stream.body), part), 0);
    const into = new Uint8Array(bytes.length);
    const filled = await fresh().getInto("k", into);
    assert(filled.kind === "hit" && filled.bytes === bytes.length);
    assert.equal(Buffer.compare(into, bytes), 0);
    const stat = await fresh().stat("k");
    assert(stat.kind === "hit" && stat.object.bytes === bytes.length && stat.object.version > 0);
    assert.equal(await fresh().has("k"), true);
  }
});

test("read-through: a body that ends early, breaks, or is too long is never stored", async () => {
  for (const bytes of [SMALL, LARGE]) {
    const { tier, origin, cache } = tierOver();
    origin.set("k", bytes);
    for (const mischief of ["cutAt", "throwAt"] as const) {
      origin[mischief] = bytes === SMALL ? 0 : 2_000_000;
      await assert.rejects(tier.get("k"), /midway|shorter/);
      assert.equal(cache.objects.size, 0);
      assert.equal(origin.openBodies, 0);
      origin[mischief] = Number.POSITIVE_INFINITY;
    }
    assert.equal((await tier.get("k")).kind, "hit");
  }
});

test("read-through: a load that races with a PUT or DELETE never brings the older version back", async () => {
  for (const bytes of [SMALL, LARGE]) {
    for (const change of ["put", "put and delete", "delete"] as const) {
      const { tier, origin, cache } = tierOver();
      origin.set("k", bytes);
      const asked = latch();
      const answered = latch();
      origin.onGet = async () => {
        asked.open();
        await answered.opened;
      };
      const reading = tier.get("k");
      await asked.opened;
      // As it is to be done where the origin is the truth: first there, then here.
      origin.objects.delete("k");
      if (change === "put") origin.set("k", NEWER);
      if (change !== "delete") await cache.put("k", NEWER);
      if (change !== "put") await cache.delete("k");
      answered.open();
      const read = await reading;
      if (change === "put") {
        assert(read.kind === "hit" && Buffer.compare(read.bytes, NEWER) === 0);
        assert.deepEqual(cache.objects.get("k")?.bytes, new Uint8Array(NEWER));
      } else {
        assert.equal(read.kind, "miss");
        assert.equal(cache.objects.size, 0);
      }
      assert.equal(cache.leases.size, 0);
    }
  }
});

test("read-through: who asks after a change was acknowledged does not get what a load read before it", async () => {
  const { tier, origin, cache } = tierOver();
  origin.set("k", SMALL);
  const asked = latch();
  const answered = latch();
  origin.onGet = async () => {
    asked.open();
    await answered.opened;
  };
  const early = tier.get("k");
  await asked.opened;
  origin.objects.delete("k");
  await cache.delete("k");
  const late = tier.get("k");
  answered.open();
  assert.equal((await late).kind, "miss");
  await early;
});

test("read-through: two processes that miss together make one load", async () => {
  const one = tierOver();
  const { cache, origin } = one;
  const two = tierOver({ cache, origin: { kind: "reader", reader: origin } });
  origin.set("k", LARGE);
  const reads = await Promise.all([one, two, one, two].map(({ tier }) => tier.get("k")));
  assert.deepEqual(
    reads.map(({ kind }) => kind),
    ["hit", "hit", "hit", "hit"],
  );
  assert.equal(origin.gets, 1);
  origin.failure = new CacheError("ICACHE_ORIGIN", "out of order");
  const failed = await Promise.allSettled([one.tier.get("other"), two.tier.get("other")]);
  for (const each of failed)
    assert(each.status === "rejected" && each.reason.code === "ICACHE_ORIGIN");
  assert.equal(origin.gets, 2);
});

test("read-through: what the origin does not have is a miss; for how long that is known is a setting", async () => {
  const plain = tierOver();
  for (let i = 0; i < 2; i++) assert.equal((await plain.tier.get("k")).kind, "miss");
  assert.equal(plain.origin.gets, 2);
  const { tier, origin, cache } = tierOver({ absentMs: 60_000 });
  for (let i = 0; i < 3; i++) assert.equal((await tier.get("k")).kind, "miss");
  assert.equal(origin.gets, 1);
  // The cache is asked first, and a change of our own is known at once.
  await cache.put("k", SMALL);
  assert.equal((await tier.get("k")).kind, "hit");
  await cache.delete("k");
  await tier.put("k", SMALL);
  await cache.delete("k");
  origin.set("k", SMALL);
  assert.equal((await tier.get("k")).kind, "hit");
});

test("read-through: what has expired at the origin is absent, and what will expires in the cache, too", async () => {
  const { tier, origin, cache } = tierOver();
  const now = Date.now();
  origin.set("old", SMALL, now - 1);
  origin.set("k", SMALL, now + 60_000);
  assert.equal((await tier.get("old")).kind, "miss");
  assert.equal((await tier.get("k")).kind, "hit");
  assert.equal(cache.objects.has("old"), false);
  const expiresAt = cache.objects.get("k")?.info.expiresAt?.getTime() ?? 0;
  assert(Math.abs(expiresAt - now - 60_000) < 1_000);
  assert.equal(origin.openBodies, 0);
});

test("read-through: what the cache cannot take is read from the origin, and has no version", async () => {
  for (const bytes of [SMALL, LARGE]) {
    for (const code of ["ICACHE_POOL_FULL", "ICACHE_TOO_LARGE", "ICACHE_UNREACHABLE"] as const) {
      const { tier, origin, cache } = tierOver();
      origin.set("k", bytes);
      cache.putFailure = new CacheError(code, "no");
      const read = await tier.get("k", { range: { start: 10 } });
      assert(read.kind === "hit" && read.object.version === 0);
      assert.equal(Buffer.compare(read.bytes, bytes.subarray(10)), 0);
      const stream = await tier.getStream("k", { range: { start: 10, end: 1_000 } });
      assert(stream.kind === "hit");
      assert.equal(Buffer.compare(await joined(stream.body), bytes.subarray(10, 1_000)), 0);
      assert.deepEqual(await tier.stat("k"), { kind: "miss", reason: "unreachable" });
      assert.equal(origin.openBodies, 0);
      assert.equal(cache.objects.size, 0);
    }
  }
});

test("read-through: bodies that nobody reads to their end are left", async () => {
  const { tier, origin, cache } = tierOver();
  origin.set("k", LARGE);
  cache.putFailure = new CacheError("ICACHE_POOL_FULL", "no");
  for (let i = 0; i < 40; i++) {
    const stream = await tier.getStream("k");
    assert(stream.kind === "hit");
    const iterator = stream.body[Symbol.asyncIterator]();
    if (i % 2 === 0) await iterator.next();
    await iterator.return?.();
  }
  assert.equal(origin.openBodies, 0);
});

test("read-through: a cut-off body of a stream of its own throws rather than ends", async () => {
  const { tier, origin, cache } = tierOver();
  origin.set("k", LARGE);
  cache.putFailure = new CacheError("ICACHE_POOL_FULL", "no");
  const stream = await tier.getStream("k");
  origin.cutAt = 2_000_000;
  assert(stream.kind === "hit");
  await assert.rejects(joined(stream.body), { code: "ICACHE_ORIGIN" });
});

test("read-through: a signal ends the wait of its caller only", async () => {
  const { tier, origin } = tierOver();
  origin.set("k", SMALL);
  const answered = latch();
  origin.onGet = () => answered.opened;
  const leaving = new AbortController();
  const left = tier.get("k", { signal: leaving.signal });
  const staying = tier.get("k");
  leaving.abort();
  await assert.rejects(left, { code: "ICACHE_ABORTED" });
  answered.open();
  assert.equal((await staying).kind, "hit");
  assert.equal(origin.gets, 1);
});

test("read-through: a loader gives bytes, a stream, a description with either, or nothing", async () => {
  const wallClock = new SystemWallClock();
  const given: Record<string, () => unknown> = {
    bytes: () => SMALL,
    stream: () => chunks(LARGE),
    whole: () => ({ body: SMALL, metadata: { type: "a/b" }, ttlMs: 60_000 }),
    announced: () => ({ body: chunks(LARGE), length: LARGE.length }),
    lying: () => ({ body: chunks(LARGE), length: LARGE.length - 1 }),
    nothing: () => null,
    wrong: () => "text",
  };
  const load = async (key: string) => given[key]?.() as null;
  const reader = loaderOrigin(load, wallClock);
  const { tier, cache } = tierOver({ origin: { kind: "reader", reader } });
  for (const key of ["bytes", "stream", "whole", "announced"]) {
    const read = await tier.get(key);
    assert(read.kind === "hit", key);
    const expected = key === "stream" || key === "announced" ? LARGE : SMALL;
    assert.equal(Buffer.compare(read.bytes, expected), 0);
  }
  assert.deepEqual(cache.objects.get("whole")?.info.metadata, { type: "a/b" });
  assert.notEqual(cache.objects.get("whole")?.info.expiresAt, null);
  assert.equal((await tier.get("nothing")).kind, "miss");
  await assert.rejects(tier.get("lying"), { code: "ICACHE_ORIGIN" });
  await assert.rejects(tier.get("wrong"), { code: "ICACHE_INVALID" });
  assert.equal(cache.objects.size, 4);
});

test("read-through: changes are the cache's alone; the rest passes through; close ends what is under way", async () => {
  const { tier, origin, cache } = tierOver();
  await tier.put("k", SMALL, { ttlMs: 60_000 });
  assert.equal(origin.puts, 0);
  assert.equal(await tier.delete("k"), true);
  assert.equal(Buffer.compare(await tier.getOrSet("made", async () => SMALL), SMALL), 0);
  const keys: string[] = [];
  for await (const { key } of tier.list()) keys.push(key);
  assert.deepEqual(keys, ["made"]);
  assert.equal(await tier.clear(""), 1);
  assert.deepEqual([await tier.status(), await tier.ping()], [{}, 0]);
  const asked = latch();
  origin.onGet = () => new Promise(() => asked.open());
  const reading = tier.get("k");
  await asked.opened;
  const refused = assert.rejects(reading, { code: "ICACHE_CLOSED" });
  await tier.close();
  await refused;
  assert.equal(origin.isClosed, true);
  assert.equal(cache.objects.size, 0);
});

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 300_000) yield bytes.subarray(at, at + 300_000);
}
