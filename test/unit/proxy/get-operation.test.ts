// Claims about GET and DELETE, and about restarts, through a whole proxy core with runtime cores as functions.
// The client is by hand: a test says when it reads, cancels or calls a chunk bad.

import assert from "node:assert/strict";
import { test } from "node:test";
import { UNREACHABLE_MS_MAX } from "../../../src/runtime/session.ts";
import { all, bodyOf, chunkOf, decoded, first } from "./client.ts";
import { dropAll, get, isDecoded, isOver, nodesWithChunk, put, stored } from "./steps.ts";
import { World } from "./world.ts";

test("get: a chunk that its function no longer has is told as an erasure, and parity comes instead", () => {
  const { world, client, body } = stored();
  const [node] = nodesWithChunk(world, 0);
  dropAll(world, node!);
  const exchange = get(world, client, "k");
  assert.deepEqual(all(exchange, "erasures").at(-1)?.indexes, [0]);
  assert.deepEqual(decoded(exchange, "k"), body);
  world.settle();
  const again = get(world, client, "k");
  assert.deepEqual(decoded(again, "k"), body);
  assert.equal(all(again, "chunk").length, 2, "the missing one is not asked for again");
});

test("get: what is known of a small object comes right before its chunks while its functions are awake, else at once", () => {
  const { world, client, body } = stored();
  const untilDecoded = (exchange: ReturnType<typeof client.get>): void =>
    world.clock.until(() => isDecoded(exchange, "k"));
  const throttle = {
    kind: "notStarted",
    reason: "429",
    isThrottle: true,
    retryAfterMs: null,
  } as const;
  for (let node = 0; node < 8; node++) world.refusals.set(node, [throttle]);
  const asleep = client.get("k");
  world.clock.until(() => asleep.messages.length > 0);
  const kindsOf = ({ messages }: typeof asleep) => messages.map(({ kind }) => kind);
  assert.deepEqual(kindsOf(asleep), ["found"], "no function answers yet");
  untilDecoded(asleep);
  const awake = client.get("k");
  untilDecoded(awake);
  assert.deepEqual(kindsOf(awake).slice(0, 2), ["found", "chunk"]);
  assert.deepEqual(decoded(awake, "k"), body);
});

test("get: who has the current version is told so, wakes nobody, and pins nothing; any other is sent in full", () => {
  const { world, client, body } = stored();
  const { version, generation } = first(get(world, client, "k"), "found");
  world.settle();
  const { gets, hits, chunkGets } = world.proxy.counters;
  const invocations = (): number => world.proxy.status().cost.total.invocations;
  const before = invocations();
  const known = { knownGeneration: generation, knownVersion: version };
  for (const more of [{}, { rangeStart: 5, rangeEnd: 9, wantAll: true }]) {
    const exchange = client.get("k", { ...more, ...known });
    world.clock.advance(50);
    assert.deepEqual(exchange.messages, [{ kind: "unchanged", version }]);
  }
  world.settle();
  assert.equal(invocations(), before);
  assert.equal(world.proxy.counters.chunkGets, chunkGets);
  assert.equal(world.proxy.counters.gets, gets + 2);
  assert.equal(world.proxy.counters.hits, hits + 2);
  assert.equal(world.proxy.counters.hitsUnchanged, 2);
  for (const other of [
    { knownVersion: version + 1 },
    { knownVersion: 0 },
    { knownGeneration: generation + 1 },
  ]) {
    const exchange = get(world, client, "k", { ...known, ...other });
    assert.deepEqual(decoded(exchange, "k"), body);
  }
  client.remove("k");
  world.clock.advance(50);
  assert.equal(world.proxy.status().chunkBytes, 0, "nothing is pinned any more");
  const gone = get(world, client, "k", known);
  assert.equal(first(gone, "miss").reason, "absent");
});

test("get: a hedge that is late as well is hedged, until all chunks were asked for", () => {
  const world = new World();
  const client = world.client();
  const body = bodyOf(3_000);
  put(world, client, "k", body, { code: { dataChunks: 1, parityChunks: 2 } });
  world.settle();
  for (const { node } of world.image.objects.get("k")!.places.slice(0, 2)) world.silent.add(node);
  const exchange = client.get("k");
  world.clock.until(() => isDecoded(exchange, "k"), 700);
  assert.deepEqual(decoded(exchange, "k"), body);
  assert.equal(world.proxy.counters.hedges, 2);
});

test("get: a node that said nothing in time is asked last, until it is heard of again", () => {
  const { world, client, body } = stored();
  const [silent] = nodesWithChunk(world, 0);
  world.silent.add(silent!);
  const exchange = client.get("k");
  world.clock.until(() => isDecoded(exchange, "k"), 2_000);
  client.send(exchange.channel, { kind: "getDone" });
  const asked = (): number =>
    world.toFunctions.filter(({ node, message }) => node === silent && message.kind === "chunkGet")
      .length;
  const [before, { hedges }] = [asked(), { ...world.proxy.counters }];
  assert.deepEqual(decoded(get(world, client, "k"), "k"), body);
  assert.deepEqual([asked(), world.proxy.counters.hedges], [before, hedges]);
  world.silent.clear();
  world.clock.advance(10_000);
  assert.deepEqual(decoded(get(world, client, "k"), "k"), body);
  assert.equal(asked(), before + 1);
});

test("get: with fewer than d chunks proven to exist it is a lost miss, and the key is forgotten", () => {
  const { world, client } = stored();
  for (const index of [0, 1]) for (const node of nodesWithChunk(world, index)) dropAll(world, node);
  assert.equal(first(get(world, client, "k"), "miss").reason, "lost");
  assert.equal(first(get(world, client, "k"), "miss").reason, "absent");
  assert.equal(world.image.objects.size, 0, "durably");
});

test("get: with fewer than d chunks within reach it is an unreachable miss, and nothing is forgotten", () => {
  const { world, client, body } = stored();
  const throttle = {
    kind: "notStarted",
    reason: "429",
    isThrottle: true,
    retryAfterMs: null,
  } as const;
  for (let node = 0; node < 8; node++)
    world.refusals.set(
      node,
      Array.from({ length: 8 }, () => throttle),
    );
  assert.equal(first(get(world, client, "k"), "miss").reason, "unreachable");
  world.refusals.clear();
  world.clock.advance(6_000);
  assert.deepEqual(decoded(get(world, client, "k"), "k"), body);
});

test("get: a crash of one function under way is survived, and its store counts as lost", () => {
  const { world, client, body } = stored();
  const [node] = nodesWithChunk(world, 1);
  const exchange = client.get("k");
  world.clock.until(() =>
    world.toFunctions.some((sent) => sent.node === node && sent.message.kind === "chunkGet"),
  );
  world.reclaim(node!);
  world.clock.until(() => isDecoded(exchange, "k"));
  assert.deepEqual(decoded(exchange, "k"), body);
  assert.equal(world.proxy.counters.instancesLost, 1);
});

test("get: a corrupt chunk is replaced, and destroyed only by its function's own check", () => {
  const { world, client, body } = stored();
  const exchange = client.get("k");
  world.clock.until(() => isDecoded(exchange, "k"));
  client.send(exchange.channel, { kind: "chunkBad", stripe: 0, index: 0 });
  world.clock.until(() => exchange.chunks.has(2));
  world.settle();
  assert.equal(world.chunksHeld, 3, "the function found nothing wrong with it");
  assert.equal(world.proxy.counters.corruptChunks, 1);
  client.send(exchange.channel, { kind: "getDone" });
  assert.deepEqual(decoded(get(world, client, "k"), "k"), body);
});

test("get: more chunks damaged on the way than parity can replace are read anew, once; then it is no loss", () => {
  const { world, client, body } = stored();
  const exchange = client.get("k");
  world.clock.until(() => isDecoded(exchange, "k"));
  const bad = (index: number) =>
    client.send(exchange.channel, { kind: "chunkBad", stripe: 0, index });
  const attemptsOf = (index: number) =>
    all(exchange, "chunk").filter((each) => each.index === index).length;
  bad(0);
  bad(1);
  world.clock.until(() => attemptsOf(2) === 1 && attemptsOf(0) + attemptsOf(1) === 3);
  world.settle();
  assert.equal(all(exchange, "miss").length, 0);
  for (const index of [2, 0, 1, 2, 0, 1]) {
    bad(index);
    world.settle();
  }
  assert.equal(first(exchange, "miss").reason, "unreachable");
  assert.equal(world.chunksHeld, 3);
  assert.deepEqual(decoded(get(world, client, "k"), "k"), body, "nothing was forgotten");
});

test("get: a chunk that was cancelled midway and is wanted after all begins anew as the next attempt", () => {
  const world = new World();
  const client = world.client();
  const body = bodyOf(6_000);
  put(world, client, "k", body);
  world.settle();
  const [slow] = nodesWithChunk(world, 0);
  world.stallAfterFound.add(slow!);
  const exchange = client.get("k", { wantAll: true });
  world.clock.until(() => isDecoded(exchange, "k") && exchange.chunks.size === 3);
  world.stallAfterFound.clear();
  assert.equal(exchange.chunks.get(0)?.bytes.length, 0, "it was announced, and nothing of it came");
  client.send(exchange.channel, { kind: "chunkBad", stripe: 0, index: 1 });
  world.settle();
  const attempts = all(exchange, "chunk").filter(({ index }) => index === 0);
  assert.deepEqual(
    attempts.map(({ attempt }) => attempt),
    [0, 1],
  );
  assert.deepEqual(Uint8Array.from(exchange.chunks.get(0)!.bytes), chunkOf(body, 0, 2));
});

test("get: concurrent GETs of an object share the transfers of its chunks", () => {
  const { world, client, body } = stored();
  const other = world.client(2);
  const exchanges = [client.get("k"), other.get("k"), client.get("k")];
  world.clock.until(() => exchanges.every((exchange) => isOver(exchange, "k")));
  for (const exchange of exchanges) assert.deepEqual(decoded(exchange, "k"), body);
  assert.equal(world.toFunctions.filter(({ message }) => message.kind === "chunkGet").length, 2);
  assert.equal(world.proxy.counters.coalesced, 4);
});

test("remove: a GET under way goes on reading the version it has pinned; then its chunks go", () => {
  const { world, client, body } = stored();
  const exchange = client.get("k", { stripesAhead: 0 });
  world.clock.until(() => exchange.messages.length > 0);
  const removal = client.remove("k");
  world.clock.until(() => removal.messages.length > 0);
  assert.equal(first(removal, "removed").existed, true);
  assert.equal(first(get(world, client, "k"), "miss").reason, "absent");
  client.send(exchange.channel, { kind: "getStripe", stripe: 0 });
  world.clock.until(() => isDecoded(exchange, "k"));
  assert.deepEqual(decoded(exchange, "k"), body);
  assert.equal(world.proxy.status().chunkBytes > 0, true, "pinned chunks count");
  client.send(exchange.channel, { kind: "getDone" });
  world.clock.advance(5);
  assert.equal(world.proxy.status().chunkBytes, 0);
});

test("restart: the table is loaded, served, and agrees with what the functions hold", () => {
  const { world, client, body } = stored();
  put(world, client, "gone", bodyOf(10));
  const removal = client.remove("gone");
  world.clock.until(() => removal.messages.length > 0);
  const next = new World({ image: world.image });
  const reader = next.client();
  assert.equal(next.proxy.term, 2);
  assert.equal(first(get(next, reader, "gone"), "miss").reason, "absent");
  const exchange = reader.get("k", { stripesAhead: 0 });
  next.clock.until(() => exchange.messages.length > 0);
  assert.equal(first(exchange, "found").bytes, body.length);
});

test("restart: an object outside a pool made smaller does not come back with a larger one", () => {
  const { world } = stored();
  new World({ image: world.image, nodes: 3 });
  assert.equal(world.image.objects.size, 0);
});

test("restart: nothing is invoked before what the last proxy had invoked must have returned; all are greeted after", () => {
  const { world } = stored();
  const next = new World({ image: world.image });
  let areGreeted = false;
  next.proxy.greetAll(() => {
    areGreeted = true;
  });
  next.clock.advance(UNREACHABLE_MS_MAX + 100);
  assert.equal(next.invokes, 0);
  next.clock.until(() => areGreeted);
  assert.ok(next.invokes >= 8);
});

test("get: what a function may send at once is less where less may be on its way through the proxy", () => {
  const firstCredits = (wishes: ConstructorParameters<typeof World>[0]): number[] => {
    const world = new World(wishes);
    const client = world.client();
    const body = bodyOf(400_000);
    put(world, client, "k", body);
    world.settle();
    assert.deepEqual(decoded(get(world, client, "k"), "k"), body);
    return world.toFunctions.flatMap(({ message }) =>
      message.kind === "chunkGet" ? [message.credit] : [],
    );
  };
  assert.deepEqual(firstCredits({}), [200_000, 200_000]);
  assert.deepEqual(firstCredits({ transferBytes: 100_000 }), [65_536, 65_536]);
});
