// Claims about nodes whose primary does not answer a wake, through a whole proxy core: who serves meanwhile, what is
// believed of what it stores, and what readers do who wait.

import assert from "node:assert/strict";
import { test } from "node:test";
import { UNSEEN_MS_MAX } from "../../../src/proxy/node-space.ts";
import { all, bodyOf, decoded, first, type TestClient } from "./client.ts";
import { get, isDecoded, nodesWithChunk, put, stored } from "./steps.ts";
import { World } from "./world.ts";

const throttle = {
  kind: "notStarted",
  reason: "429",
  isThrottle: true,
  retryAfterMs: null,
} as const;

/** "old" is stored by all three nodes; then "new" was, with a stranger on node 0 whose search was throttled. */
function servedByStranger(): { world: World; client: TestClient; primary: string; index: number } {
  const world = new World({ nodes: 3 });
  const client = world.client();
  put(world, client, "old", bodyOf(3_000, 1));
  world.settle();
  const [core] = world.instances(0);
  world.passedOver.add(core!);
  world.refusals.set(0, [null, throttle]);
  assert.equal(first(put(world, client, "new", bodyOf(3_000, 2)), "putDone").outcome, "stored");
  world.settle();
  const index = world.image.objects.get("new")!.places.findIndex(({ node }) => node === 0);
  return { world, client, primary: core!.instance, index };
}

function placeOnNode0(world: World, key: string): string | undefined {
  return world.image.objects.get(key)?.places.find(({ node }) => node === 0)?.instance;
}

test("strangers: one that serves because the search failed is not adopted, and what it stores is its own", () => {
  const { world, client, primary } = servedByStranger();
  assert.equal(world.proxy.counters.instancesLost, 0);
  assert.equal(world.proxy.status().nodes.rows[0]?.instance, primary);
  assert.equal(placeOnNode0(world, "old"), primary);
  assert.notEqual(placeOnNode0(world, "new"), primary);
  world.passedOver.clear();
  for (const [key, seed] of [
    ["old", 1],
    ["new", 2],
  ] as const) {
    const exchange = get(world, client, key);
    assert.deepEqual(decoded(exchange, key), bodyOf(3_000, seed));
    assert.equal(all(exchange, "erasures").length, 0, "out of reach is not lost");
  }
  world.settle();
  assert.equal(world.chunksHeld, 6, "neither inventory took the other's chunks for strays");
});

test("strangers: what one holds that is not seen again is lost after ten minutes, and not before", () => {
  const { world, client, index } = servedByStranger();
  world.passedOver.clear();
  const used = world.proxy.status().chunkBytes;
  world.clock.advance(UNSEEN_MS_MAX - 5_000);
  assert.equal(world.proxy.status().chunkBytes, used);
  world.clock.advance(10_000);
  assert.ok(world.proxy.status().chunkBytes < used);
  const exchange = get(world, client, "new");
  assert.deepEqual(all(exchange, "erasures").at(-1)?.indexes, [index]);
  assert.deepEqual(decoded(exchange, "new"), bodyOf(3_000, 2));
  assert.equal(all(get(world, client, "old"), "erasures").length, 0);
});

test("strangers: when the primary is proven lost, the one that has served takes its place with all it holds", () => {
  const { world, client, primary } = servedByStranger();
  const seen = get(world, client, "new", { wantAll: true });
  assert.deepEqual(decoded(seen, "new"), bodyOf(3_000, 2));
  assert.equal(world.proxy.counters.instancesLost, 1);
  assert.equal(world.proxy.status().nodes.rows[0]?.instance, placeOnNode0(world, "new"));
  world.settle();
  const [after, old] = [get(world, client, "new"), get(world, client, "old")];
  assert.equal(all(after, "erasures").length, 0);
  assert.equal(all(old, "erasures").length, 1);
  assert.notEqual(world.proxy.status().nodes.rows[0]?.instance, primary);
});

test("strangers: a chunk that waits for a late node is replaced at once; later readers ask elsewhere first", () => {
  const { world, client, body } = stored();
  const [late] = nodesWithChunk(world, 0);
  world.refusals.set(
    late!,
    Array.from({ length: 4 }, () => throttle),
  );
  const exchange = client.get("k");
  world.clock.advance(20);
  assert.ok(isDecoded(exchange, "k"));
  assert.equal(world.proxy.counters.hedges, 1);
  assert.deepEqual(decoded(exchange, "k"), body);
  client.send(exchange.channel, { kind: "getDone" });
  const again = world.client(2).get("k");
  world.clock.advance(4);
  assert.ok(isDecoded(again, "k"));
  assert.equal(world.proxy.counters.hedges, 1);
  assert.equal(world.proxy.counters.chunkGets, 5);
});
