// Claims about who is stopped when a turn of the loop has read enough, and when they go on.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Reader, ReadTurns } from "../../../src/host/read-turns.ts";

const MIB = 1_024 * 1_024;

/** An account whose turns end when the test says so, and connections that note what they are told. */
function begin() {
  const due: (() => void)[] = [];
  const told: string[] = [];
  const turns = new ReadTurns((act) => due.push(act));
  const connection = (name: string) => {
    const reader: Reader = {
      stop: () => void told.push(`${name} stops`),
      goOn: () => void told.push(`${name} goes on`),
    };
    return (bytes: number): boolean => turns.mayReadOn(bytes, reader);
  };
  const nextTurn = (): readonly string[] => {
    told.length = 0;
    for (const act of due.splice(0)) act();
    return [...told];
  };
  return { connection, told, nextTurn, due };
}

test("read turns: when two MiB were read all who read are stopped, and go on in the next turn in that order", () => {
  const { connection, told, nextTurn } = begin();
  const [a, b, c, d] = [connection("a"), connection("b"), connection("c"), connection("d")];
  assert.ok(a(MIB / 2));
  assert.ok(b(MIB / 4));
  assert.equal(c(2 * MIB), false);
  assert.deepEqual(told, ["a stops", "b stops"]);
  // Whoever had been idle until now is stopped after one read.
  assert.equal(d(MIB), false);
  assert.deepEqual(nextTurn(), ["a goes on", "b goes on", "c goes on"]);
});

test("read turns: in each turn as many go on as will fill it, those first that have waited longest", () => {
  const { connection, told, nextTurn } = begin();
  const [a, b, c, d] = [connection("a"), connection("b"), connection("c"), connection("d")];
  for (const read of [a, b, c, d]) read(MIB);
  assert.deepEqual(nextTurn(), ["a goes on", "b goes on"]);
  // The first takes it all: the other has the next turn alone, though there is room for more.
  assert.equal(a(2 * MIB), false);
  assert.deepEqual(told.slice(2), ["b stops"]);
  assert.deepEqual(nextTurn(), ["b goes on"]);
  // Who goes on and has nothing to read is stopped no more.
  assert.deepEqual(nextTurn(), ["c goes on", "d goes on"]);
  assert.deepEqual(nextTurn(), ["a goes on"]);
  assert.deepEqual(nextTurn(), []);
});

test("read turns: who reads alone is never stopped, until others read, too", () => {
  const { connection, nextTurn } = begin();
  const [a, b] = [connection("a"), connection("b")];
  for (let turn = 0; turn < 3; turn++) {
    for (let reads = 0; reads < 8; reads++) assert.ok(a(MIB));
    nextTurn();
  }
  for (let reads = 0; reads < 8; reads++) assert.ok(a(MIB));
  assert.equal(b(MIB), false);
  assert.deepEqual(nextTurn(), ["a goes on"]);
  assert.deepEqual(nextTurn(), ["b goes on"]);
  // Others may be about to read in this turn: they have the next one, too.
  assert.ok(a(MIB));
  assert.equal(a(MIB), false);
  assert.deepEqual(nextTurn(), ["b goes on"]);
  assert.deepEqual(nextTurn(), ["a goes on"]);
  assert.equal(a(2 * MIB), false);
  // From then on it is alone.
  for (let turn = 0; turn < 3; turn++) {
    nextTurn();
    for (let reads = 0; reads < 8; reads++) assert.ok(a(MIB), `turn ${turn}`);
  }
});

test("read turns: short reads neither count nor stop anybody, and cost no turn", () => {
  const { connection, due } = begin();
  const [a, b] = [connection("a"), connection("b")];
  for (let reads = 0; reads < 1_000; reads++) assert.ok(a(65_535) && b(100));
  assert.equal(due.length, 0);
  a(2 * MIB);
  assert.equal(b(MIB), false);
  assert.ok(b(100));
  assert.equal(due.length, 1);
});

test("read turns: whoever the system reports first and however much they send, all are read again and again", () => {
  const reads = fc.integer({ min: 65_536, max: 2 * MIB });
  const senders = fc.array(reads, { minLength: 2, maxLength: 40 });
  fc.assert(
    fc.property(senders, fc.integer({ min: 1, max: 32 }), (sizes, readsMax) => {
      const due: (() => void)[] = [];
      const turns = new ReadTurns((act) => due.push(act));
      const stopped = new Set<number>();
      const readers = sizes.map((_, at) => ({
        stop: () => void stopped.add(at),
        goOn: () => void stopped.delete(at),
      }));
      const lastRead = sizes.map(() => 0);
      for (let turn = 0; turn < 6 * sizes.length; turn++) {
        let bytes = 0;
        sizes.forEach((size, at) => {
          // As libuv does: who is ready is read until it is stopped, so many times at most.
          for (let count = 0; count < readsMax && !stopped.has(at); count++) {
            bytes += size;
            lastRead[at] = turn;
            if (!turns.mayReadOn(size, readers[at]!)) stopped.add(at);
          }
        });
        // In the first turn all are ready, and each is read once. Later those are at most that read in a turn not filled.
        if (turn > 0) assert.ok(bytes <= 6 * MIB, `${bytes} bytes in turn ${turn}`);
        for (const act of due.splice(0)) act();
        const waits = lastRead.map((last) => turn - last);
        assert.ok(Math.max(...waits) <= 2 * sizes.length, `turns since the last read: ${waits}`);
      }
    }),
  );
});
