// Claims about GETs that the proxy answers from its own memory: when it may, when it may not, and that neither an old
// version nor bytes that a reader called bad are ever served again. The functions are real runtime cores.

import assert from "node:assert/strict";
import { test } from "node:test";
import { all, bodyOf, decoded, digestOf, type Exchange, first, type TestClient } from "./client.ts";
import { get, isDecoded, put } from "./steps.ts";
import { World, type WorldWishes } from "./world.ts";

const ALONE = { code: { dataChunks: 1, parityChunks: 2 } } as const;

/** A world in which "k" is stored in one chunk and two copies, was read once, and all functions sleep. */
function read(wishes: WorldWishes = {}, bytes = 3_000) {
  const world = new World(wishes);
  const client = world.client();
  const body = bodyOf(bytes);
  put(world, client, "k", body, ALONE);
  world.settle();
  assert.deepEqual(decoded(get(world, client, "k"), "k"), body);
  world.settle();
  return { world, client, body };
}

const isHot = (exchange: Exchange): boolean => exchange.messages[0]?.kind === "whole";

/** Begins a GET and lets it come to its end. */
function again(world: World, client: TestClient, more: Parameters<TestClient["get"]>[1] = {}) {
  return get(world, client, "k", more);
}

test("hot get: the second GET of a small object is one message and one part; no function is asked, none woken", () => {
  const { world, client, body } = read();
  const { invokes } = world;
  const asked = world.toFunctions.length;
  const before = { ...world.proxy.counters };
  const exchange = again(world, client);
  assert.deepEqual(
    exchange.messages.map(({ kind }) => kind),
    ["whole", "data"],
  );
  assert.deepEqual(decoded(exchange, "k"), body);
  world.settle();
  assert.deepEqual([world.invokes, world.toFunctions.length], [invokes, asked]);
  const { gets, hits, hitsHot, chunkGets } = world.proxy.counters;
  assert.deepEqual([gets - before.gets, hits - before.hits, hitsHot - before.hitsHot], [1, 1, 1]);
  assert.equal(chunkGets, before.chunkGets);
  assert.equal(world.proxy.operationsUnderWay, 0);
  const { hot } = world.proxy.status();
  assert.equal(hot.objects, 1);
  assert.ok(hot.bytes >= body.length && hot.bytes < body.length + 1_024);
});

test("hot get: it says of the object what found says, metadata and times included", () => {
  const { world, client } = read();
  const stat = client.open({ kind: "stat", key: "k" });
  world.clock.advance(5);
  const { kind: _, firstStripe: __, endStripe: ___, ...found } = first(stat, "found");
  const { kind, index, digestLow, digestHigh, ...whole } = first(again(world, client), "whole");
  assert.deepEqual(whole, found);
  const digest = digestOf("k", found.version, index, bodyOf(3_000));
  assert.deepEqual({ kind, digestLow, digestHigh }, { kind: "whole", ...digest });
});

test("hot get: the first GET is answered by a function: a PUT alone keeps nothing", () => {
  const world = new World();
  const client = world.client();
  put(world, client, "k", bodyOf(3_000), ALONE);
  world.settle();
  assert.equal(world.proxy.status().hot.objects, 0);
  assert.ok(!isHot(again(world, client)));
});

test("hot get: after an overwrite the new bytes come, from a function first", () => {
  const { world, client } = read();
  const newer = bodyOf(2_000, 9);
  put(world, client, "k", newer, ALONE);
  assert.equal(world.proxy.status().hot.objects, 0);
  for (const hot of [false, true]) {
    const exchange = again(world, client);
    assert.equal(isHot(exchange), hot);
    assert.deepEqual(decoded(exchange, "k"), newer);
  }
});

test("hot get: after a removal, a clear, and when it has expired, it is a miss and its bytes are gone", () => {
  const ends: readonly ((world: World, client: TestClient) => void)[] = [
    (_, client) => void client.remove("k"),
    (_, client) => void client.open({ kind: "clear", prefix: "", sequence: 900 }),
    (world) => {
      world.wallMs += 60_001;
    },
  ];
  for (const end of ends) {
    const world = new World();
    const client = world.client();
    put(world, client, "k", bodyOf(3_000), { ...ALONE, ttlMs: 60_000 });
    again(world, client);
    assert.ok(isHot(again(world, client)));
    end(world, client);
    world.clock.advance(5);
    assert.equal(again(world, client).messages[0]?.kind, "miss");
    assert.deepEqual(world.proxy.status().hot, { objects: 0, bytes: 0 });
  }
});

test("hot get: bytes of a version that was superseded while they were on their way are not kept", () => {
  const world = new World();
  const client = world.client();
  put(world, client, "k", bodyOf(3_000), ALONE);
  world.settle();
  const exchange = client.get("k", { stripesAhead: 0 });
  world.clock.until(() => exchange.messages.length > 0);
  put(world, client, "k", bodyOf(1_000, 4), ALONE);
  client.send(exchange.channel, { kind: "getStripe", stripe: 0 });
  world.clock.until(() => isDecoded(exchange, "k"));
  assert.deepEqual(decoded(exchange, "k"), bodyOf(3_000), "the version that it has pinned");
  assert.equal(world.proxy.status().hot.objects, 0);
});

test("hot get: a range and a wish for all chunks are answered with all of it, an empty range and one without room as ever", () => {
  const { world, client, body } = read();
  for (const more of [{ rangeStart: 5, rangeEnd: 9 }, { wantAll: true }]) {
    const exchange = again(world, client, more);
    assert.ok(isHot(exchange));
    assert.deepEqual(decoded(exchange, "k"), body);
  }
  for (const more of [{ rangeStart: 9, rangeEnd: 9 }, { rangeStart: 3_000 }, { stripesAhead: 0 }]) {
    const exchange = client.get("k", more);
    world.clock.advance(5);
    assert.deepEqual(
      exchange.messages.map(({ kind }) => kind),
      ["found"],
    );
  }
});

test("hot get: who says that the whole was bad is answered by a function, and the bytes are read anew", () => {
  const { world, client, body } = read();
  const exchange = again(world, client);
  assert.ok(isHot(exchange));
  const { chunkGets, corruptChunks } = world.proxy.counters;
  const range = { rangeStart: 0, rangeEnd: 3_000, stripesAhead: 1, wantAll: false };
  const known = { knownGeneration: 0, knownVersion: 0, isWholeBad: true };
  const had = exchange.messages.length;
  // On the channel of the first, which is free: for the proxy that GET is over.
  const asked = { kind: "get", key: "k", ...range, ...known, deadlineMs: 30_000 } as const;
  client.send(exchange.channel, asked);
  world.clock.until(() => exchange.messages.slice(had).some(({ kind }) => kind === "data"));
  assert.equal(all(exchange, "whole").length, 1);
  assert.equal(all(exchange, "found").length, 1);
  assert.deepEqual(decoded(exchange, "k"), body);
  assert.equal(world.proxy.counters.corruptChunks, corruptChunks + 1);
  assert.equal(world.proxy.counters.hotBad, 1);
  assert.equal(world.proxy.counters.chunkGets, chunkGets + 1);
  client.send(exchange.channel, { kind: "getDone" });
  world.settle();
  assert.ok(isHot(again(world, client)), "and kept again");
});

test("hot get: a chunk called bad by the very GET that filled the memory is not kept", () => {
  const world = new World();
  const client = world.client();
  const body = bodyOf(3_000);
  put(world, client, "k", body, ALONE);
  world.settle();
  const exchange = client.get("k");
  world.clock.until(() => isDecoded(exchange, "k"));
  assert.equal(world.proxy.status().hot.objects, 1);
  const { index } = first(exchange, "chunk");
  client.send(exchange.channel, { kind: "chunkBad", stripe: 0, index });
  world.clock.until(() => exchange.chunks.size === 2);
  client.send(exchange.channel, { kind: "getDone" });
  world.settle();
  const next = again(world, client);
  assert.notEqual(first(next, "whole").index, index, "what is kept is what came instead");
  assert.deepEqual(decoded(next, "k"), body);
});

test("hot get: an object of several data chunks, a long one, and a proxy that shall keep none read from functions", () => {
  const cases: readonly (readonly [
    WorldWishes,
    number,
    { dataChunks: number; parityChunks: number },
  ])[] = [
    [{}, 3_000, { dataChunks: 2, parityChunks: 1 }],
    [{}, 64 * 1_024 + 1, { dataChunks: 1, parityChunks: 1 }],
    [{ hotBytes: 0 }, 3_000, { dataChunks: 1, parityChunks: 2 }],
    [{ hotBytes: 3_000 }, 3_000, { dataChunks: 1, parityChunks: 2 }],
  ];
  for (const [wishes, bytes, code] of cases) {
    const world = new World(wishes);
    const client = world.client();
    put(world, client, "k", bodyOf(bytes), { code });
    for (let reads = 0; reads < 3; reads++) assert.ok(!isHot(again(world, client)));
    assert.deepEqual(world.proxy.status().hot, { objects: 0, bytes: 0 });
  }
});

test("hot get: lost with its last chunk, the object is a miss from the moment the proxy knows", () => {
  const { world, client, body } = read({ warmUpIntervalMs: 10_000 });
  for (let node = 0; node < 8; node++) world.reclaim(node);
  assert.deepEqual(
    decoded(again(world, client), "k"),
    body,
    "it is current as far as anybody knows",
  );
  world.clock.until(() => world.proxy.counters.instancesLost >= 3, 30_000);
  assert.equal(again(world, client).messages[0]?.kind, "miss");
  assert.equal(world.proxy.status().hot.objects, 0);
});

test("hot get: a client that asks and does not read is answered by functions from a bound on", () => {
  const { world, client } = read({}, 64 * 1_024);
  client.pause();
  const exchanges = Array.from({ length: 400 }, () => client.get("k"));
  world.clock.advance(1);
  const count = exchanges.filter(isHot).length;
  assert.ok(
    count >= 128 && count <= 257,
    `${count} of 64 KiB each for a client that does not read`,
  );
  client.resume();
  world.settle();
  for (const exchange of exchanges) {
    assert.ok(isDecoded(exchange, "k"));
    if (!isHot(exchange)) client.send(exchange.channel, { kind: "getDone" });
  }
  world.settle();
  assert.ok(isHot(again(world, client)));
});
