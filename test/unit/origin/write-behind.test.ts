// Claims about write-behind: acknowledged is durable, what is pending is read from the journal, and it reaches the store
// in order, after failures too.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CacheError } from "../../../src/core/errors.ts";
import { partsOf } from "../../../src/origin/bodies.ts";
import { Journal } from "../../../src/origin/journal.ts";
import { WriteBehind } from "../../../src/origin/write-behind.ts";
import { body, HandClock, joined, seededRandom, settle } from "../client/world.ts";
import { MemoryFiles } from "./memory-files.ts";
import { latch, MapOrigin } from "./world.ts";

const { signal } = new AbortController();
const plain = { bytes: null, metadata: {}, expiresAtMs: null, ifAbsent: false, signal };
const options = { bytesMax: 10_000_000, now: () => 0 };

async function world(files = new MemoryFiles()) {
  const store = new MapOrigin();
  const clock = new HandClock();
  const journal = await Journal.open(files, options);
  const behind = new WriteBehind({ journal, store, clock, random: seededRandom() });
  return { store, clock, journal, behind, files };
}

test("write-behind: a put is acknowledged before the store has it, is read from the journal, and gets there", async () => {
  const { store, behind, journal } = await world();
  const go = latch();
  store.onPut = () => go.opened;
  await behind.put("k", partsOf(body(5_000, 1)), {
    ...plain,
    metadata: { a: "b" },
    expiresAtMs: 9e12,
  });
  assert.equal(store.objects.size, 0);
  const read = await behind.get("k", signal);
  assert(read !== null && read.expiresAtMs === 9e12);
  assert.deepEqual(read.metadata, { a: "b" });
  assert.equal(Buffer.compare(await joined(read.body), body(5_000, 1)), 0);
  assert.equal(store.gets, 0);
  go.open();
  await settle();
  assert.equal(Buffer.compare(store.objects.get("k")!.bytes, body(5_000, 1)), 0);
  assert.equal(journal.entries.size, 0);
  assert.equal(behind.status(0).flushed, 1);
});

test("write-behind: a removal hides what the store still has", async () => {
  const { store, behind } = await world();
  store.set("k", body(10));
  store.failure = new CacheError("ICACHE_ORIGIN", "out of order");
  assert.equal(await behind.remove("k", signal), true);
  assert.deepEqual([await behind.get("k", signal), await behind.head("k", signal)], [null, null]);
  assert.equal(await behind.remove("k", signal), false);
  assert.equal(await behind.put("k", partsOf(body(5)), { ...plain, ifAbsent: true }), "stored");
  assert.equal(await behind.put("k", partsOf(body(6)), { ...plain, ifAbsent: true }), "exists");
});

test("write-behind: of a key that is written often the store gets the last, after those under way", async () => {
  const { store, behind } = await world();
  const go = latch();
  store.onPut = () => go.opened;
  for (let at = 1; at <= 20; at++) await behind.put("k", partsOf(body(100 + at)), plain);
  go.open();
  await settle();
  assert.equal(store.objects.get("k")?.bytes.length, 120);
  assert.equal(store.puts, 2);
});

test("write-behind: a store that fails is tried again with growing pauses, one key does not hold up another", async () => {
  const { store, behind, clock } = await world();
  store.failure = new CacheError("ICACHE_ORIGIN", "out of order");
  await behind.put("a", partsOf(body(1)), plain);
  await settle();
  for (let passed = 0; passed < 10_000; passed += 100) await clock.pass(100);
  const attempts = store.puts;
  assert(attempts >= 4 && attempts <= 7, `${attempts} attempts`);
  assert.equal(behind.status(50).lastError, "out of order");
  assert.equal(behind.status(50).oldestMs, 50);
  store.failure = null;
  await behind.put("b", partsOf(body(2)), plain);
  await settle();
  assert.deepEqual([...store.objects.keys()], ["b"]);
  await clock.pass(60_000);
  assert.equal(store.objects.size, 2);
  assert.equal(behind.status(0).entries, 0);
});

test("write-behind: what was left at the end goes to the store after the next start", async () => {
  const first = await world();
  first.store.failure = new CacheError("ICACHE_ORIGIN", "out of order");
  await first.behind.put("k", partsOf(body(70_000, 4)), plain);
  const closing = first.behind.close();
  await first.clock.pass(6_000);
  await closing;
  const second = await world(first.files.afterPowerCut(0, false));
  await settle();
  assert.equal(Buffer.compare(second.store.objects.get("k")!.bytes, body(70_000, 4)), 0);
  assert.equal(second.behind.status(0).entries, 0);
  await second.behind.close();
});

test("write-behind: closing waits for the store, within its bound", async () => {
  const { store, behind } = await world();
  const go = latch();
  store.onPut = () => go.opened;
  await behind.put("k", partsOf(body(9)), plain);
  const closing = behind.close();
  go.open();
  await closing;
  assert.equal(store.objects.size, 1);
  assert.equal(store.isClosed, true);
});
