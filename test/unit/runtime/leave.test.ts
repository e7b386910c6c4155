// The function's side of "The link of a function" (docs/protocol/operations.md), steps 6 to 9, as claims:
// when an instance leaves, and what it does when its connection or its proxy does not answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chunkOf, World } from "./world.ts";

test("step 6: an idle instance says bye when its lease is over, and returns after byeOk", () => {
  const world = new World();
  world.start({ lingerMs: 10 });
  world.clock.advance(9);
  assert.equal(world.wire.all("bye").length, 0);
  world.clock.advance(1);
  assert.deepEqual(world.wire.all("bye"), [{ kind: "bye", requestsSeen: 0, isFinal: false }]);
  assert.equal(world.answers.length, 0);
  world.say({ kind: "byeOk" });
  assert.deepEqual(world.answers, [
    { status: "served", instance: world.core.instance, reason: "" },
  ]);
  assert.equal(world.clock.timerCount, 0, "no timer outlives the invocation");
});

test("step 6: a request that crossed with a bye makes it void, is served, and counts in the next bye", () => {
  const world = new World();
  world.start({ lingerMs: 10 });
  world.put(chunkOf(10));
  world.clock.advance(10);
  assert.equal(world.wire.all("bye")[0]?.requestsSeen, 1);
  world.put(chunkOf(10, 2));
  assert.equal(world.core.store.count, 2);
  world.clock.advance(1_500);
  assert.equal(world.wire.all("bye")[1]?.requestsSeen, 2);
  assert.equal(world.wire.all("bye")[1]?.isFinal, false);
});

test("step 6: a ping does not make a bye void, is answered, and lengthens the lease before one", () => {
  const world = new World();
  world.start({ lingerMs: 10 });
  world.clock.advance(8);
  world.say({ kind: "ping", nonce: 77 });
  assert.deepEqual(world.wire.all("pong"), [{ kind: "pong", nonce: 77 }]);
  world.clock.advance(8);
  assert.equal(world.wire.all("bye").length, 0);
  world.clock.advance(2);
  assert.equal(world.wire.all("bye").length, 1);
  world.say({ kind: "ping", nonce: 78 });
  world.say({ kind: "byeOk" });
  assert.equal(world.answers.length, 1);
});

test("step 6: byeOk without a bye means nothing", () => {
  const world = new World();
  world.start();
  world.say({ kind: "byeOk" });
  assert.equal(world.answers.length, 0);
});

test("step 6: after byeOk the instance waits until what it sent has left, at most a second", () => {
  for (const isDrained of [true, false]) {
    const world = new World();
    world.start();
    world.clock.advance(10);
    world.wire.queuedBytes = 100;
    world.say({ kind: "byeOk" });
    world.clock.advance(500);
    assert.equal(world.answers.length, 0);
    if (isDrained) world.wire.queuedBytes = 0;
    world.clock.advance(isDrained ? 1 : 501);
    assert.equal(world.answers.length, 1);
    assert.equal(world.clock.timerCount, 0);
  }
});

test("step 6: hold keeps an idle instance awake", () => {
  const world = new World();
  world.start({ lingerMs: 10 });
  world.say({ kind: "hold", forMs: 3_000 }, world.nextChannel());
  world.clock.advance(2_999);
  assert.equal(world.wire.all("bye").length, 0);
  world.clock.advance(1);
  assert.equal(world.wire.all("bye")[0]?.requestsSeen, 1);
});

test("step 6: a hold of nothing lets a held instance go", () => {
  const world = new World();
  world.start({ lingerMs: 10 });
  world.say({ kind: "hold", forMs: 15_000 }, world.nextChannel());
  world.clock.advance(100);
  world.say({ kind: "hold", forMs: 0 }, world.nextChannel());
  world.clock.advance(10);
  assert.equal(world.wire.all("bye")[0]?.requestsSeen, 2);
});

test("step 6: an instance at work does not leave however long ago its lease ended", () => {
  const world = new World();
  world.start({ lingerMs: 10 });
  const chunk = chunkOf(3_000);
  const channel = world.nextChannel();
  world.say({ kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 3_000 }, channel);
  for (const offset of [0, 1_000, 2_000]) {
    world.clock.advance(5_000);
    assert.equal(world.wire.all("bye").length, 0);
    world.part(channel, chunk, offset, 1_000);
  }
  assert.equal(world.wire.all("chunkStored").length, 1);
  world.clock.advance(10);
  assert.equal(world.wire.all("bye").length, 1);
});

test("step 6: after a freeze the input that waits is handled before an overdue lease", () => {
  const world = new World();
  world.start({ lingerMs: 10 });
  world.clock.input.push(() => world.put(chunkOf(10)));
  world.clock.freeze(30_000);
  assert.equal(world.core.store.count, 1);
  assert.equal(world.wire.all("bye").length, 0, "the request came first and renewed the lease");
  world.clock.advance(10);
  assert.equal(world.wire.all("bye")[0]?.requestsSeen, 1);
});

test("step 7: at 45 s the bye is final; requests after it are ignored, and byeOk ends what is under way", () => {
  const world = new World();
  world.start();
  world.say({ kind: "hold", forMs: 60_000 }, world.nextChannel());
  world.clock.advance(44_999);
  assert.equal(world.wire.all("bye").length, 0);
  const chunk = chunkOf(2_000);
  const channel = world.nextChannel();
  world.say({ kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 2_000 }, channel);
  world.clock.advance(1);
  assert.deepEqual(world.wire.all("bye"), [{ kind: "bye", requestsSeen: 2, isFinal: true }]);
  world.put(chunkOf(10, 2));
  assert.equal(world.core.store.count, 0);
  world.say({ kind: "byeOk" });
  assert.equal(world.answers.length, 1);
  assert.equal(world.core.store.usedBytes, 0, "the unfinished chunk's memory is free again");
});

test("step 7: the bye is final five seconds before the provider's time-out", () => {
  const world = new World();
  world.start({ remainingMs: 12_000 });
  world.say({ kind: "hold", forMs: 60_000 }, world.nextChannel());
  world.clock.advance(6_999);
  assert.equal(world.wire.all("bye").length, 0);
  world.clock.advance(1);
  assert.equal(world.wire.all("bye")[0]?.isFinal, true);
});

test("step 7: a bye that was void when the time was up is followed by a final one", () => {
  const world = new World();
  world.start({ remainingMs: 6_000, lingerMs: 2_990 });
  world.clock.advance(2_990);
  assert.equal(world.wire.all("bye")[0]?.isFinal, false);
  world.clock.advance(100);
  world.say({ kind: "chunkDrop", chunks: [] }, world.nextChannel());
  assert.equal(world.wire.all("bye")[1]?.isFinal, true);
});

test("step 8: an instance whose bye is not answered returns after a second", () => {
  const world = new World();
  world.start();
  world.clock.advance(10);
  world.clock.advance(999);
  assert.equal(world.answers.length, 0);
  world.clock.advance(1);
  assert.equal(world.answers[0]?.status, "served");
  assert.equal(world.clock.timerCount, 0);
});

test("step 8: an instance that cannot dial returns after a second, having tried again and again", () => {
  for (const dials of ["refuse", "hang"] as const) {
    const world = new World();
    world.dials = dials;
    world.invoke();
    world.clock.advance(999);
    assert.equal(world.answers.length, 0);
    world.clock.advance(1);
    assert.equal(world.answers[0]?.status, "unreachable");
    const { dials: count } = world.core.counters;
    assert.ok(count >= 3 && count <= 8, `${dials}: ${count} dials`);
    world.clock.advance(5_000);
    assert.equal(world.clock.timerCount, 0);
  }
});

test("step 8: a hello that is not answered makes it dial again after 250, 500 ms", () => {
  const world = new World();
  world.invoke();
  const dialledAfter: number[] = [];
  for (let ms = 0; ms < 800; ms += 10) {
    const before = world.connections.length;
    world.clock.advance(10);
    if (world.connections.length > before) dialledAfter.push(ms + 10);
    if (world.wire.all("functionHello").length === 0) world.challenge();
  }
  assert.deepEqual(dialledAfter, [250, 750]);
  assert.equal(world.wire.all("functionHello")[0]?.redials, 2);
  world.welcome();
  world.clock.advance(20);
  assert.equal(world.wire.all("bye").length, 1);
});

test("step 8: a kept connection that turns out dead is replaced at once", () => {
  const world = new World();
  world.start();
  world.leave();
  world.invoke();
  world.wire.lose();
  world.clock.advance(0);
  assert.equal(world.connections.length, 2);
  world.greet();
  world.leave();
  assert.equal(world.answers.length, 2);
});

test("step 8: a connection lost at work ends its exchanges; the instance dials again and counts anew", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(2_000);
  const channel = world.nextChannel();
  world.say({ kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 2_000 }, channel);
  world.wire.lose();
  assert.equal(world.core.store.usedBytes, 0);
  world.clock.advance(0);
  world.greet();
  world.put(chunk);
  assert.equal(world.core.store.count, 1);
  world.clock.advance(10);
  assert.equal(world.wire.all("bye")[0]?.requestsSeen, 1);
});

test("step 8: a connection lost for good makes it return after a second, in silence", () => {
  const world = new World();
  world.start();
  world.say({ kind: "hold", forMs: 30_000 }, world.nextChannel());
  world.dials = "refuse";
  world.wire.lose();
  world.clock.advance(1_000);
  assert.equal(world.answers[0]?.status, "unreachable");
});

test("step 8: a connection lost between byeOk and the answer ends the invocation", () => {
  const world = new World();
  world.start();
  world.clock.advance(10);
  world.wire.queuedBytes = 1;
  world.say({ kind: "byeOk" });
  world.wire.lose();
  assert.equal(world.answers[0]?.status, "served");
});

test("refused: before the welcome the instance returns at once with the reason", () => {
  const world = new World();
  world.invoke();
  world.challenge();
  world.say({ kind: "refused", code: "ICACHE_AUTH", reason: "not begun" });
  assert.equal(world.answers[0]?.status, "refused");
  assert.equal(world.answers[0]?.reason, "ICACHE_AUTH: not begun");
  assert.equal(world.clock.timerCount, 0);
});

test("a dial that is answered after the invocation ended is closed", () => {
  const world = new World();
  world.dials = "hang";
  world.invoke();
  world.dials = "accept";
  world.clock.advance(300);
  const late = world.connections.length;
  world.clock.advance(900);
  assert.equal(world.answers.length, 1);
  assert.ok(late >= 1);
  assert.notEqual(world.connections[0]?.closeReason, null);
});

test("a second invocation while one is under way ends the first", () => {
  const world = new World();
  world.start();
  world.start();
  assert.equal(world.answers.length, 1);
  world.leave();
  assert.equal(world.answers.length, 2);
});
