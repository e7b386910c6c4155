// The function's side of "The link of a function" (docs/protocol/operations.md), steps 1 to 5, as claims:
// who is believed, what a hello says, and which frames are dropped.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { helloProofText, toHex } from "../../../src/core/invocation.ts";
import { chunkOf, World } from "./world.ts";

test("step 1: a payload that is malformed, forged or for another node is refused before dialling", () => {
  const world = new World();
  const refusals: unknown[] = [null, 5, "x", {}, { v: 1 }, { v: 1, mac: "00" }];
  for (const payload of refusals) world.core.invoke(payload, 60_000, (a) => world.answers.push(a));
  world.invoke({ node: 5 });
  assert.equal(world.answers.length, refusals.length + 1);
  for (const answer of world.answers) {
    assert.equal(answer.status, "refused");
    assert.equal(answer.instance, world.core.instance);
  }
  assert.equal(world.connections.length, 0);
});

test("step 1: a lower term is refused, and the live connection stays as it was", () => {
  const world = new World();
  world.start({ term: 5 });
  world.leave();
  world.invoke({ term: 4 });
  assert.deepEqual(
    world.answers.map(({ status }) => status),
    ["served", "superseded"],
  );
  world.start({ term: 5 });
  assert.equal(world.connections.length, 1);
  assert.equal(world.wire.closeReason, null);
});

test("steps 1 and 9: a higher term replaces the connection, even to the same address", () => {
  const world = new World();
  world.start({ term: 5 });
  world.leave();
  world.invoke({ term: 6 });
  assert.equal(world.connections.length, 2);
  assert.notEqual(world.connections[0]?.closeReason, null);
  world.greet();
  // What still comes from the old term's connection reaches nobody.
  const put = { kind: "chunkDrop", chunks: [] } as const;
  world.connections[0]?.deliver({ channel: 1, term: 6, invocation: world.invocation }, put);
  world.clock.advance(20);
  assert.equal(world.wire.all("bye")[0]?.requestsSeen, 0);
});

test("step 1: another proxy address in the same term is dialled anew", () => {
  const world = new World();
  world.start({ proxy: "proxy:1" });
  world.leave();
  world.invoke({ proxy: "proxy:2" });
  assert.equal(world.connections.length, 2);
});

test("step 2: the hello proves the node's key over the challenge and tells what the store holds", () => {
  const world = new World();
  world.invoke();
  assert.equal(world.wire.sent.length, 0, "nothing is said before the challenge");
  world.challenge();
  const hello = world.wire.all("functionHello")[0];
  assert.ok(hello);
  const numbers = { node: 4, term: 3, invocation: 1, generation: 9 };
  const challenge = new Uint8Array(32).fill(1);
  const text = helloProofText(challenge, hello.nonce, hello.instance, numbers);
  assert.deepEqual(Buffer.from(hello.proof), createHmac("sha256", world.key).update(text).digest());
  assert.equal(toHex(hello.instance), world.core.instance);
  assert.equal(hello.isFresh, true);
  assert.equal(hello.chunks, 0);
  assert.deepEqual(world.wire.sent[0]?.envelope, world.envelope());
});

test("step 2: the connection is kept, and each invocation says hello on it with a nonce of its own", () => {
  const world = new World();
  world.start();
  world.leave();
  world.start();
  const hellos = world.wire.all("functionHello");
  assert.equal(world.connections.length, 1);
  assert.equal(hellos.length, 2);
  assert.notDeepEqual(hellos[0]?.nonce, hellos[1]?.nonce);
  assert.equal(hellos[1]?.isFresh, false);
  world.leave();
  assert.deepEqual(
    world.answers.map(({ status }) => status),
    ["served", "served"],
  );
});

test("step 2: a second challenge on a connection closes it", () => {
  const world = new World();
  world.start();
  world.challenge(new Uint8Array(32).fill(2));
  assert.notEqual(world.wire.closeReason, null);
  assert.equal(world.wire.all("functionHello").length, 1);
});

test("step 3: before the proxy's proof nothing is stored, sent or dropped", () => {
  const world = new World();
  const chunk = chunkOf(10);
  world.start();
  world.put(chunk);
  world.leave();
  world.invoke();
  assert.equal(world.wire.all("functionHello").length, 2);
  world.get(chunk);
  world.put(chunkOf(10, 2));
  world.say({ kind: "chunkDrop", chunks: [chunk.id] }, world.nextChannel());
  assert.equal(world.core.store.count, 1);
  assert.equal(world.wire.all("chunkFound").length, 0);
  assert.ok(world.core.counters.unproved >= 3);
});

test("step 3: a forged welcome closes the connection and is counted; nothing is served on it", () => {
  const world = new World();
  world.invoke();
  const forged = world.wire;
  world.challenge();
  world.welcome(new Uint8Array(32).fill(66));
  assert.equal(world.core.counters.forgeries, 1);
  assert.notEqual(forged.closeReason, null);
  world.clock.advance(0);
  assert.equal(world.connections.length, 2);
  world.greet();
  world.put(chunkOf(10));
  assert.equal(world.core.store.count, 1);
  assert.equal(world.wire.all("functionHello")[0]?.redials, 1);
});

test("step 3: a welcome of another generation is no proof", () => {
  const world = new World();
  world.invoke();
  world.challenge();
  world.generation = 8;
  world.welcome();
  assert.equal(world.core.counters.forgeries, 1);
});

test("step 3: a welcome that was recorded in an earlier invocation is no proof", () => {
  const world = new World();
  world.invoke();
  world.challenge();
  const hello = world.wire.all("functionHello")[0];
  assert.ok(hello);
  world.welcome();
  world.leave();
  world.invoke();
  const [first] = world.wire.all("functionHello");
  assert.ok(first);
  // The proof over the first hello's nonce, sent in the second invocation.
  world.wire.sent.push({ envelope: world.envelope(), message: first, body: null, onSent: null });
  world.welcome();
  assert.equal(world.core.counters.forgeries, 1);
});

test("step 4: another generation empties the store before the hello", () => {
  const world = new World();
  world.start();
  world.put(chunkOf(1_000));
  assert.equal(world.core.store.count, 1);
  world.leave();
  world.start({ generation: 10, term: 4 });
  const hello = world.wire.all("functionHello").at(-1);
  assert.equal(hello?.chunks, 0);
  assert.equal(hello?.storeDigestLow, 0);
  assert.equal(hello?.storeDigestHigh, 0);
  assert.equal(hello?.usedBytes, 0);
});

test("step 5: frames of another term or invocation are dropped and counted", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(10);
  const put = { kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 10 } as const;
  const part = { kind: "data", stripe: 0, index: 0, attempt: 0, offset: 0 } as const;
  for (const envelope of [
    { channel: 1, term: 3, invocation: 0 },
    { channel: 1, term: 2, invocation: 1 },
    { channel: 1, term: 4, invocation: 1 },
  ]) {
    world.wire.deliver(envelope, put);
    assert.equal(world.wire.deliver(envelope, part, chunk.bytes), false);
  }
  assert.equal(world.core.counters.staleFrames, 6);
  assert.equal(world.core.store.count, 0);
  assert.equal(world.wire.all("chunkStored").length, 0);
});

test("step 5: when an invocation ends, so do its exchanges: late parts find no place", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(2_000);
  const channel = world.nextChannel();
  const put = { kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 2_000 } as const;
  world.say(put, channel);
  world.part(channel, chunk, 0, 1_000);
  world.clock.advance(9_000);
  world.part(channel, chunk, 1_000, 500);
  world.clock.advance(9_000);
  const late = world.envelope(channel);
  world.start();
  const message = { kind: "data", stripe: 0, index: 0, attempt: 0, offset: 1_500 } as const;
  assert.equal(world.wire.deliver(late, message, chunk.bytes.slice(1_500)), false);
  assert.equal(world.core.store.count, 0);
  assert.equal(world.core.store.usedBytes, 0);
});
