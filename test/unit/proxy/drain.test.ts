// Claims about the end of a proxy that is told to stop: what is under way ends, nothing new begins, functions go to sleep,
// and the next proxy finds everything.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, decoded, first } from "./client.ts";
import { get, isDecoded, put } from "./steps.ts";
import { World } from "./world.ts";

test("drain: a PUT and a GET under way end, later requests are left to the next proxy, and then the connection closes", () => {
  const world = new World();
  const client = world.client();
  put(world, client, "k", bodyOf(3_000, 1));
  const putting = client.openPut("new");
  const reading = client.get("k");
  world.clock.until(() => putting.messages.length > 0);
  world.proxy.drain();
  const late = client.get("k");
  const idle = world.client(2);
  world.clock.advance(5);
  assert.equal(idle.closeReason !== null, true, "whoever has nothing under way is let go at once");
  client.sendBody(putting, "new", bodyOf(3_000, 2));
  world.clock.until(() => isDecoded(reading, "k"));
  client.send(reading.channel, { kind: "getDone" });
  world.clock.until(() => client.closeReason !== null);
  assert.equal(first(putting, "putDone").outcome, "stored");
  assert.deepEqual(late.messages, []);
  world.clock.until(() => world.proxy.isDrained, 100);
  const { invokes } = world;
  world.restart();
  const next = world.client();
  assert.deepEqual(decoded(get(world, next, "k"), "k"), bodyOf(3_000, 1));
  assert.deepEqual(decoded(get(world, next, "new"), "new"), bodyOf(3_000, 2));
  assert.ok(world.invokes > invokes);
});

test("drain: a backup under way lets both instances go, and nobody is invoked any more", () => {
  const world = new World({ nodes: 3, backupIntervalMs: 10_000 });
  const client = world.client();
  for (let index = 0; index < 10; index++) put(world, client, `k${index}`, bodyOf(3_000, index));
  world.clock.untilEvent(() => (world.instances(0)[1]?.store.count ?? 0) > 0, 20_000);
  world.proxy.drain();
  const { invokes } = world;
  world.clock.until(() => world.proxy.isDrained, 500);
  world.clock.advance(300_000);
  assert.equal(world.invokes, invokes);
});

test("drain: without anything under way it is done when the functions have returned", () => {
  const world = new World();
  const client = world.client();
  put(world, client, "k", bodyOf(3_000, 1));
  assert.equal(world.proxy.isDrained, false, "they linger");
  world.proxy.drain();
  world.clock.until(() => world.proxy.isDrained, 50);
});
