// PUT and GET through the client against a proxy that keeps chunks in maps: sizes, losses, damage, ranges.
// Streams and the rest of the calls have files of their own.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { body, isEqual, mustGet, world } from "./world.ts";

const KIB = 1_024;

const MIB = 1_024 * 1_024;

test("put and get: objects of every size come back as they were", async () => {
  const { cache, proxy } = world();
  for (const bytes of [
    0,
    1,
    63,
    64,
    65,
    1_000,
    128 * KIB - 1,
    128 * KIB,
    128 * KIB + 1,
    10_000_000,
    33 * MIB + 5,
  ]) {
    const sent = body(bytes, bytes + 1);
    const put = await cache.put(`k${bytes}`, sent);
    assert.equal(put.kind === "stored" && put.bytes, bytes);
    const read = await mustGet(cache, `k${bytes}`);
    assert.ok(isEqual(read.bytes, sent), `${bytes} bytes differ`);
    assert.equal(read.timings.reconstructed, 0);
    assert.equal(read.object.version, put.version);
  }
  assert.equal(proxy.objects.get("k1")?.described.parityChunks, 2);
  assert.equal(proxy.objects.get("k10000000")?.described.dataChunks, 10);
  assert.equal(cache.counters.pooledBytes, 0);
  assert.equal(cache.counters.operations, 0);
  await cache.close();
});

test("get: every loss of up to p chunks is decoded, and more is a miss", async () => {
  const { cache, proxy } = world({ repairs: false });
  for (const [code, bytes] of [
    [{ dataChunks: 4, parityChunks: 2 }, 100_001],
    [{ dataChunks: 4, parityChunks: 2 }, 130],
    [{ dataChunks: 5, parityChunks: 1 }, 70_000],
    [{ dataChunks: 1, parityChunks: 2 }, 5_000],
    [{ dataChunks: 3, parityChunks: 3 }, 9_999],
  ] as const) {
    const sent = body(bytes);
    await cache.put("k", sent, { code });
    const all = code.dataChunks + code.parityChunks;
    for (let pattern = 1; pattern < 2 ** all; pattern++) {
      const lost = Array.from({ length: all }, (_, index) => index).filter(
        (index) => (pattern >> index) % 2 === 1,
      );
      if (lost.length > code.parityChunks) continue;
      proxy.lost.clear();
      for (const index of lost) proxy.lose("k", 0, index);
      const read = await mustGet(cache, "k");
      assert.ok(isEqual(read.bytes, sent), `${lost} of ${all}`);
    }
    for (let index = 0; index <= code.parityChunks; index++) proxy.lose("k", 0, index);
    assert.deepEqual(await cache.get("k"), { kind: "miss", reason: "lost" });
  }
  assert.equal(cache.counters.pooledBytes, 0);
  await cache.close();
});

test("get: takes the first d of all chunks when asked to", async () => {
  const { cache, proxy } = world();
  const sent = body(3 * MIB);
  await cache.put("k", sent);
  assert.ok(isEqual((await mustGet(cache, "k", { firstD: "all" })).bytes, sent));
  assert.ok(proxy.seen.some((message) => message.kind === "get" && message.wantAll));
  await cache.close();
});

test("get: a corrupt chunk is reported, replaced, and never seen", async () => {
  const { cache, proxy } = world();
  const sent = body(1_000_000);
  await cache.put("k", sent);
  proxy.mischief.corrupt = (_stripe, index) => index === 1 || index === 3;
  const read = await mustGet(cache, "k");
  assert.ok(isEqual(read.bytes, sent));
  assert.equal(read.timings.reconstructed, 2);
  assert.equal(proxy.count("chunkBad"), 2);
  proxy.mischief.corrupt = (_stripe, index) => index < 3;
  assert.equal((await cache.get("k")).kind, "miss");
  await cache.close();
});

test("get: parts out of order, out of bounds or of another attempt never reach the result", async () => {
  const { cache, proxy } = world({ repairs: false });
  const sent = body(2 * MIB);
  await cache.put("k", sent, { code: { dataChunks: 2, parityChunks: 2 } });
  const wrong = [
    [{ offset: 4_096, bytes: 100, attempt: 0 }],
    [
      { offset: 0, bytes: 100, attempt: 0 },
      { offset: 0, bytes: 100, attempt: 0 },
    ],
    [
      { offset: 0, bytes: 100, attempt: 0 },
      { offset: 200, bytes: 100, attempt: 0 },
    ],
  ];
  for (const parts of wrong) {
    proxy.mischief.parts = (_stripe, index) => (index === 0 ? parts : null);
    const read = await mustGet(cache, "k");
    assert.ok(isEqual(read.bytes, sent));
    assert.equal(read.timings.reconstructed, 1);
  }
  // Parts of an attempt nobody announced change nothing; those of the right one follow.
  proxy.mischief.parts = (_stripe, index, bytes) =>
    index === 0
      ? [
          { offset: 0, bytes: 500, attempt: 3 },
          { offset: 0, bytes: MIB, attempt: 0 },
          ...(bytes > MIB ? [{ offset: MIB, bytes: bytes - MIB, attempt: 0 }] : []),
        ]
      : null;
  const read = await mustGet(cache, "k");
  assert.ok(isEqual(read.bytes, sent));
  assert.equal(read.timings.reconstructed, 0);
  await cache.close();
});

test("get: a range is the slice, at every edge and with losses", async () => {
  const { cache, proxy } = world({ repairs: false });
  const sent = body(300_000);
  await cache.put("k", sent, { code: { dataChunks: 4, parityChunks: 2 } });
  const stride = 75_008;
  const edges = [
    0,
    1,
    63,
    64,
    stride - 1,
    stride,
    stride + 1,
    2 * stride,
    3 * stride,
    299_999,
    300_000,
    300_001,
    1_000_000,
  ];
  for (const lost of [[], [0], [1, 3]]) {
    proxy.lost.clear();
    for (const index of lost) proxy.lose("k", 0, index);
    for (const start of edges) {
      for (const end of edges) {
        if (end < start) continue;
        const read = await mustGet(cache, "k", { range: { start, end } });
        assert.ok(
          isEqual(read.bytes, sent.subarray(start, end)),
          `${start}..${end} without ${lost}`,
        );
      }
    }
  }
  proxy.lost.clear();
  await fc.assert(
    fc.asyncProperty(
      fc.nat(310_000),
      fc.nat(310_000),
      fc.uniqueArray(fc.nat(5), { maxLength: 2 }),
      async (start, more, lost) => {
        proxy.lost.clear();
        for (const index of lost) proxy.lose("k", 0, index);
        const read = await mustGet(cache, "k", { range: { start, end: start + more } });
        assert.ok(isEqual(read.bytes, sent.subarray(start, start + more)));
      },
    ),
    { numRuns: 150, seed: 5 },
  );
  assert.equal(cache.counters.pooledBytes, 0);
  await cache.close();
});

test("get: ranges over the edge of a stripe are the slice", async () => {
  const { cache } = world();
  const sent = body(70 * MIB);
  await cache.put("k", sent, { code: { dataChunks: 10, parityChunks: 2 } });
  const { stripes } = (await mustGet(cache, "k", { range: { start: 0, end: 1 } })).object;
  assert.equal(stripes, 3);
  const edge = Math.ceil(sent.length / 3 / 64) * 64;
  for (const [start, end] of [
    [edge - 5, edge + 5],
    [edge, edge + 1],
    [edge - 1, edge],
    [edge - 5, 2 * edge + 5],
    [sent.length - 1, sent.length + 9],
  ] as const) {
    const read = await mustGet(cache, "k", { range: { start, end } });
    assert.ok(isEqual(read.bytes, sent.subarray(start, end)), `${start}..${end}`);
  }
  assert.ok(isEqual((await mustGet(cache, "k")).bytes, sent));
  await cache.close();
});

test("getInto: fills the caller's memory from its start, and refuses too little of it", async () => {
  const { cache } = world();
  const sent = body(200_000);
  await cache.put("k", sent);
  const into = new Uint8Array(250_000).fill(9);
  const read = await cache.getInto("k", into);
  assert.equal(read.kind === "hit" && read.bytes, 200_000);
  assert.ok(isEqual(into.subarray(0, 200_000), sent));
  assert.ok(into.subarray(200_000).every((byte) => byte === 9));
  await assert.rejects(cache.getInto("k", new Uint8Array(199_999)), { code: "ICACHE_TOO_LARGE" });
  assert.equal((await cache.getInto("none", into)).kind, "miss");
  await cache.close();
});

test("put: a chunk is sent anew as often as the proxy asks", async () => {
  const { cache, proxy } = world();
  proxy.mischief.resends = (_stripe, index, attempt) => index % 3 === 0 && attempt < 3;
  const sent = body(20 * MIB);
  await cache.put("k", sent);
  assert.ok(isEqual((await mustGet(cache, "k")).bytes, sent));
  assert.ok(proxy.seen.some((message) => message.kind === "putChunk" && message.attempt === 3));
  await cache.close();
});

test("put: ends when a quorum is stored although a chunk never is", async () => {
  const { cache, proxy } = world();
  proxy.mischief.straggles = (_stripe, index) => index === 2;
  const sent = body(30 * MIB);
  assert.equal((await cache.put("k", sent)).kind, "stored");
  assert.ok(isEqual((await mustGet(cache, "k")).bytes, sent));
  await cache.close();
  assert.equal(cache.counters.pooledBytes, 0);
});

test("put: ifAbsent says that there is one, and metadata and expiry are kept", async () => {
  const { cache } = world();
  await cache.put("k", body(10), { metadata: { type: "a/b", naïve: "é" }, ttlMs: 5_000 });
  assert.equal((await cache.put("k", body(11), { ifAbsent: true })).kind, "exists");
  const stat = await cache.stat("k");
  assert.equal(stat.kind, "hit");
  if (stat.kind === "hit") {
    assert.deepEqual(stat.object.metadata, { type: "a/b", naïve: "é" });
    assert.equal(stat.object.expiresAt?.getTime(), 1_005_000);
    assert.equal(stat.object.bytes, 10);
  }
  await cache.close();
});

test("get: repairs what was lost, once, in the background", async () => {
  const { cache, proxy } = world();
  const sent = body(4 * MIB);
  await cache.put("k", sent);
  proxy.lose("k", 0, 1);
  proxy.lose("k", 0, 5);
  assert.equal((await mustGet(cache, "k")).timings.reconstructed, 1);
  while (cache.counters.repairs.stored < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    proxy.repaired.map(({ index }) => index).sort((a, b) => a - b),
    [1, 5],
  );
  assert.equal(proxy.lost.size, 0);
  const read = await mustGet(cache, "k");
  assert.equal(read.timings.reconstructed, 0);
  assert.ok(isEqual(read.bytes, sent));
  await cache.close();
});
