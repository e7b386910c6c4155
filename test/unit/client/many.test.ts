// getMany and putMany over the fake proxy: one outcome for each key, whatever becomes of the others, within one bound.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { NewObject } from "../../../src/client/api.ts";
import { CacheError } from "../../../src/core/errors.ts";
import { body, HandClock, isEqual, pieces, settle, world } from "./world.ts";

const codeOf = (error: unknown) => (error instanceof CacheError ? error.code : error);
const keyed = (count: number, prefix = "k") =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}`);

test("many: outcomes are those of a map asked key by key, in the order of the keys", async () => {
  const key = fc.constantFrom("a", "b", "c", "d", "", "x".repeat(1_025));
  const putting = fc.array(fc.record({ key, bytes: fc.nat(3_000), ifAbsent: fc.boolean() }));
  await fc.assert(
    fc.asyncProperty(
      putting,
      fc.array(key),
      fc.integer({ min: 1, max: 4 }),
      async (puts, keys, atOnce) => {
        const { cache, proxy } = world();
        const twin = new Map<string, Uint8Array>();
        const isBad = (name: string) => name === "" || name.length > 1_024;
        const objects = puts.map(({ key: name, bytes, ifAbsent }, at) => ({
          ...{ key: name, ifAbsent },
          body: body(bytes, at + 1),
        }));
        const expected = objects.map(({ key: name, body: bytes, ifAbsent }) => {
          if (isBad(name)) return "failed";
          if (ifAbsent && twin.has(name)) return "exists";
          twin.set(name, bytes);
          return "stored";
        });
        const stored = await cache.putMany(objects, { atOnce });
        assert.deepEqual(
          stored.map(({ kind }) => kind),
          expected,
        );
        const reads = await cache.getMany(keys, { atOnce });
        assert.equal(reads.length, keys.length);
        for (const [at, read] of reads.entries()) {
          const name = keys[at] ?? "";
          const bytes = twin.get(name);
          assert.equal(read.kind, isBad(name) ? "failed" : bytes === undefined ? "miss" : "hit");
          if (read.kind === "hit") assert.ok(bytes !== undefined && isEqual(read.bytes, bytes));
          if (read.kind === "hit") assert.equal(read.object.key, name);
        }
        // No outcome shares its memory with another.
        const memories = reads.flatMap((read) =>
          read.kind === "hit" && read.bytes.length > 0 ? [read.bytes.buffer] : [],
        );
        assert.equal(new Set(memories).size, memories.length);
        assert.equal(proxy.count("cancel"), 0);
        assert.equal(cache.counters.operations, 0);
        await cache.close();
      },
    ),
    { numRuns: 60 },
  );
});

test("getMany: all that the bound allows leave in one turn, and the bound is that of all calls together", async () => {
  const { cache, proxy } = world();
  proxy.mischief.ignore = ({ kind }) => kind === "get";
  await cache.ping();
  const signal = new AbortController();
  const calls = [1, 2, 3].map((call) =>
    assert.rejects(cache.getMany(keyed(10_000, `${call}/`), { signal: signal.signal }), {
      code: "ICACHE_ABORTED",
    }),
  );
  assert.equal(cache.counters.operations, 256, "begun before the calls have returned");
  await settle();
  assert.equal(proxy.count("get"), 256);
  signal.abort();
  await Promise.all(calls);
  await settle();
  assert.equal(proxy.count("get"), 256);
  assert.equal(proxy.count("cancel"), 256);
  assert.equal(cache.counters.operations, 0);
  await cache.close();
});

test("getMany: 100,000 keys are read, and a later call does not wait for all of them", async () => {
  const { cache, proxy } = world();
  await cache.putMany([
    { key: "k7", body: body(10) },
    { key: "late", body: body(20) },
  ]);
  let operationsMax = 0;
  proxy.mischief.ignore = () => {
    operationsMax = Math.max(operationsMax, cache.counters.operations);
    return false;
  };
  const ended: string[] = [];
  const large = cache.getMany(keyed(100_000)).finally(() => ended.push("large"));
  const small = cache.getMany(["late", "absent"]).finally(() => ended.push("small"));
  const [reads, [late, absent]] = await Promise.all([large, small]);
  assert.deepEqual(ended, ["small", "large"]);
  assert.equal(late?.kind, "hit");
  assert.deepEqual(absent, { kind: "miss", reason: "absent" });
  assert.equal(reads.filter(({ kind }) => kind === "hit").length, 1);
  assert.equal(reads.filter(({ kind }) => kind === "miss").length, 99_999);
  assert.equal(reads[7]?.kind, "hit");
  assert.ok(operationsMax <= 256);
  await cache.close();
});

test("getMany: at the deadline what has come is returned, and the rest has failed", async () => {
  const clock = new HandClock();
  const { cache, proxy } = world({ clock });
  await cache.putMany([
    { key: "a", body: body(1_000) },
    { key: "c", body: body(1_000) },
  ]);
  proxy.mischief.ignore = (message) => message.kind === "get" && message.key === "b";
  const reading = cache.getMany(["a", "b", "c"], { deadlineMs: 1_000, atOnce: 1 });
  await clock.pass(999);
  await clock.pass(2);
  const reads = await reading;
  assert.deepEqual(
    reads.map((read) => (read.kind === "failed" ? codeOf(read.error) : read.kind)),
    ["hit", "ICACHE_DEADLINE", "ICACHE_DEADLINE"],
  );
  assert.equal(proxy.count("get"), 2, "nothing is begun past the deadline");
  await cache.close();
  assert.equal(clock.pendingCount, 0);
});

test("putMany: one object's own fault is its own outcome, and a stream's error stays what it was", async () => {
  const { cache, proxy } = world();
  const fault = new Error("the disk is gone");
  const broken = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield body(100);
    throw fault;
  };
  const odd = { key: "odd", body: body(1), colour: "red" };
  const puts = await cache.putMany(
    [
      { key: "streamed", body: pieces(body(5_000), 999), length: 5_000 },
      { key: "broken", body: broken() },
      odd,
      { key: "own", body: body(10), metadata: { of: "its own" } },
      { key: "theirs", body: body(10) },
    ],
    { metadata: { of: "all" } },
  );
  assert.deepEqual(
    puts.map(({ kind }) => kind),
    ["stored", "failed", "failed", "stored", "stored"],
  );
  assert.ok(puts[1]?.kind === "failed" && puts[1].error === fault);
  assert.ok(puts[2]?.kind === "failed" && puts[2].error instanceof CacheError);
  const metadataOf = (key: string) => proxy.objects.get(key)?.described.metadata;
  assert.deepEqual(metadataOf("own"), [{ name: "of", value: "its own" }]);
  assert.deepEqual(metadataOf("theirs"), [{ name: "of", value: "all" }]);
  await cache.close();
});

test("many: only the shape of the arguments, a signal and a closed cache reject the call", async () => {
  const { cache, proxy } = world();
  const fails = (call: Promise<unknown>, code: string) => assert.rejects(call, { code });
  const [text, none]: unknown[] = ["ab", null];
  await fails(cache.getMany(text as string[]), "ICACHE_INVALID");
  await fails(cache.putMany(none as NewObject[]), "ICACHE_INVALID");
  await fails(cache.getMany([], { atOnce: 0 }), "ICACHE_INVALID");
  await fails(cache.getMany([], { atOnce: 257 }), "ICACHE_INVALID");
  await fails(cache.putMany([], { length: 5 } as object), "ICACHE_INVALID");
  await fails(cache.getMany(Array<string>(1_000_001)), "ICACHE_TOO_LARGE");
  await fails(cache.getMany(["a"], { signal: AbortSignal.abort() }), "ICACHE_ABORTED");
  assert.deepEqual(await cache.getMany([]), []);
  assert.deepEqual(await cache.putMany([]), []);
  const holes = await cache.getMany([undefined, 5] as unknown[] as string[]);
  assert.deepEqual(
    holes.map((read) => read.kind === "failed" && codeOf(read.error)),
    ["ICACHE_INVALID", "ICACHE_INVALID"],
  );
  assert.equal(
    (await cache.getMany(Array<string>(3))).filter((read) => read.kind === "failed").length,
    3,
  );
  for (const bad of await cache.putMany([none as NewObject, ...Array<NewObject>(2)]))
    assert.ok(bad.kind === "failed" && bad.error instanceof CacheError);
  assert.equal(proxy.seen.length, 0, "nothing was sent");
  await cache.close();
  await fails(cache.getMany(["a"]), "ICACHE_CLOSED");
});

test("many: a cache that is closed meanwhile fails the keys that are left", async () => {
  const { cache, proxy } = world();
  proxy.mischief.ignore = ({ kind }) => kind === "get";
  const reading = cache.getMany(keyed(1_000));
  await settle();
  await cache.close();
  const reads = await reading;
  assert.equal(reads.length, 1_000);
  assert.ok(
    reads.every((read) => read.kind === "failed" && codeOf(read.error) === "ICACHE_CLOSED"),
  );
});
