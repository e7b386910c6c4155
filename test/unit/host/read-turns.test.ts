// Claims about who is stopped when a turn of the loop has read enough, and when they go on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ReadTurns } from "../../../src/host/read-turns.ts";

const MIB = 1_024 * 1_024;

/** An account whose turns end when the test says so, and connections that note when they go on. */
function begin() {
  const due: (() => void)[] = [];
  const resumed: string[] = [];
  const turns = new ReadTurns((act) => due.push(act));
  const connection = (name: string) => {
    const resume = (): void => void resumed.push(name);
    return (bytes: number): boolean => turns.mayReadOn(bytes, resume);
  };
  const nextTurn = (): void => {
    for (const act of due.splice(0)) act();
  };
  return { connection, resumed, nextTurn, due };
}

test("read turns: when two MiB were read, whoever reads more is stopped, and goes on in the next turn in that order", () => {
  const { connection, resumed, nextTurn } = begin();
  const [a, b, c] = [connection("a"), connection("b"), connection("c")];
  assert.ok(a(MIB));
  assert.ok(b(MIB / 2));
  assert.equal(c(MIB), false);
  assert.equal(a(MIB), false);
  assert.deepEqual(resumed, []);
  nextTurn();
  assert.deepEqual(resumed, ["c", "a"]);
  assert.ok(a(MIB));
  assert.equal(a(MIB), false);
});

test("read turns: who reads alone is never stopped, until others read, too", () => {
  const { connection, resumed, nextTurn } = begin();
  const [a, b] = [connection("a"), connection("b")];
  for (let turn = 0; turn < 3; turn++) {
    for (let reads = 0; reads < 8; reads++) assert.ok(a(MIB));
    nextTurn();
  }
  for (let reads = 0; reads < 8; reads++) assert.ok(a(MIB));
  assert.equal(b(MIB), false);
  nextTurn();
  assert.deepEqual(resumed, ["b"]);
  // Others read in the turn before: they may be about to.
  assert.ok(a(MIB));
  assert.equal(a(MIB), false);
  nextTurn();
  for (let reads = 0; reads < 8; reads++) assert.ok(a(MIB));
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
