// Claims about who waits when a turn of the loop has written enough, and when they go on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WriteTurns } from "../../../src/host/write-turns.ts";

const MIB = 1_024 * 1_024;

/** An account whose turns end when the test says so, and connections that write a MiB at a time for as long as they may. */
function begin() {
  const due: (() => void)[] = [];
  const turns = new WriteTurns((act) => due.push(act));
  let written: string[] = [];
  const connection = (name: string, queuedBytes: number): (() => void) => {
    let left = queuedBytes;
    const write = (): void => {
      while (left > 0 && turns.mayWrite(left, write)) {
        const bytes = Math.min(left, MIB);
        left -= bytes;
        turns.wrote(bytes);
        written.push(name);
      }
    };
    return write;
  };
  const inThisTurn = (): readonly string[] => {
    const names = written;
    written = [];
    return names;
  };
  const nextTurn = (): readonly string[] => {
    for (const act of due.splice(0)) act();
    return inThisTurn();
  };
  return { connection, inThisTurn, nextTurn, due };
}

test("write turns: two MiB are written in a turn by all together, and who has waited longest goes on first", () => {
  const { connection, inThisTurn, nextTurn } = begin();
  for (const [name, mib] of [
    ["a", 3],
    ["b", 2],
    ["c", 2],
  ] as const)
    connection(name, mib * MIB)();
  assert.deepEqual(inThisTurn(), ["a", "a"]);
  assert.deepEqual(nextTurn(), ["a", "b"]);
  // Who could not finish stands behind the others.
  assert.deepEqual(nextTurn(), ["c", "c"]);
  assert.deepEqual(nextTurn(), ["b"]);
  assert.deepEqual(nextTurn(), []);
});

test("write turns: who has little to write does not wait, up to twice the bound", () => {
  const { connection, inThisTurn, nextTurn } = begin();
  connection("much", 8 * MIB)();
  connection("little", 1_024)();
  assert.deepEqual(inThisTurn(), ["much", "much", "little"]);
  for (let count = 0; count < 40; count++) connection("little", 65_535)();
  assert.equal(inThisTurn().length, 32, "2 MiB in pieces of 64 KiB");
  // What was held back goes before whoever has much.
  const next = nextTurn();
  assert.deepEqual(next.slice(0, 8), Array(8).fill("little"));
  assert.deepEqual(next.slice(8), ["much", "much"]);
});

test("write turns: little is added up over turns, and costs none of its own", () => {
  const { connection, due } = begin();
  for (let count = 0; count < 63; count++) connection("little", 1_024)();
  assert.equal(due.length, 0);
  connection("little", 1_024)();
  assert.equal(due.length, 1);
});
