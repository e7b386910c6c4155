// Reads of objects whose chunks are copies of each other: whichever copy comes is the read, without decoding; a damaged one is
// replaced by the next, also where it lay in the caller's memory already.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { GetOptions } from "../../../src/client/api.ts";
import type { FakeProxy } from "./fake-proxy.ts";
import { body, isEqual, joined, mustGet, world } from "./world.ts";

const BYTES = 90_001;

const RANGES: readonly GetOptions[] = [
  {},
  { range: { start: 0, end: 1 } },
  { range: { start: 4_095, end: 70_000 } },
  { range: { start: BYTES - 1, end: BYTES + 10 } },
];

/** Every way to read "k" returns these bytes; the number of chunks each had to reconstruct is 0. */
async function readsRight(
  copies: number,
  prepare: (proxy: FakeProxy) => void,
  options: GetOptions = {},
): Promise<void> {
  const { cache, proxy } = world();
  const sent = body(BYTES);
  await cache.put("k", sent, { code: { dataChunks: 1, parityChunks: copies } });
  prepare(proxy);
  for (const range of RANGES) {
    const expected = sent.subarray(range.range?.start ?? 0, range.range?.end ?? BYTES);
    const read = await mustGet(cache, "k", { ...range, ...options });
    assert.ok(isEqual(read.bytes, expected));
    assert.equal(read.timings.reconstructed, 0);
    const into = new Uint8Array(BYTES + 7).fill(9);
    const placed = await cache.getInto("k", into, { ...range, ...options });
    assert.ok(placed.kind === "hit" && isEqual(into.subarray(0, expected.length), expected));
    assert.ok(into.subarray(expected.length).every((byte) => byte === 9));
    const stream = await cache.getStream("k", { ...range, ...options });
    assert.ok(stream.kind === "hit" && isEqual(await joined(stream.body), expected));
  }
  await cache.close();
  assert.equal(cache.counters.pooledBytes, 0);
}

test("copies: with the first ones gone the next is the read, and nothing is decoded", async () => {
  for (const copies of [1, 2, 4])
    for (let gone = 0; gone <= copies; gone++)
      await readsRight(copies, (proxy) => {
        for (let index = 0; index < gone; index++) proxy.lose("k", 0, index);
      });
});

test("copies: a damaged one is replaced by the next, which comes where it lay", async () => {
  for (const damaged of [[0], [0, 1], [0, 2], [1]])
    await readsRight(2, ({ mischief }) => {
      mischief.corrupt = (_stripe, index) => damaged.includes(index);
    });
});

test("copies: all asked for at once, whichever are damaged or come in pieces", async () => {
  const parts = (_stripe: number, index: number, bytes: number) =>
    index === 1
      ? [
          { offset: 0, bytes: 1_000, attempt: 0 },
          { offset: 1_000, bytes: bytes - 1_000, attempt: 0 },
        ]
      : null;
  for (const damaged of [[], [0], [1], [2], [0, 1], [0, 2], [1, 2]])
    await readsRight(
      2,
      ({ mischief }) => {
        mischief.corrupt = (_stripe, index) => damaged.includes(index);
        mischief.parts = parts;
      },
      { firstD: "all" },
    );
});

test("copies: lost ones are offered for repair as ever", async () => {
  const { cache, proxy } = world();
  const sent = body(BYTES);
  await cache.put("k", sent, { code: { dataChunks: 1, parityChunks: 2 } });
  proxy.lose("k", 0, 0);
  assert.ok(isEqual((await mustGet(cache, "k")).bytes, sent));
  while (cache.counters.repairs.stored === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    proxy.repaired.map(({ index }) => index),
    [0],
  );
  await cache.close();
});
