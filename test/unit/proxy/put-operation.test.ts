// Claims about PUT and repair through a whole proxy core, with runtime cores as its functions.
// The client is by hand: a test says when it sends, dies or sends again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { all, bodyOf, chunkOf, decoded, digestOf, first } from "./client.ts";
import { dropAll, get, isDecoded, nodesWithChunk, put, stored } from "./steps.ts";
import { World } from "./world.ts";

test("put, then get: the same bytes, through sleeping functions", () => {
  const world = new World();
  const client = world.client();
  const body = bodyOf(3_000);
  assert.equal(first(put(world, client, "k", body), "putDone").outcome, "stored");
  world.settle();
  assert.deepEqual(decoded(get(world, client, "k"), "k"), body);
  assert.equal(world.proxy.status().counters.hits, 1);
});

test("put: every code of the paper's kind comes back whole, also objects of 0 and 1 bytes", () => {
  const world = new World();
  const client = world.client();
  const codes = [
    { dataChunks: 1, parityChunks: 0 },
    { dataChunks: 1, parityChunks: 1 },
    { dataChunks: 3, parityChunks: 0 },
    { dataChunks: 4, parityChunks: 1 },
  ];
  for (const code of codes) {
    for (const length of [0, 1, 63, 64, 65, 1_000]) {
      const key = `${code.dataChunks}+${code.parityChunks}/${length}`;
      const body = bodyOf(length, length);
      assert.equal(first(put(world, client, key, body, { code }), "putDone").outcome, "stored");
      assert.deepEqual(decoded(get(world, client, key), key), body, key);
    }
  }
});

test("put: the stripes of an object share no node where there are enough, and lie evenly where not", () => {
  for (const nodes of [12, 6]) {
    const world = new World({ nodes });
    const client = world.client();
    const exchange = client.openPut("k", { code: { dataChunks: 3, parityChunks: 1 } });
    world.clock.until(() => exchange.messages.length > 0);
    for (let stripe = 0; stripe < 3; stripe++)
      client.send(exchange.channel, { kind: "putStripe", stripe, bytes: 300 });
    world.clock.advance(5);
    const { rows } = world.proxy.status().nodes;
    assert.deepEqual(new Set(rows.map(({ chunks }) => chunks)), new Set([12 / nodes]));
    world.settle();
  }
});

test("put: what one stripe holds goes to nodes that are awake; wide, the first of several goes anywhere, however short", () => {
  for (const [bytes, isAwake] of [
    [600, true],
    [1_800, false],
  ] as const) {
    const world = new World({ nodes: 12, lingerMs: 10_000 });
    const client = world.client();
    const code = { dataChunks: 3, parityChunks: 1 };
    put(world, client, "before", bodyOf(600), { code });
    const rows = () => world.proxy.status().nodes.rows;
    const awake = rows().flatMap(({ chunks, node }) => (chunks > 0 ? [node] : []));
    assert.equal(awake.length, 4);
    const exchange = client.openPut("k", { code, bytes });
    world.clock.until(() => exchange.messages.length > 0);
    client.send(exchange.channel, { kind: "putStripe", stripe: 0, bytes: 600 });
    world.clock.advance(5);
    const both = rows().flatMap(({ chunks, node }) => (chunks > 1 ? [node] : []));
    assert.equal(both.length === awake.length, isAwake);
  }
});

test("put: narrow, the stripes of an object lie on the nodes of the first one, until those are fuller than others", () => {
  const world = new World({ nodes: 12, spread: "narrow", budgetBytes: 160_000 });
  const client = world.client();
  const exchange = client.openPut("k", { code: { dataChunks: 3, parityChunks: 1 } });
  world.clock.until(() => exchange.messages.length > 0);
  const chunksByNode = (stripe: number): number[] => {
    client.send(exchange.channel, { kind: "putStripe", stripe, bytes: 45_000 });
    world.clock.advance(5);
    return world.proxy
      .status()
      .nodes.rows.map(({ chunks }) => chunks)
      .filter((chunks) => chunks > 0);
  };
  for (let stripe = 0; stripe < 3; stripe++)
    assert.deepEqual(
      chunksByNode(stripe),
      Array.from({ length: 4 }, () => stripe + 1),
    );
  // A quarter of a node is 40,000 bytes, and three chunks cost more.
  assert.ok(chunksByNode(3).length > 4);
  world.settle();
});

test("put: narrow, a new version lies where the one before did, and takes no other node though its own are fuller", () => {
  const world = new World({ nodes: 12, spread: "narrow", budgetBytes: 160_000 });
  const client = world.client();
  const code = { dataChunks: 3, parityChunks: 1 };
  const nodes = (): number[] =>
    world.proxy.status().nodes.rows.flatMap(({ chunks, node }) => (chunks > 0 ? [node] : []));
  put(world, client, "k", bodyOf(180_000, 1), { code });
  world.settle();
  const before = nodes();
  assert.equal(before.length, 4);
  for (let version = 2; version < 6; version++) {
    const body = bodyOf(180_000, version);
    put(world, client, "k", body, { code });
    world.settle();
    assert.deepEqual(nodes(), before);
    assert.deepEqual(decoded(get(world, client, "k"), "k"), body);
  }
});

test("put: the retry of a PUT or DELETE with the same sequence is answered with its outcome, once done", () => {
  const world = new World();
  const client = world.client();
  const { version } = first(put(world, client, "k", bodyOf(100), { sequence: 5 }), "putDone");
  const again = world.client();
  assert.equal(
    first(put(world, again, "k", bodyOf(100), { sequence: 5 }), "putDone").version,
    version,
  );
  const gone = [again.remove("k", 6), again.remove("k", 6)];
  world.clock.advance(1);
  assert.deepEqual(
    gone.map((each) => first(each, "removed").existed),
    [true, true],
  );
  assert.equal(world.proxy.counters.removes, 1);
  const stranger = world.client(9);
  assert.notEqual(
    first(put(world, stranger, "k", bodyOf(9), { sequence: 5 }), "putDone").version,
    version,
  );
});

test("put: ifAbsent finds what is there at its beginning, and what came meanwhile at its end", () => {
  const { world, client, body } = stored();
  assert.equal(
    first(put(world, client, "k", bodyOf(9), { ifAbsent: true }), "putDone").outcome,
    "exists",
  );
  const late = client.openPut("new", { ifAbsent: true });
  world.clock.until(() => late.messages.length > 0);
  put(world, client, "new", body);
  client.sendBody(late, "new", bodyOf(50, 3));
  world.clock.until(() => late.messages.some(({ kind }) => kind === "putDone"));
  assert.equal(first(late, "putDone").outcome, "exists");
  assert.deepEqual(decoded(get(world, client, "new"), "new"), body);
  world.clock.advance(5_000);
  assert.equal(world.image.objects.size, 2);
});

test("put: a client that dies midway leaves the old version, and nothing of the new one", () => {
  const { world, client, body } = stored();
  const before = world.proxy.status().chunkBytes;
  const dying = world.client(2);
  const exchange = dying.openPut("k");
  world.clock.until(() => exchange.messages.length > 0);
  dying.send(exchange.channel, { kind: "putStripe", stripe: 0, bytes: 500 });
  for (const index of [0, 1, 2]) dying.sendChunk(exchange, "k", bodyOf(500), index);
  world.clock.advance(20);
  dying.connection.close("died");
  world.settle();
  assert.equal(world.proxy.status().chunkBytes, before);
  assert.deepEqual(decoded(get(world, client, "k"), "k"), body);
  for (let node = 0; node < 8; node++) world.proxy.greetAll(() => {});
  put(world, client, "other", bodyOf(10));
  assert.equal(world.proxy.operationsUnderWay, 0);
});

test("put: a function that is full refuses, and the chunk is asked for again", () => {
  const world = new World({ budgetBytes: 20_000, nodes: 3 });
  const client = world.client();
  put(world, client, "a", bodyOf(8_000, 1));
  put(world, client, "b", bodyOf(8_000, 2));
  // What the functions hold beyond what the proxy knows of: it was counted as free.
  const core = world.instances(0)[0]!;
  assert.ok(core.store.usedBytes > 0);
  for (let bytes = 8_000; bytes > 0; bytes -= 100) core.store.reserve(bytes);
  const exchange = client.openPut("c");
  world.clock.until(() => exchange.messages.length > 0);
  client.sendBody(exchange, "c", bodyOf(4_000, 3));
  world.clock.until(
    () =>
      all(exchange, "resend").length > 0 ||
      exchange.messages.some(({ kind }) => kind === "putDone" || kind === "failed"),
    20_000,
  );
  // Three nodes and three chunks: no other node can take it, and p = 1 needs all d + 1.
  const end = exchange.messages.at(-1)!;
  assert.ok(end.kind === "failed" && end.code === "ICACHE_UNREACHABLE", JSON.stringify(end));
  assert.deepEqual(decoded(get(world, client, "b"), "b"), bodyOf(8_000, 2));
});

test("put: when there is no room whole objects are evicted; pinned ones never", () => {
  const world = new World({ budgetBytes: 20_000, nodes: 3 });
  const client = world.client();
  for (let at = 0; at < 12; at++) {
    const outcome = put(world, client, `k${at}`, bodyOf(8_000, at)).messages.at(-1);
    assert.equal(outcome?.kind, "putDone", JSON.stringify(outcome));
  }
  assert.ok(world.proxy.counters.evictions > 0);
  const reading = client.get("k11", { stripesAhead: 0 });
  world.clock.until(() => reading.messages.length > 0);
  for (let at = 12; at < 20; at++) put(world, client, `k${at}`, bodyOf(8_000, at));
  client.send(reading.channel, { kind: "getStripe", stripe: 0 });
  world.clock.until(() => isDecoded(reading, "k11"));
  assert.deepEqual(decoded(reading, "k11"), bodyOf(8_000, 11));
});

test("put: an object that can never fit is refused before anything is evicted for it", () => {
  const world = new World();
  const client = world.client();
  put(world, client, "kept", bodyOf(1_000));
  const { capacityBytes } = world.proxy.status();
  const tooLarge = client.openPut("huge", { bytes: capacityBytes });
  world.clock.advance(1);
  assert.equal(first(tooLarge, "failed").code, "ICACHE_TOO_LARGE");
  assert.equal(world.proxy.counters.evictions, 0);
  assert.deepEqual(decoded(get(world, client, "kept"), "kept"), bodyOf(1_000));
});

test("put: time to live ends reads at its time; the longest one is for ever", () => {
  const world = new World();
  const client = world.client();
  put(world, client, "short", bodyOf(10), { ttlMs: 1_000 });
  put(world, client, "long", bodyOf(10), { ttlMs: Number.MAX_SAFE_INTEGER });
  world.wallMs += 999;
  assert.deepEqual(decoded(get(world, client, "short"), "short"), bodyOf(10));
  world.wallMs += 1;
  assert.equal(first(get(world, client, "short"), "miss").reason, "expired");
  assert.equal(first(get(world, client, "long"), "found").expiresAtMs, Number.MAX_SAFE_INTEGER);
});

test("repair: a re-created chunk is stored once, on a node without a chunk of the stripe, durably", () => {
  const { world, client, body } = stored();
  dropAll(world, nodesWithChunk(world, 0)[0]!);
  const { version } = first(get(world, client, "k"), "found");
  world.settle();
  const others = new Set([1, 2].flatMap((index) => nodesWithChunk(world, index)));
  const content = chunkOf(body, 0, 2);
  const offer = {
    key: "k",
    version,
    stripe: 0,
    index: 0,
    bytes: content.length,
    ...digestOf("k", version, 0, content),
  };
  const repairs = [
    client.open({ kind: "repair", ...offer }),
    client.open({ kind: "repair", ...offer }),
  ];
  for (const { channel } of repairs)
    client.send(channel, { kind: "data", stripe: 0, index: 0, attempt: 0, offset: 0 }, content);
  world.clock.until(() => repairs.every((exchange) => exchange.messages.length > 0));
  assert.deepEqual(
    repairs.map((exchange) => first(exchange, "repaired").outcome),
    ["stored", "obsolete"],
  );
  const [node] = nodesWithChunk(world, 0);
  assert.ok(node !== undefined && !others.has(node));
  assert.equal(world.image.objects.get("k")?.places[0]?.node, node);
  const stale = client.open({ kind: "repair", ...offer, version: version - 1 });
  world.clock.advance(5);
  assert.equal(first(stale, "repaired").outcome, "obsolete");
  world.settle();
  assert.equal(all(get(world, client, "k"), "erasures").length, 0);
});

test("restart: the retry of a PUT, DELETE or CLEAR that took effect is answered with its outcome, and nothing is done twice", () => {
  const world = new World();
  const client = world.client(5);
  put(world, client, "other", bodyOf(10));
  const stored = first(put(world, client, "k", bodyOf(900, 1), { sequence: 100 }), "putDone");
  put(world, client, "gone", bodyOf(10), { sequence: 101 });
  client.open({ kind: "remove", key: "gone", sequence: 102 });
  client.open({ kind: "remove", key: "never there", sequence: 103 });
  client.open({ kind: "clear", prefix: "oth", sequence: 104 });
  world.clock.advance(5);
  world.restart();
  const other = world.client(6);
  put(world, other, "k", bodyOf(900, 2));
  put(world, other, "gone", bodyOf(900, 3));
  put(world, other, "other", bodyOf(900, 4));

  const again = world.client(5);
  const retried = again.openPut("k", { sequence: 100 });
  const removed = again.open({ kind: "remove", key: "gone", sequence: 102 });
  const absent = again.open({ kind: "remove", key: "never there", sequence: 103 });
  const cleared = again.open({ kind: "clear", prefix: "oth", sequence: 104 });
  world.clock.advance(5);
  assert.deepEqual(first(retried, "putDone"), stored);
  assert.equal(first(removed, "removed").existed, true);
  assert.equal(first(absent, "removed").existed, false);
  assert.equal(first(cleared, "cleared").count, 1);
  for (const [key, seed] of [
    ["k", 2],
    ["gone", 3],
    ["other", 4],
  ] as const)
    assert.deepEqual(decoded(get(world, other, key), key), bodyOf(900, seed), key);
});

test("restart: a PUT that had not taken effect is done anew", () => {
  const world = new World();
  const client = world.client(5);
  const cut = client.openPut("k", { sequence: 1 });
  world.clock.until(() => cut.messages.length > 0);
  world.restart();
  const again = world.client(5);
  const retried = put(world, again, "k", bodyOf(700, 8), { sequence: 1 });
  assert.equal(first(retried, "putDone").outcome, "stored");
  assert.deepEqual(decoded(get(world, again, "k"), "k"), bodyOf(700, 8));
});
