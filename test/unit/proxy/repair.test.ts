// Claims about repairs through a whole proxy core with real runtimes, and mostly with the library's own repairer: what is
// lost is made whole without any read, one repair at a time, and never what nobody wants any more.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ORDER_MS_MAX } from "../../../src/proxy/repair-order.ts";
import type { Message } from "../../../src/wire/messages.ts";
import { all, bodyOf, chunkOf, decoded, digestOf, type Exchange, first } from "./client.ts";
import { get, nodesWithChunk, put } from "./steps.ts";
import { World } from "./world.ts";

/** Functions stay awake for the whole test, so that what is taken is known at once. */
const AWAKE_MS = 40_000;
const KEY = "k";

/** "k" in 2+1 on three of eight nodes, all of them awake. */
function stored(bytes = 3_000, wishes: ConstructorParameters<typeof World>[0] = {}) {
  const world = new World({ lingerMs: AWAKE_MS, ...wishes });
  const client = world.client();
  const body = bodyOf(bytes);
  assert.equal(first(put(world, client, KEY, body), "putDone").outcome, "stored");
  return { world, client, body };
}

const repair = (world: World) => world.proxy.status().repair;
const nodeOf = (world: World, index: number): number => nodesWithChunk(world, index)[0] ?? -1;
const has = (exchange: Exchange, kind: Message["kind"]): boolean =>
  exchange.messages.some((message) => message.kind === kind);

/** Takes the instance that holds this chunk; the proxy learns of it at once. */
function lose(world: World, index: number): void {
  world.reclaim(nodeOf(world, index));
  world.clock.advance(0);
}

test("repair: what is lost is re-created and stored on another node, and nobody has read", () => {
  const { world, client, body } = stored();
  world.repairer();
  world.clock.advance(10);
  for (const index of [0, 2, 1, 0]) {
    const kept = [0, 1, 2].filter((other) => other !== index).map((other) => nodeOf(world, other));
    lose(world, index);
    assert.equal(repair(world).degradedStripes, 1);
    world.clock.until(() => repair(world).degradedStripes === 0, 5_000);
    assert.ok(!kept.includes(nodeOf(world, index)), "on a node without a chunk of the stripe");
  }
  const { counters } = world.proxy;
  assert.deepEqual([counters.gets, counters.repairs, counters.repairedStripes], [0, 4, 4]);
  const read = get(world, client, KEY);
  assert.deepEqual(decoded(read, KEY), body);
  assert.ok(!has(read, "erasures"));
});

test("repair: the loss of a sleeping function is found by its warm-up; nodes that sleep are woken for the repair, and billed to it", () => {
  const { world } = stored(3_000, { lingerMs: 10, warmUpIntervalMs: 5_000 });
  world.settle();
  world.repairer();
  world.reclaim(nodeOf(world, 1));
  world.clock.until(() => world.proxy.counters.repairs === 1, 20_000);
  const { gets, instancesLost } = world.proxy.counters;
  assert.deepEqual([gets, instancesLost, repair(world).degradedStripes], [0, 1, 0]);
  world.settle();
  assert.ok(world.proxy.status().cost.byPurpose.repair.invocations >= 1);
  assert.ok(repair(world).dollarsLastHour > 0);
});

test("repair: an empty chunk is repaired like any other", () => {
  const { world, client } = stored(1);
  world.repairer();
  lose(world, 1);
  world.clock.until(() => repair(world).degradedStripes === 0, 5_000);
  assert.equal(world.proxy.counters.repairs, 1);
  assert.deepEqual(decoded(get(world, client, KEY), KEY), bodyOf(1));
});

test("repair: with fewer than d chunks left there is nothing to repair: the key is forgotten", () => {
  const { world, client } = stored();
  const worker = client.open({ kind: "repairAsk" });
  const nodes = [0, 1].map((index) => nodeOf(world, index));
  for (const node of nodes) world.reclaim(node);
  world.clock.advance(2_000);
  assert.deepEqual(worker.messages, []);
  assert.equal(repair(world).degradedStripes, 0);
  assert.equal(first(get(world, client, KEY), "miss").reason, "absent");
});

test("repair: a stripe is given to one repairer; when that one is gone, to the next", () => {
  const { world } = stored();
  const [one, two] = [world.client(11), world.client(12)];
  const asked = [one.open({ kind: "repairAsk" }), two.open({ kind: "repairAsk" })] as const;
  lose(world, 1);
  world.clock.advance(2_000);
  assert.deepEqual(
    asked.map((exchange) => has(exchange, "repairOrder")),
    [false, true],
  );
  assert.deepEqual(first(asked[1], "repairOrder").missing, [1]);
  two.connection.close("gone");
  world.clock.advance(2_000);
  assert.ok(has(asked[0], "repairOrder"));
});

test("repair: of a repairer that went without a word no order waits as long as another asks", () => {
  const { world } = stored();
  const gone = world.client(11);
  for (let at = 0; at < 4; at++) gone.open({ kind: "repairAsk" });
  world.repairer();
  world.clock.advance(100);
  lose(world, 1);
  world.clock.until(() => repair(world).degradedStripes === 0, 5_000);
});

test("repair: an order that does not end in time is taken back, and the stripe comes again after a pause", () => {
  const { world } = stored();
  const client = world.client(11);
  const stuck = client.open({ kind: "repairAsk" });
  lose(world, 1);
  world.clock.advance(ORDER_MS_MAX + 1_000);
  assert.equal(first(stuck, "failed").code, "ICACHE_DEADLINE");
  assert.equal(world.proxy.counters.repairsFailed, 1);
  world.repairer();
  world.clock.until(() => repair(world).degradedStripes === 0, 5_000);
});

test("repair: what a reader offers of a stripe that is in repair is not wanted", () => {
  const { world, client, body } = stored();
  const worker = world.client(11).open({ kind: "repairAsk" });
  lose(world, 1);
  world.clock.advance(500);
  const { version } = first(worker, "repairOrder");
  const chunk = chunkOf(body, 1, 2);
  const offer = { key: KEY, version, stripe: 0, index: 1, bytes: chunk.length };
  const offered = client.open({ kind: "repair", ...offer, ...digestOf(KEY, version, 1, chunk) });
  world.clock.advance(10);
  assert.equal(first(offered, "repaired").outcome, "obsolete");
});

test("repair: what was overwritten meanwhile is not stored", () => {
  const { world, client, body } = stored();
  const other = world.client(11);
  const worker = other.open({ kind: "repairAsk" });
  lose(world, 1);
  world.clock.advance(500);
  const { version } = first(worker, "repairOrder");
  const before = world.chunksHeld;
  assert.equal(first(put(world, client, KEY, bodyOf(500, 2)), "putDone").outcome, "stored");
  const chunk = chunkOf(body, 1, 2);
  other.send(worker.channel, {
    kind: "repair",
    ...{ key: KEY, version, stripe: 0, index: 1, bytes: chunk.length },
    ...digestOf(KEY, version, 1, chunk),
  });
  const data = { kind: "data", stripe: 0, index: 1, attempt: 0, offset: 0 } as const;
  other.send(worker.channel, data, chunk);
  world.clock.advance(100);
  assert.equal(first(worker, "repaired").outcome, "obsolete");
  other.send(worker.channel, { kind: "repairDone" });
  world.clock.advance(100);
  assert.deepEqual([repair(world).underWay, repair(world).degradedStripes], [0, 0]);
  assert.ok(world.chunksHeld <= before + 3);
  assert.deepEqual(decoded(get(world, client, KEY), KEY), bodyOf(500, 2));
});

test("repair: a chunk that was re-created wrongly is refused by its function, and the stripe stays on the list", () => {
  const { world } = stored();
  const client = world.client(11);
  const worker = client.open({ kind: "repairAsk" });
  lose(world, 1);
  world.clock.advance(500);
  const { version } = first(worker, "repairOrder");
  const wrong = new Uint8Array(1_488);
  const bytes = chunkOf(bodyOf(3_000), 1, 2).length;
  client.send(worker.channel, {
    kind: "repair",
    ...{ key: KEY, version, stripe: 0, index: 1, bytes },
    ...{ digestLow: 1, digestHigh: 2 },
  });
  const data = { kind: "data", stripe: 0, index: 1, attempt: 0, offset: 0 } as const;
  client.send(worker.channel, data, wrong.subarray(0, bytes));
  world.clock.advance(500);
  assert.equal(first(worker, "repaired").outcome, "refused");
  assert.equal(repair(world).degradedStripes, 1);
});

test("repair: as long as users read and write, one stripe at a time", () => {
  const { world, client } = stored();
  for (let index = 0; index < 6; index++) put(world, client, `k${index}`, bodyOf(3_000, index));
  const workers = Array.from({ length: 5 }, (_, at) => world.client(20 + at));
  // A GET that its reader does not end.
  const open = client.get(KEY);
  world.clock.until(() => has(open, "found"));
  const asked = workers.map((worker) => worker.open({ kind: "repairAsk" }));
  const orders = (): number => asked.filter((exchange) => has(exchange, "repairOrder")).length;
  // A node with chunks of several objects.
  const rows = world.proxy.status().nodes.rows;
  const richest = [...rows].sort((a, b) => b.chunks - a.chunks)[0];
  world.reclaim(richest?.node ?? 0);
  world.clock.advance(1_000);
  assert.ok(repair(world).degradedStripes >= 2);
  assert.equal(orders(), 1);
  client.send(open.channel, { kind: "getDone" });
  world.clock.advance(10);
  for (const [at, exchange] of asked.entries())
    if (has(exchange, "repairOrder")) workers[at]?.connection.close("gone");
  world.clock.advance(1_000);
  assert.ok(orders() >= 2);
});

test("repair: without money nothing begins, neither by itself nor as a reader offers it", () => {
  const { world, client, body } = stored(3_000, {
    repair: { bytesPerSecond: 1e9, dollarsPerHour: 0 },
  });
  world.repairer();
  lose(world, 1);
  world.clock.advance(30_000);
  assert.deepEqual([repair(world).degradedStripes, world.proxy.counters.repairs], [1, 0]);
  const { version } = first(get(world, client, KEY), "found");
  const chunk = chunkOf(body, 1, 2);
  const offer = { key: KEY, version, stripe: 0, index: 1, bytes: chunk.length };
  const offered = client.open({ kind: "repair", ...offer, ...digestOf(KEY, version, 1, chunk) });
  world.clock.advance(10);
  assert.equal(first(offered, "repaired").outcome, "refused");
});

test("repair: a restarted proxy knows what was lost before, and makes it whole without a read", () => {
  const { world } = stored();
  lose(world, 1);
  world.clock.advance(1_500); // Losses are written down once a second.
  world.restart();
  assert.equal(repair(world).degradedStripes, 1);
  world.repairer();
  world.clock.until(() => repair(world).degradedStripes === 0, 20_000);
});

test("repair: more repairers than there are places for are refused", () => {
  const { world, client } = stored();
  const asked = Array.from({ length: 70 }, () => client.open({ kind: "repairAsk" }));
  world.clock.advance(10);
  const refused = asked.filter((exchange) => all(exchange, "failed").length > 0);
  assert.equal(refused.length, 6);
  assert.equal(repair(world).workers, 64);
  assert.equal(world.proxy.operationsUnderWay, 0, "nobody waits for a repair");
});
