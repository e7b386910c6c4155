// The judge of registers against histories whose verdict is known: it must find what is wrong and let pass what is not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { History, type Mutation, type Sighting, type Wish } from "../../src/sim/history.ts";
import { judgeHistory } from "../../src/sim/register.ts";

const FOREVER = Number.POSITIVE_INFINITY;
const PUT: Wish = { kind: "put", key: "k", bytes: 1, ttlMs: 0, ifAbsent: false };
/** The time of day runs a minute ahead of the clock here, so that no two times are confused. */
const DAY = 60_000;

function write(
  history: History,
  wish: Partial<Wish>,
  begunAt: number,
  endedAt = FOREVER,
): Mutation {
  const mutation = history.begin({ ...PUT, ...wish }, { at: begunAt, wallAt: DAY + begunAt });
  history.end(mutation, null, { at: endedAt, wallAt: DAY + endedAt });
  return mutation;
}

function sight(history: History, seen: Partial<Sighting>, begunAt: number, endedAt: number): void {
  history.sightings.push({
    how: "read",
    key: "k",
    write: null,
    version: null,
    bytes: null,
    expiresAtMs: null,
    begunAt,
    endedAt,
    wallBegunAt: DAY + begunAt,
    ...seen,
  });
}

/** Writes are [kind, begun, ended], numbered from 1; reads are [write, begun, ended]. */
function verdictOf(
  writes: readonly (readonly ["put" | "remove", number, number])[],
  reads: readonly (readonly [write: number, begun: number, ended: number])[],
): number {
  const history = new History();
  for (const [kind, begunAt, endedAt] of writes) write(history, { kind }, begunAt, endedAt);
  for (const [seen, begunAt, endedAt] of reads)
    sight(history, { write: seen, version: `1:${seen}` }, begunAt, endedAt);
  return judgeHistory(history, false).length;
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

test("history: of two writes at once, the one that was replaced by the other does not come back", () => {
  const writes = [
    ["put", 0, 50],
    ["put", 0, 50],
  ] as const;
  assert.equal(
    verdictOf(writes, [
      [1, 1, 2],
      [2, 3, 4],
    ]),
    0,
  );
  assert.equal(
    verdictOf(writes, [
      [1, 1, 2],
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
  for (const seen of [write(history, {}, 0), write(history, {}, 0)])
    sight(history, { write: seen.write, version: "1:9" }, 1, 2);
  assert.equal(judgeHistory(history, false).length, 1);
});

test("history: an object is not seen after its time, whoever tells the time", () => {
  const history = new History();
  write(history, { ttlMs: 1_000 }, 0, 10);
  const seen = { write: 1, version: "1:1", expiresAtMs: DAY + 1_005 };
  sight(history, seen, 900, 901);
  assert.deepEqual(judgeHistory(history, false), []);
  sight(history, seen, 1_006, 1_007); // The description itself says that it is over.
  assert.equal(judgeHistory(history, false).length, 1);
  sight(history, { ...seen, expiresAtMs: null }, 1_100, 1_101);
  assert.equal(judgeHistory(history, false).length, 2);
});

test("history: an object says itself when it expires, and says it right", () => {
  const history = new History();
  write(history, { ttlMs: 1_000 }, 0, 10);
  sight(history, { write: 1, expiresAtMs: 0 }, 20, 21);
  sight(history, { write: 1, expiresAtMs: DAY + 1_500 }, 20, 21);
  assert.equal(judgeHistory(history, false).length, 2);
});

test("history: a row of a listing is judged as a read once its version is known", () => {
  const history = new History();
  const old = write(history, {}, 0, 1);
  old.version = "1:1";
  write(history, {}, 2, 3).version = "1:2";
  sight(history, { how: "list", version: "1:3" }, 4, 5); // Nobody knows which write that is.
  sight(history, { how: "list", version: "1:2", bytes: 1 }, 4, 5);
  assert.deepEqual(judgeHistory(history, false), []);
  sight(history, { how: "list", version: "1:1", bytes: 1 }, 6, 7);
  sight(history, { how: "list", version: "1:2", bytes: 9 }, 6, 7);
  assert.equal(judgeHistory(history, false).length, 2);
});

test("history: who was told that there is another one was not stored", () => {
  const history = new History();
  const refused = write(history, { ifAbsent: true }, 0);
  refused.isVoid = true;
  sight(history, { write: refused.write }, 2, 3);
  assert.equal(judgeHistory(history, false).length, 1);
});

test("history: without trouble one of those who create a key wins, and with trouble a loss may let in another", () => {
  const history = new History();
  write(history, { ifAbsent: true }, 0, 5);
  write(history, { ifAbsent: true }, 1, 6); // At once: nobody can say which was first.
  assert.deepEqual(judgeHistory(history, true), []);
  write(history, { ifAbsent: true }, 7, 8);
  assert.equal(judgeHistory(history, true).length, 1);
  assert.deepEqual(judgeHistory(history, false), []);
});

test("history: without trouble what was stored is found, unless it was removed or may have expired", () => {
  for (const [spoiler, faults] of [
    [{ kind: "remove" }, 0],
    [{ ttlMs: 100 }, 0],
    [{}, 1],
  ] as const) {
    const history = new History();
    write(history, {}, 0, 1);
    write(history, spoiler, 2, 3);
    history.absences.push({ how: "a read", key: "k", begunAt: 4, endedAt: 5 });
    assert.equal(judgeHistory(history, true).length, faults, JSON.stringify(spoiler));
  }
});

test("history: without trouble a listing has every key that was stored", () => {
  const history = new History();
  write(history, {}, 0, 1);
  write(history, { key: "l" }, 0, 1);
  history.noteListing(new Set(["k", "l"]), 2, 3);
  assert.deepEqual(judgeHistory(history, true), []);
  history.noteListing(new Set(["l"]), 2, 3);
  assert.equal(judgeHistory(history, true).length, 1);
});
