// The judge of registers against histories whose verdict is known: it must find what is wrong and let pass what is not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../src/sim/history.ts";

const FOREVER = Number.POSITIVE_INFINITY;

/** Writes are [kind, begun, ended], numbered from 1; reads are [write, begun, ended]. */
function verdictOf(
  writes: readonly (readonly ["put" | "remove", number, number])[],
  reads: readonly (readonly [write: number, begun: number, ended: number])[],
): number {
  const history = new History();
  for (const [kind, begunAt, endedAt] of writes) {
    const mutation = history.begin(kind, "k", 1, 0, begunAt);
    mutation.endedAt = endedAt;
    mutation.wallEndedAt = endedAt;
  }
  for (const [write, begunAt, endedAt] of reads) {
    history.hits.push({
      key: "k",
      write,
      version: `1:${write}`,
      begunAt,
      endedAt,
      wallBegunAt: begunAt,
    });
  }
  return history.judge().length;
}

test("history: a read of the last acknowledged write is right, of one before it is wrong", () => {
  const writes = [
    ["put", 0, 1],
    ["put", 2, 3],
  ] as const;
  assert.equal(verdictOf(writes, [[2, 4, 5]]), 0);
  assert.equal(verdictOf(writes, [[1, 4, 5]]), 1);
});

test("history: a read during a write may see either", () => {
  const writes = [
    ["put", 0, 1],
    ["put", 2, 6],
  ] as const;
  assert.equal(verdictOf(writes, [[1, 4, 5]]), 0);
  assert.equal(verdictOf(writes, [[2, 4, 5]]), 0);
});

test("history: once one read saw a write under way, no later one may see what was before it", () => {
  const writes = [
    ["put", 0, 1],
    ["put", 2, FOREVER],
  ] as const;
  assert.equal(
    verdictOf(writes, [
      [1, 3, 4],
      [2, 5, 6],
      [2, 7, 8],
    ]),
    0,
  );
  assert.equal(
    verdictOf(writes, [
      [2, 3, 4],
      [1, 5, 6],
    ]),
    1,
  );
});

test("history: what was removed does not come back", () => {
  const writes = [
    ["put", 0, 1],
    ["remove", 2, 3],
  ] as const;
  assert.equal(verdictOf(writes, [[1, 2.5, 2.6]]), 0);
  assert.equal(verdictOf(writes, [[1, 4, 5]]), 1);
});

test("history: a write that takes effect twice is found", () => {
  const writes = [
    ["put", 0, 20],
    ["put", 5, 6],
  ] as const;
  assert.equal(
    verdictOf(writes, [
      [1, 1, 2],
      [1, 10, 11],
    ]),
    1,
  );
});

test("history: nothing is read that nobody wrote, or before it was begun", () => {
  assert.equal(verdictOf([["put", 0, 1]], [[7, 2, 3]]), 1);
  assert.equal(verdictOf([["put", 4, 5]], [[1, 2, 3]]), 1);
});

test("history: two writes never share a version", () => {
  const history = new History();
  for (const write of [1, 2]) {
    history.begin("put", "k", 1, 0, 0);
    history.hits.push({ key: "k", write, version: "1:9", begunAt: 1, endedAt: 2, wallBegunAt: 1 });
  }
  assert.equal(history.judge().length, 1);
});

test("history: an object is not read after its time", () => {
  const history = new History();
  const mutation = history.begin("put", "k", 1, 1_000, 0);
  Object.assign(mutation, { endedAt: 10, wallEndedAt: 50_010 });
  history.hits.push({
    key: "k",
    write: 1,
    version: "1:1",
    begunAt: 900,
    endedAt: 901,
    wallBegunAt: 50_900,
  });
  assert.equal(history.judge().length, 0);
  history.hits.push({
    key: "k",
    write: 1,
    version: "1:1",
    begunAt: 1_100,
    endedAt: 1_101,
    wallBegunAt: 51_100,
  });
  assert.equal(history.judge().length, 1);
});
