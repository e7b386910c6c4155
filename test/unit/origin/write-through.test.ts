// Claims about writing through: the origin has it before the acknowledgement, what it refused is never read, what the
// cache could not take is read from the origin and not from an older copy.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Body } from "../../../src/client/api.ts";
import { CacheError } from "../../../src/core/errors.ts";
import { body, pieces, settle } from "../client/world.ts";
import { latch, writeThrough } from "./world.ts";

const OLDER = body(3_000, 1);
const NEWER = body(2_000_000, 2);
const forms: readonly [string, () => Body, number?][] = [
  ["a buffer", () => NEWER],
  ["a stream", () => pieces(NEWER, 70_000)],
  ["a stream of known length", () => pieces(NEWER, 70_000), NEWER.length],
];

const same = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
  a !== undefined && Buffer.compare(a, b) === 0;

for (const [name, make, length] of forms) {
  const options = length === undefined ? {} : { length };

  test(`write-through: ${name} is acknowledged when both have it, with what belongs to it`, async () => {
    const { tier, origin, cache } = writeThrough();
    const put = await tier.put("k", make(), { ...options, ttlMs: 60_000, metadata: { a: "b" } });
    assert(put.kind === "stored" && put.version > 0);
    assert(same(origin.objects.get("k")?.bytes, NEWER));
    assert(same(cache.objects.get("k")?.bytes, NEWER));
    assert.deepEqual(origin.objects.get("k")?.metadata, { a: "b" });
    assert(Math.abs((origin.objects.get("k")?.expiresAtMs ?? 0) - Date.now() - 60_000) < 1_000);
    assert.equal(cache.leases.size, 0);
  });

  test(`write-through: ${name} is not to be read before the origin has it, and not at all if it refuses`, async () => {
    const { tier, origin, cache } = writeThrough();
    await tier.put("k", OLDER);
    const reached = latch();
    const go = latch();
    origin.onPut = async () => {
      reached.open();
      await go.opened;
    };
    const putting = tier.put("k", make(), options);
    await reached.opened;
    await settle();
    assert(same(cache.objects.get("k")?.bytes, OLDER));
    origin.failure = new CacheError("ICACHE_ORIGIN", "refused");
    go.open();
    await assert.rejects(putting, { code: "ICACHE_ORIGIN" });
    assert(same(cache.objects.get("k")?.bytes, OLDER));
    assert(same(origin.objects.get("k")?.bytes, OLDER));
    assert.equal(cache.leases.size, 0);
  });

  test(`write-through: when the cache cannot take ${name}, the older copy goes and the origin answers`, async () => {
    const { tier, origin, cache } = writeThrough();
    await tier.put("k", OLDER);
    cache.putFailure = new CacheError("ICACHE_POOL_FULL", "no room");
    const put = await tier.put("k", make(), options);
    assert(put.kind === "stored" && put.version === 0 && put.bytes === NEWER.length);
    assert.equal(cache.objects.has("k"), false);
    cache.putFailure = null;
    const read = await tier.get("k");
    assert(read.kind === "hit" && same(read.bytes, NEWER));
    assert.equal(origin.gets, 1);
  });

  test(`write-through: ${name} is not created where there is one, but over one that has expired`, async () => {
    const { tier, origin, cache } = writeThrough();
    origin.set("k", OLDER);
    assert.deepEqual(await tier.put("k", make(), { ...options, ifAbsent: true }), {
      kind: "exists",
      version: 0,
    });
    assert(same(origin.objects.get("k")?.bytes, OLDER));
    assert.equal(cache.objects.has("k"), false);
    origin.set("k", OLDER, Date.now() - 1);
    assert.equal((await tier.put("k", make(), { ...options, ifAbsent: true })).kind, "stored");
    assert(same(origin.objects.get("k")?.bytes, NEWER));
  });

  test(`write-through: somebody who changes the cache past the tier does not keep ${name} from being read`, async () => {
    const { tier, origin, cache } = writeThrough();
    origin.onPut = async () => {
      await cache.put("k", OLDER);
    };
    const put = await tier.put("k", make(), options);
    assert.equal(put.kind, "stored");
    const read = await tier.get("k");
    assert(read.kind === "hit" && same(read.bytes, NEWER));
  });
}

test("write-through: a stream that breaks, or is not as long as was said, changes nothing", async () => {
  const { tier, origin, cache } = writeThrough();
  await tier.put("k", OLDER);
  const failure = new Error("the uploader is gone");
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield NEWER.subarray(0, 100_000);
    throw failure;
  }
  await assert.rejects(tier.put("k", broken()), (error) => error === failure);
  for (const length of [NEWER.length - 1, NEWER.length + 1])
    await assert.rejects(tier.put("k", pieces(NEWER, 70_000), { length }), {
      code: "ICACHE_INVALID",
    });
  assert(same(origin.objects.get("k")?.bytes, OLDER));
  assert(same(cache.objects.get("k")?.bytes, OLDER));
  assert.equal(cache.leases.size, 0);
});

test("write-through: changes of one key take effect in one order, here and there", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { tier, origin, cache } = writeThrough();
    let calls = 0;
    const wait = async () => await settle((seed * 7 + 3 * ++calls * calls) % 5);
    origin.onPut = wait;
    cache.onCommit = wait;
    const bodies = Array.from({ length: 6 }, (_, at) => body(1_000 + at, at + 1));
    await Promise.all(
      bodies.map((bytes, at) => tier.put("k", at % 2 === 0 ? bytes : pieces(bytes, 300))),
    );
    assert(same(cache.objects.get("k")?.bytes, origin.objects.get("k")?.bytes ?? OLDER));
  }
});

test("write-through: a load under way does not bring back what a change replaced", async () => {
  const { tier, origin, cache } = writeThrough();
  origin.set("k", OLDER);
  const asked = latch();
  const answered = latch();
  origin.onGet = async () => {
    asked.open();
    await answered.opened;
  };
  const reading = tier.get("k");
  await asked.opened;
  await tier.put("k", NEWER);
  cache.objects.clear(); // Evicted at once: only the lease remembers that there was a change.
  answered.open();
  const read = await reading;
  assert(read.kind === "hit" && same(read.bytes, NEWER));
  assert(same(cache.objects.get("k")?.bytes, NEWER));
});

test("write-through: DELETE is done when both have none; what only the origin had existed", async () => {
  const { tier, origin, cache } = writeThrough();
  await tier.put("k", OLDER);
  assert.equal(await tier.delete("k"), true);
  assert.deepEqual([origin.objects.size, cache.objects.size], [0, 0]);
  origin.set("k", OLDER);
  assert.equal(await tier.delete("k"), true);
  assert.equal(await tier.delete("k"), false);
  await tier.put("k", OLDER);
  origin.failure = new CacheError("ICACHE_ORIGIN", "refused");
  await assert.rejects(tier.delete("k"), { code: "ICACHE_ORIGIN" });
  assert.equal(cache.objects.size, 1);
});

test("write-through: a deadline and a signal end a change that waits, in the words of the cache", async () => {
  const { tier, origin } = writeThrough();
  const never = latch();
  origin.onPut = () => never.opened;
  const first = tier.put("k", OLDER);
  await settle();
  await assert.rejects(tier.put("k", OLDER, { deadlineMs: 20 }), { code: "ICACHE_DEADLINE" });
  const leaving = new AbortController();
  const left = tier.put("k", OLDER, { signal: leaving.signal });
  await settle();
  leaving.abort();
  await assert.rejects(left, { code: "ICACHE_ABORTED" });
  never.open();
  assert.equal((await first).kind, "stored");
});

test("write-through: an older copy that cannot be removed is told, not acknowledged", async () => {
  const { tier, cache } = writeThrough();
  await tier.put("k", OLDER);
  cache.putFailure = new CacheError("ICACHE_UNREACHABLE", "gone");
  cache.delete = async () => {
    throw new CacheError("ICACHE_UNREACHABLE", "gone");
  };
  await assert.rejects(tier.put("k", NEWER), { code: "ICACHE_OUTCOME_UNKNOWN" });
});
