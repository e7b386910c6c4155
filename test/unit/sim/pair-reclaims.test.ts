// The model of nodes that lose both instances, against every single way to reclaim, and with what is known of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nodesLostOfPairs, pairReclaimCounts } from "../../../src/sim/models/pair-reclaims.ts";
import { reclaimCounts } from "../../../src/sim/models/reclaim-counts.ts";

test("pairs: of all ways to reclaim instances of four nodes so many take both of d nodes", () => {
  const nodes = 4;
  for (let reclaimed = 0; reclaimed <= 2 * nodes; reclaimed++) {
    const ways = Array.from({ length: nodes + 1 }, () => 0);
    let all = 0;
    for (let set = 0; set < 1 << (2 * nodes); set++) {
      const bits = Array.from({ length: 2 * nodes }, (_, bit) => (set >> bit) & 1);
      if (bits.reduce((sum, bit) => sum + bit, 0) !== reclaimed) continue;
      const both = Array.from(
        { length: nodes },
        (_, node) => bits[2 * node] === 1 && bits[2 * node + 1] === 1,
      );
      const lost = both.filter(Boolean).length;
      ways[lost] = (ways[lost] ?? 0) + 1;
      all++;
    }
    const expected = ways.map((count) => count / all);
    for (const [lost, probability] of nodesLostOfPairs(nodes, reclaimed).entries())
      assert(Math.abs(probability - (expected[lost] ?? 0)) < 1e-12, `${reclaimed}: ${lost}`);
  }
});

test("pairs: of 48 instances of 24 nodes 29 take both of 8.64 nodes on average, as r(r−1)/2N(2N−1) says", () => {
  const probabilities = nodesLostOfPairs(24, 29);
  const sum = probabilities.reduce((total, each) => total + each, 0);
  const mean = probabilities.reduce((total, each, lost) => total + each * lost, 0);
  assert(Math.abs(sum - 1) < 1e-12);
  assert(Math.abs(mean - (24 * 29 * 28) / (48 * 47)) < 1e-9);
});

test("pairs: more instances than there are is refused", () => {
  assert.throws(() => nodesLostOfPairs(24, 49), RangeError);
  assert.throws(() => nodesLostOfPairs(1.5, 1), RangeError);
});

test("pairs: under memoryless reclaiming a node is lost with the square of what an instance is", () => {
  const [nodes, model, intervalMs] = [24, { kind: "poisson", perHour: 5_000 }, 300_000] as const;
  const instance = -Math.expm1((-model.perHour / 400) * (intervalMs / 3_600_000));
  const found = pairReclaimCounts(nodes, reclaimCounts(model, 2 * nodes, intervalMs));
  const mean = found.reduce((sum, each, lost) => sum + each * lost, 0);
  assert(Math.abs(mean - nodes * instance ** 2) < 1e-9);
  assert(Math.abs((found[0] ?? 0) - (1 - instance ** 2) ** nodes) < 1e-9);
});
