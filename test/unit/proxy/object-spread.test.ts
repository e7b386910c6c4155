// Claims about which nodes the stripes of one object would rather have.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type NodeIndex, nodeIndex } from "../../../src/core/ids.ts";
import type { Spread } from "../../../src/core/placement.ts";
import { type NodeWish, ObjectSpread } from "../../../src/proxy/object-spread.ts";

const CHUNKS = 3;
const NODES = at(0, 1, 2, 3, 4, 5, 6, 7);

function at(...nodes: number[]): NodeIndex[] {
  return nodes.map((node) => nodeIndex(node));
}

/** What is said of the pool: which nodes are awake with nothing to do, and where the version to be replaced lies. */
function spreadOf(spread: Spread, idle: readonly number[], replaced: readonly number[] = []) {
  return new ObjectSpread({
    spread,
    nodes: NODES,
    isIdle: (node) => idle.includes(node),
    replaced: new Set(at(...replaced)),
  });
}

/** The nodes that a wish names; null: any. */
function wished(wish: NodeWish | null): readonly number[] | null {
  return wish === null ? null : NODES.filter((node) => wish.has(node));
}

test("spread: what few nodes hold whole goes where nobody sleeps, and so does, narrow, the first of many stripes", () => {
  for (const [spread, isLast] of [
    ["wide", true],
    ["narrow", true],
    ["narrow", false],
  ] as const)
    assert.deepEqual(wished(spreadOf(spread, [2, 5]).wish(CHUNKS, isLast)), [2, 5]);
  assert.equal(spreadOf("wide", [2, 5]).wish(CHUNKS, false), null);
});

test("spread: wide, a stripe would rather have the nodes with the fewest chunks of the object", () => {
  const spread = spreadOf("wide", [0, 1, 2], [0, 1, 2]);
  spread.note(at(0, 1, 2));
  assert.deepEqual(wished(spread.wish(CHUNKS, false)), [3, 4, 5, 6, 7]);
  spread.note(at(3, 4, 5));
  spread.note(at(6, 7, 0));
  assert.deepEqual(wished(spread.wish(CHUNKS, false)), [1, 2, 3, 4, 5, 6, 7]);
  spread.note(at(1, 2, 3));
  spread.note(at(4, 5, 6));
  spread.note(at(7));
  assert.deepEqual(wished(spread.wish(CHUNKS, false)), [...NODES]);
});

test("spread: narrow, a stripe would rather have the nodes that have chunks of the object, also those that came later", () => {
  const spread = spreadOf("narrow", [0]);
  spread.note(at(1, 3, 5));
  const together = spread.wish(CHUNKS, false);
  assert.deepEqual(wished(together), [1, 3, 5]);
  assert.ok(together!.slack < 1);
  spread.note(at(1, 3, 4));
  assert.deepEqual(wished(spread.wish(CHUNKS, false)), [1, 3, 4, 5]);
});

test("spread: a new version takes the nodes of the one it replaces, however full they are, and stays there with all its stripes", () => {
  const spread = spreadOf("narrow", [1, 2, 3, 4], [1, 2, 3]);
  for (let stripe = 0; stripe < 3; stripe++) {
    const wish = spread.wish(CHUNKS, false);
    assert.deepEqual(wished(wish), [1, 2, 3]);
    assert.equal(wish!.slack, 1);
    spread.note(at(1, 2, 3));
  }
  for (const spread of ["wide", "narrow"] as const)
    assert.deepEqual(
      wished(spreadOf(spread, [1, 2, 3, 4], [1, 2, 3]).wish(CHUNKS, true)),
      [1, 2, 3],
    );
});

test("spread: where one stripe of it had no room with the version it replaces, the others stay together all the same", () => {
  const spread = spreadOf("narrow", [1, 2, 3], [1, 2, 3]);
  spread.note(at(1, 2, 6));
  assert.deepEqual(wished(spread.wish(CHUNKS, false)), [1, 2, 6]);
});

test("spread: a new version leaves the nodes of the old one where others are awake instead, and not where all sleep", () => {
  assert.deepEqual(wished(spreadOf("narrow", [3, 4, 5], [1, 2, 3]).wish(CHUNKS, true)), [3, 4, 5]);
  assert.deepEqual(wished(spreadOf("narrow", [3], [1, 2, 3]).wish(CHUNKS, true)), [1, 2, 3]);
  assert.deepEqual(wished(spreadOf("narrow", [], [1, 2, 3]).wish(CHUNKS, true)), [1, 2, 3]);
});

test("spread: a version that lay on more nodes, or fewer, is no example", () => {
  for (const replaced of [
    [1, 2],
    [1, 2, 3, 4],
  ])
    assert.deepEqual(wished(spreadOf("narrow", [5], replaced).wish(CHUNKS, false)), [5]);
});
