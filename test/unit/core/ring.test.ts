// The ring and its document: the same owners on every machine, balance, weights, few keys moved.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Member, type Membership, parseMembership } from "../../../src/core/membership.ts";
import { buildRing, ringHash, SHARE_BOUND } from "../../../src/core/ring.ts";

const KEYS = Array.from({ length: 4_000 }, (_, at) => `key-${at}`);

function membership(weights: readonly number[], virtualNodes = 128): Membership {
  const members = weights.map(
    (weight, at): Member => ({ id: `pool-${at}`, address: `proxy-${at}:6370`, weight }),
  );
  return { epoch: 1, members, virtualNodes };
}

const anyWeights = fc
  .array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 12 })
  .filter((weights) => weights.some((weight) => weight > 0));

test("ring: its hash is MurmurHash3, by that function's published values", () => {
  assert.equal(ringHash(""), 0);
  assert.equal(ringHash("hello"), 0x248b_fa47);
  assert.equal(ringHash("hello, world"), 0x149b_bb7f);
  assert.equal(ringHash("The quick brown fox jumps over the lazy dog"), 0x2e4f_f723);
});

test("ring: owners are the same on every machine", () => {
  const ring = buildRing(membership([1, 1, 2]));
  const owners = ["a", "photo.jpg", "höhe", "key-7", "key-8", "key-9", "x".repeat(1_024)].map(
    (key) => ring.ownerOf(key).id,
  );
  assert.deepEqual(owners, ["pool-2", "pool-0", "pool-0", "pool-0", "pool-2", "pool-2", "pool-2"]);
});

test("ring: the order of the rows means nothing", () => {
  fc.assert(
    fc.property(anyWeights, fc.string({ minLength: 1 }), (weights, key) => {
      const document = membership(weights);
      const turned = { ...document, members: [...document.members].reverse() };
      assert.equal(buildRing(document).ownerOf(key).id, buildRing(turned).ownerOf(key).id);
    }),
    { numRuns: 50 },
  );
});

test("ring: shares add up to one, and none is above its bound", () => {
  fc.assert(
    fc.property(anyWeights, fc.constantFrom(1, 2, 16, 128), (weights, virtualNodes) => {
      const ring = buildRing(membership(weights, virtualNodes));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const shares = weights.map((_, at) => ring.shareOf(`pool-${at}`));
      assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9);
      for (const [at, share] of shares.entries())
        assert.ok(share <= (SHARE_BOUND * (weights[at] ?? 0)) / total + 1e-6);
    }),
    { numRuns: 60 },
  );
});

test("ring: keys are spread as the shares say", () => {
  const ring = buildRing(membership([1, 2, 1, 0]));
  const counts = new Map<string, number>();
  for (const key of KEYS) {
    const { id } = ring.ownerOf(key);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  assert.equal(counts.get("pool-3"), undefined);
  for (const [id, count] of counts)
    assert.ok(Math.abs(count / KEYS.length - ring.shareOf(id)) < 0.03, id);
});

test("ring: a new member takes about its share, and nothing moves between the others", () => {
  for (const count of [1, 2, 4, 8, 16]) {
    const before = buildRing(membership(Array.from({ length: count }, () => 1)));
    const after = buildRing(membership(Array.from({ length: count + 1 }, () => 1)));
    let moved = 0;
    for (const key of KEYS) {
      const owner = after.ownerOf(key).id;
      if (owner === before.ownerOf(key).id) continue;
      moved += 1;
      assert.equal(owner, `pool-${count}`);
    }
    assert.ok(
      moved / KEYS.length < 1.25 / (count + 1),
      `${moved} of ${KEYS.length} to one of ${count + 1}`,
    );
    assert.ok(moved / KEYS.length > 0.7 / (count + 1));
  }
});

test("membership: all faults are reported together", () => {
  const parsed = parseMembership({
    epoch: 0,
    virtualNodes: 1.5,
    colour: "red",
    members: [{ id: "a", address: "h:1" }, { id: "a", address: "h", weight: -1 }, 7],
  });
  assert.ok(parsed.kind === "bad");
  const places = new Set(parsed.faults.map((fault) => fault.split(" ")[0] ?? ""));
  const expected = ["epoch", "virtualNodes", "unknown", "members[1].address", "members[1].id"];
  assert.deepEqual(places, new Set([...expected, "members[1].weight", "members[2]"]));
  const idle = parseMembership({ epoch: 1, members: [{ id: "a", address: "h:1", weight: 0 }] });
  assert.equal(idle.kind, "bad");
});
