// Claims about leases through a whole proxy core: one holder, others wait, and what was read before a change is never
// stored after it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, decoded, type Exchange, first, type TestClient } from "./client.ts";
import { get, put, stored } from "./steps.ts";
import { World } from "./world.ts";

type Purpose = "load" | "change";

function lease(world: World, client: TestClient, key: string, purpose: Purpose = "load"): Exchange {
  const exchange = client.open({ kind: "lease", key, purpose, deadlineMs: 60_000 });
  world.clock.advance(1);
  return exchange;
}

type Outcome = "loaded" | "absent" | "failed" | "released";

function end(world: World, client: TestClient, held: Exchange, outcome: Outcome): boolean {
  client.send(held.channel, { kind: "leaseEnd", outcome, code: "ICACHE_ORIGIN", reason: "why" });
  world.clock.advance(1);
  return first(held, "leaseEnded").isValid;
}

const kinds = (exchange: Exchange): readonly string[] => exchange.messages.map(({ kind }) => kind);

test("lease: one of many who load holds it, and the end of its load is told to all", () => {
  const world = new World();
  const client = world.client();
  for (const outcome of ["loaded", "absent", "failed"] as const) {
    const all = Array.from({ length: 20 }, () => lease(world, client, "k"));
    assert.deepEqual(
      all.filter(({ messages }) => messages.length > 0),
      [all[0]],
    );
    assert.equal(end(world, client, all[0]!, outcome), true);
    for (const waiting of all.slice(1)) {
      const over = first(waiting, "leaseOver");
      assert.deepEqual([over.outcome, over.reason], [outcome, "why"]);
    }
  }
});

test("lease: a load that is only released passes to the next, and so does one whose client is gone", () => {
  const world = new World();
  const client = world.client();
  const other = world.client(2);
  const held = lease(world, other, "k");
  const second = lease(world, client, "k");
  const third = lease(world, client, "k");
  other.connection.close("gone");
  world.clock.advance(1);
  assert.deepEqual([kinds(held), kinds(second), kinds(third)], [["leased"], ["leased"], []]);
  end(world, client, second, "released");
  assert.deepEqual(kinds(third), ["leased"]);
});

test("lease: the deadline ends it for whoever holds it and whoever waits", () => {
  const world = new World();
  const client = world.client();
  const held = client.open({ kind: "lease", key: "k", purpose: "load", deadlineMs: 1_000 });
  const waiting = client.open({ kind: "lease", key: "k", purpose: "load", deadlineMs: 500 });
  world.clock.advance(600);
  assert.equal(first(waiting, "failed").code, "ICACHE_DEADLINE");
  const next = lease(world, client, "k");
  world.clock.advance(600);
  assert.deepEqual(kinds(held), ["leased", "failed"]);
  assert.deepEqual(kinds(next), ["leased"]);
});

test("lease: nobody loads what is there", () => {
  const { world, client } = stored();
  assert.equal(first(lease(world, client, "k"), "leaseOver").outcome, "present");
});

test("lease: a PUT takes effect while it is held, and nobody's else does under it", () => {
  const world = new World();
  const client = world.client();
  const held = lease(world, client, "k");
  const { lease: number } = first(held, "leased");
  const stranger = world.client(9);
  const wishes = { lease: number };
  assert.equal(first(put(world, stranger, "k", bodyOf(5), wishes), "putDone").outcome, "exists");
  assert.equal(first(put(world, client, "k", bodyOf(9), wishes), "putDone").outcome, "stored");
  assert.equal(end(world, client, held, "loaded"), true);
  assert.equal(first(put(world, client, "k", bodyOf(7), wishes), "putDone").outcome, "exists");
  world.settle();
  assert.deepEqual(decoded(get(world, client, "k"), "k"), bodyOf(9));
});

const overtakes: readonly [string, (world: World, client: TestClient) => void][] = [
  ["a PUT", (world, client) => void put(world, client, "k", bodyOf(3))],
  [
    "a PUT that is deleted again",
    (world, client) => {
      put(world, client, "k", bodyOf(3));
      client.remove("k", 900);
      world.clock.advance(1);
    },
  ],
  [
    "the DELETE of an absent key",
    (world, client) => {
      client.remove("k", 901);
      world.clock.advance(1);
    },
  ],
  [
    "a CLEAR",
    (world, client) => {
      client.open({ kind: "clear", prefix: "", sequence: 902 });
      world.clock.advance(1);
    },
  ],
  ["a lease to change", (world, client) => void lease(world, client, "k", "change")],
];
for (const [name, overtake] of overtakes) {
  test(`lease: what a load brings is not stored after ${name}`, () => {
    const world = new World();
    const client = world.client();
    const held = lease(world, client, "k");
    const wishes = { lease: first(held, "leased").lease };
    // One PUT is under way already, with all but its commit.
    const early = client.openPut("k", wishes);
    world.clock.until(() => early.messages.length > 0);
    overtake(world, world.client(2));
    client.sendBody(early, "k", bodyOf(50));
    world.clock.until(() => early.messages.some(({ kind }) => kind === "putDone"), 40_000);
    assert.equal(first(early, "putDone").outcome, "exists");
    assert.equal(first(put(world, client, "k", bodyOf(50), wishes), "putDone").outcome, "exists");
    assert.equal(end(world, client, held, "loaded"), false);
  });
}

test("lease: changes follow one another, and loads wait for the last of them", () => {
  const world = new World();
  const client = world.client();
  const first_ = lease(world, client, "k", "change");
  const load = lease(world, client, "k");
  const second = lease(world, client, "k", "change");
  assert.deepEqual([kinds(first_), kinds(load), kinds(second)], [["leased"], [], []]);
  assert.equal(end(world, client, first_, "released"), true);
  assert.deepEqual([kinds(load), kinds(second)], [[], ["leased"]]);
  const wishes = { lease: first(second, "leased").lease };
  assert.equal(first(put(world, client, "k", bodyOf(9), wishes), "putDone").outcome, "stored");
  end(world, client, second, "released");
  assert.equal(first(load, "leaseOver").outcome, "present");
});

test("lease: a load that failed after it was overtaken tells nobody so", () => {
  const world = new World();
  const client = world.client();
  const held = lease(world, client, "k");
  const waiting = lease(world, client, "k");
  client.remove("k", 5);
  world.clock.advance(1);
  assert.equal(end(world, client, held, "failed"), false);
  assert.deepEqual(kinds(waiting), ["leased"]);
});
