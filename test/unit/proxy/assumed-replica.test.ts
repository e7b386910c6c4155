// Claims about what an earlier proxy wrote down of a replica: it names whom to ask, and nothing more rests on it. Through a
// whole proxy core with real runtimes; the table is compared with what the replicas hold at every moment.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RuntimeCore } from "../../../src/runtime/runtime-core.ts";
import { all, bodyOf, decoded, first, type TestClient } from "./client.ts";
import { get, put } from "./steps.ts";
import { World } from "./world.ts";

const INTERVAL_MS = 10_000;
const ROUNDS_MS = 2 * INTERVAL_MS;
const OBJECTS = 10;

/** Objects of three chunks on three nodes with their replicas, under another proxy than the one that copied them. */
function restarted(reads: readonly string[] = []): World {
  const backupSelection = reads.length > 0 ? "hit" : "all";
  const world = new World({ nodes: 3, backupIntervalMs: INTERVAL_MS, backupSelection });
  const client = world.client();
  for (let index = 0; index < OBJECTS; index++)
    first(put(world, client, `k${index}`, bodyOf(3_000, index)), "putDone");
  for (const key of reads) get(world, client, key);
  world.clock.advance(ROUNDS_MS);
  world.restart();
  return world;
}

const rowOf = (world: World, node: number) => world.proxy.status().nodes.rows[node];

function erasuresOf(world: World, client: TestClient, index: number): number {
  const exchange = get(world, client, `k${index}`);
  assert.deepEqual(decoded(exchange, `k${index}`), bodyOf(3_000, index));
  return all(exchange, "erasures").length;
}

/** Lets time pass, and looks after each event whether the durable table names a living instance that lacks a chunk. */
function advanceTruthfully(world: World, ms: number): void {
  let checks = 0;
  let isOver = false;
  world.clock.setTimer(ms, () => {
    isOver = true;
  });
  world.clock.untilEvent(() => {
    checks++;
    for (const { key, version, places } of world.image.objects.values()) {
      for (const [index, { node, instance }] of places.entries()) {
        const holder = world.instances(node).find((each) => each.instance === instance);
        if (holder === undefined) continue;
        const held = [...holder.store.chunks()].map((chunk) => `${chunk.version}.${chunk.index}`);
        assert.ok(held.includes(`${version}.${index}`), `${key}: chunk ${index} at node ${node}`);
      }
    }
    return isOver;
  }, ms);
  assert.ok(checks > 1);
}

test("assumed replica: a failover moves only what the replica has said it holds", () => {
  // The two newest are copied: of the eight before them the mark says too much.
  const world = restarted(["k8", "k9"]);
  const [primary, replica] = world.instances(0);
  assert.equal(replica?.store.count, 2);
  assert.equal(rowOf(world, 0)?.copies, 10, "as it was written down");
  world.reclaim(0, primary);
  const client = world.client(2);
  client.get("k9");
  advanceTruthfully(world, 5_000);
  assert.equal(world.proxy.counters.failovers, 1);
  assert.equal(rowOf(world, 0)?.instance, replica.instance);
  assert.equal(rowOf(world, 0)?.chunks, 2);
  for (let index = 0; index < OBJECTS; index++) erasuresOf(world, client, index);
});

test("assumed replica: copies of a round that was never written down are found before anything is forgotten", () => {
  const world = restarted();
  // As if the proxy had died before the end of the round that copied all but the first object.
  for (const [node, mark] of world.image.replicas)
    world.image.replicas.set(node, { ...mark, below: 2 });
  world.restart();
  assert.equal(rowOf(world, 0)?.copies, 1);
  for (let node = 0; node < 3; node++) world.reclaim(node, world.instances(node)[0]);
  const client = world.client(3);
  for (let index = 0; index < OBJECTS; index++) assert.equal(erasuresOf(world, client, index), 0);
  assert.equal(world.proxy.counters.missesLost, 0);
});

test("assumed replica: one that is gone as well takes its node's chunks with it, once that is known", () => {
  const world = restarted();
  world.reclaim(0);
  const client = world.client(2);
  for (let index = 0; index < OBJECTS; index++) erasuresOf(world, client, index);
  advanceTruthfully(world, 60_000);
  erasuresOf(world, client, 0);
  advanceTruthfully(world, 1_000);
  for (const { places } of world.image.objects.values())
    for (const { node, instance } of places)
      if (node === 0) assert.ok([rowOf(world, 0)?.instance, ""].includes(instance));
  assert.equal(world.image.replicas.get(0)?.instance === undefined, true);
  assert.equal(rowOf(world, 0)?.chunks, 0);
});

test("assumed replica: a PUT under way does not count on what the lost primary had confirmed", () => {
  const world = restarted();
  const client = world.client(2);
  const open = client.openPut("new", { code: { dataChunks: 1, parityChunks: 0 } });
  world.clock.until(() => open.messages.length > 0);
  const body = bodyOf(3_000, 5);
  client.sendUncommitted(open, "new", first(open, "putOpened").version, body);
  const holder = (node: number) =>
    world.instances(node).find(({ store }) => store.count > OBJECTS) ?? null;
  world.clock.until(() => [0, 1, 2].some((node) => holder(node) !== null));
  world.settle();
  const node = [0, 1, 2].find((each) => holder(each) !== null) ?? 0;
  world.reclaim(node, holder(node) ?? undefined);
  get(world, client, "k1", { wantAll: true });
  world.settle();
  assert.equal(rowOf(world, node)?.instance, world.instances(node)[0]?.instance, "it is replaced");
  client.commit(open, body.length);
  world.clock.advance(1_000);
  assert.equal(first(open, "failed").code, "ICACHE_UNREACHABLE");
  assert.equal(world.image.objects.has("new"), false);
});

test("assumed replica: one that takes over within its round is asked at once what it has", () => {
  const world = restarted(["k8", "k9"]);
  const client = world.client(2);
  world.toFunctions.length = 0;
  const isAsked = ({ node, message }: (typeof world.toFunctions)[number]): boolean =>
    node === 0 && message.kind === "inventoryGet";
  world.clock.untilEvent(() => world.toFunctions.some(isAsked), ROUNDS_MS);
  const [primary, replica] = world.instances(0);
  world.reclaim(0, primary);
  advanceTruthfully(world, 1_000);
  assert.equal(rowOf(world, 0)?.instance, replica?.instance);
  assert.equal(rowOf(world, 0)?.chunks, 2);
  assert.equal(erasuresOf(world, client, 9), 0);
});

/** Node 0 without its primary, and with a replica that lives and is not met. */
function unmet(): { world: World; replica: RuntimeCore } {
  const world = restarted();
  const [primary, replica] = world.instances(0);
  if (replica === undefined) assert.fail("it was backed up");
  world.reclaim(0, primary);
  world.passedOver.add(replica);
  return { world, replica };
}

function mustLieWith(world: World, replica: RuntimeCore): void {
  assert.equal(world.proxy.counters.failovers, 1);
  for (const { key, places } of world.image.objects.values())
    if (key !== "new")
      assert.equal(places.find(({ node }) => node === 0)?.instance, replica.instance, key);
}

test("assumed replica: while it is waited for, no round makes another one the replica; met, it has its chunks again", () => {
  const { world, replica } = unmet();
  const isLost = (): boolean => world.proxy.counters.instancesLost > 0;
  world.clock.untilEvent(isLost, ROUNDS_MS);
  world.clock.advance(2_000);
  assert.ok(world.proxy.counters.backupsAborted > 0);
  assert.equal(world.image.replicas.get(0)?.instance, replica.instance);
  assert.equal(world.proxy.counters.failovers, 0);
  world.passedOver.clear();
  advanceTruthfully(world, ROUNDS_MS);
  mustLieWith(world, replica);
});

test("assumed replica: it is what the next wake looks for, although another one has stored something since", () => {
  const { world, replica } = unmet();
  const client = world.client(2);
  assert.equal(first(put(world, client, "new", bodyOf(3_000, 5)), "putDone").outcome, "stored");
  assert.equal(world.proxy.counters.failovers, 0);
  world.settle();
  world.passedOver.clear();
  advanceTruthfully(world, ROUNDS_MS);
  mustLieWith(world, replica);
});

test("assumed replica: a search that does not meet it decides that it is gone", () => {
  const { world } = unmet();
  const client = world.client(2);
  put(world, client, "new", bodyOf(3_000, 5));
  world.settle();
  assert.equal(rowOf(world, 0)?.chunks, OBJECTS + 1);
  get(world, client, "k1", { wantAll: true });
  world.settle();
  assert.equal(rowOf(world, 0)?.chunks, 1);
  for (let index = 0; index < OBJECTS; index++) erasuresOf(world, client, index);
});

test("assumed replica: when nothing waits for its word any more, wakes look for who serves now", () => {
  const world = restarted();
  world.reclaim(0);
  const client = world.client(2);
  get(world, client, "k0");
  world.settle();
  for (let index = 0; index < OBJECTS; index++) client.remove(`k${index}`);
  world.settle();
  first(put(world, client, "new", bodyOf(3_000, 99)), "putDone");
  world.settle();
  assert.deepEqual(decoded(get(world, client, "new"), "new"), bodyOf(3_000, 99));
  const holder = world.image.objects.get("new")?.places.find(({ node }) => node === 0)?.instance;
  assert.equal(rowOf(world, 0)?.instance, holder);
});
