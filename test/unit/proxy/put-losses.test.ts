// Claims about PUTs whose functions die under them, or are late: through a whole proxy core with runtime cores as functions.
// The client is by hand: a test says when it sends, dies or sends again.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "../../../src/wire/messages.ts";
import { all, bodyOf, chunkOf, decoded, digestOf, first } from "./client.ts";
import { countStates, get, nodesWithChunk, put } from "./steps.ts";
import { World } from "./world.ts";

test("put: a chunk whose node crashes is asked for again and stored elsewhere", () => {
  const world = new World();
  const client = world.client();
  const body = bodyOf(900);
  const exchange = client.openPut("k");
  world.clock.until(() => exchange.messages.length > 0);
  client.send(exchange.channel, { kind: "putStripe", stripe: 0, bytes: body.length });
  world.clock.until(() => countStates(world, "awake") === 3);
  client.sendChunk(exchange, "k", body, 0);
  const { version } = first(exchange, "putOpened");
  const content = chunkOf(body, 1, 2);
  const announced = { stripe: 0, index: 1, attempt: 0, bytes: content.length };
  client.send(exchange.channel, {
    kind: "putChunk",
    ...announced,
    ...digestOf("k", version, 1, content),
  });
  const isAsked = (sent: { message: Message }): boolean =>
    sent.message.kind === "chunkPut" && sent.message.index === 1;
  world.clock.until(() => world.toFunctions.some(isAsked));
  world.reclaim(world.toFunctions.find(isAsked)!.node);
  world.clock.until(() => all(exchange, "resend").length > 0);
  const { index, attempt } = first(exchange, "resend");
  assert.deepEqual({ index, attempt }, { index: 1, attempt: 1 });
  client.sendChunk(exchange, "k", body, 1, 1);
  client.sendChunk(exchange, "k", body, 2);
  const layout = { stripeCount: 1, stripeBytes: 900, lastStripeBytes: 900, bytes: 900 };
  client.send(exchange.channel, { kind: "putCommit", ...layout });
  world.clock.until(() => exchange.messages.some(({ kind }) => kind === "putDone"), 20_000);
  world.settle();
  assert.deepEqual(decoded(get(world, client, "k"), "k"), body);
});

test("put: a chunk that was confirmed and then lost is asked for again while its stripe is under way", () => {
  const world = new World();
  const client = world.client();
  const body = bodyOf(900);
  const exchange = client.openPut("k");
  world.clock.until(() => exchange.messages.length > 0);
  client.send(exchange.channel, { kind: "putStripe", stripe: 0, bytes: body.length });
  for (const index of [0, 1]) client.sendChunk(exchange, "k", body, index);
  world.clock.until(() => world.chunksHeld === 2);
  // Their functions are still awake, so that the proxy hears of their end.
  world.clock.advance(5);
  for (const index of [0, 1]) for (const node of nodesWithChunk(world, index)) world.reclaim(node);
  world.clock.until(() => all(exchange, "resend").length === 2);
  for (const { index, attempt } of all(exchange, "resend"))
    client.sendChunk(exchange, "k", body, index, attempt);
  client.sendChunk(exchange, "k", body, 2);
  const layout = { stripeCount: 1, stripeBytes: 900, lastStripeBytes: 900, bytes: 900 };
  client.send(exchange.channel, { kind: "putCommit", ...layout });
  const isOver = (): boolean =>
    exchange.messages.some(({ kind }) => kind === "putDone" || kind === "failed");
  world.clock.until(isOver, 20_000);
  assert.equal(first(exchange, "putDone").outcome, "stored");
  world.settle();
  assert.deepEqual(decoded(get(world, client, "k"), "k"), body);
});

test("put: in a pool no larger than the code it waits for cold starts of ten seconds", () => {
  const world = new World({ nodes: 3 });
  world.coldStartMs = 10_000;
  const client = world.client();
  const body = bodyOf(3_000);
  assert.equal(first(put(world, client, "k", body), "putDone").outcome, "stored");
  assert.ok(world.clock.now() < 11_000, `${world.clock.now()} ms`);
  assert.equal(world.proxy.counters.resends, 0);
});

test("put: in a pool no larger than the code a chunk that is interrupted again and again stays with its node", () => {
  const world = new World({ nodes: 3 });
  const client = world.client();
  const body = bodyOf(900);
  const exchange = client.openPut("k");
  world.clock.until(() => exchange.messages.length > 0);
  client.send(exchange.channel, { kind: "putStripe", stripe: 0, bytes: body.length });
  const { version } = first(exchange, "putOpened");
  const content = chunkOf(body, 1, 2);
  const askedOf = () => world.toFunctions.filter(({ message }) => message.kind === "chunkPut");
  for (let attempt = 0; attempt < 4; attempt++) {
    const announced = { stripe: 0, index: 1, attempt, bytes: content.length };
    client.send(exchange.channel, {
      kind: "putChunk",
      ...announced,
      ...digestOf("k", version, 1, content),
    });
    world.clock.until(() => askedOf().length === attempt + 1);
    world.reclaim(askedOf()[attempt]!.node);
    world.clock.until(() => all(exchange, "resend").length === attempt + 1);
  }
  assert.equal(new Set(askedOf().map(({ node }) => node)).size, 1);
  for (const [index, attempt] of [0, 4, 0].entries())
    client.sendChunk(exchange, "k", body, index, attempt);
  client.commit(exchange, 900);
  world.clock.until(() => exchange.messages.some(({ kind }) => kind === "putDone"), 20_000);
  world.settle();
  assert.deepEqual(decoded(get(world, client, "k"), "k"), body);
});
