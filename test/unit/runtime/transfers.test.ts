// Chunks in and out of an instance: verification, budget, credit, cancellation, and what happens at
// each limit. The world is scripted; real sockets are tested elsewhere.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chunkCost } from "../../../src/core/chunk-cost.ts";
import { chunkFingerprint } from "../../../src/core/store-digest.ts";
import { TRANSFERS_MAX } from "../../../src/runtime/transfers.ts";
import { chunkOf, World } from "./world.ts";

const MIB = 1_024 * 1_024;

test("put: a chunk is stored and got back byte-equal, however it is cut into parts", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }),
      fc.integer({ min: 1, max: 2_000 }),
      (n, part) => {
        const world = new World();
        const chunk = chunkOf(n);
        world.start();
        const channel = world.put(chunk, part);
        assert.deepEqual(
          world.on(channel).map(({ message }) => message.kind),
          ["chunkStored"],
        );
        assert.deepEqual(world.received(world.get(chunk)), Buffer.from(chunk.bytes));
      },
    ),
    { numRuns: 50 },
  );
});

test("put: an empty chunk is stored without any part", () => {
  const world = new World();
  const chunk = chunkOf(0);
  world.start();
  const channel = world.put(chunk);
  assert.equal(world.on(channel)[0]?.message.kind, "chunkStored");
  const got = world.on(world.get(chunk)).map(({ message }) => message.kind);
  assert.deepEqual(got, ["chunkFound"]);
});

test("put: all that lies beyond the initial credit is granted at once", () => {
  const world = new World();
  world.start();
  world.put(chunkOf(MIB));
  assert.equal(world.wire.all("credit").length, 0);
  world.put(chunkOf(3 * MIB, 2));
  assert.deepEqual(
    world.wire.all("credit").map(({ bytes }) => bytes),
    [2 * MIB],
  );
});

test("put: a chunk whose bytes, identity or generation do not match its digest is refused as corrupt", () => {
  const world = new World();
  world.start();
  const flipped = chunkOf(3_000);
  flipped.bytes[2_999] = (flipped.bytes[2_999] ?? 0) ^ 1;
  const elsewhere = { ...chunkOf(3_000), id: { ...flipped.id, index: 1 } };
  const before = chunkOf(3_000, 1, 0, 8);
  for (const chunk of [flipped, elsewhere, before]) {
    const [answer] = world.on(world.put(chunk));
    assert.equal(answer?.message.kind === "chunkRefused" && answer.message.reason, "corrupt");
  }
  assert.equal(world.core.store.count, 0);
  assert.equal(world.core.store.usedBytes, 0);
});

test("put: a chunk beyond the budget is refused as full before any part, and its parts are thrown away", () => {
  const world = new World(2 * chunkCost(10_000));
  world.start();
  world.put(chunkOf(10_000, 1));
  world.put(chunkOf(10_000, 2));
  const channel = world.put(chunkOf(10_000, 3));
  const [answer] = world.on(channel);
  assert.ok(answer?.message.kind === "chunkRefused");
  assert.equal(answer.message.reason, "full");
  assert.equal(answer.message.usedBytes, answer.message.budgetBytes);
  world.say({ kind: "chunkDrop", chunks: [chunkOf(0, 1).id] }, world.nextChannel());
  world.put(chunkOf(10_000, 3));
  assert.equal(world.core.store.count, 2);
});

test("put: the same chunk again is confirmed at once, and takes no second memory", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(5_000);
  world.put(chunk);
  const { usedBytes } = world.core.store;
  const channel = world.nextChannel();
  world.say({ kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 5_000 }, channel);
  assert.equal(world.on(channel)[0]?.message.kind, "chunkStored");
  assert.equal(world.part(channel, chunk, 0, 1_000), false);
  assert.equal(world.core.store.usedBytes, usedBytes);
});

test("put: the same chunk on two channels at once is stored once", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(2_000);
  const put = { kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 2_000 } as const;
  const channels = [world.nextChannel(), world.nextChannel()];
  for (const channel of channels) world.say(put, channel);
  for (const offset of [0, 1_000]) {
    for (const channel of channels) world.part(channel, chunk, offset, 1_000);
  }
  assert.equal(world.wire.all("chunkStored").length, 2);
  assert.equal(world.core.store.count, 1);
  assert.equal(world.core.store.usedBytes, chunkCost(2_000));
  assert.deepEqual(world.received(world.get(chunk)), Buffer.from(chunk.bytes));
});

test("put: parts out of order, of another chunk or beyond the end interrupt it; a new exchange begins anew", () => {
  const bad = [
    { stripe: 0, index: 0, offset: 1_000 },
    { stripe: 1, index: 0, offset: 0 },
    { stripe: 0, index: 1, offset: 0 },
  ];
  for (const where of bad) {
    const world = new World();
    world.start();
    const chunk = chunkOf(2_000);
    const channel = world.nextChannel();
    world.say({ kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 2_000 }, channel);
    const part = { kind: "data", attempt: 0, ...where } as const;
    assert.equal(world.wire.deliver(world.envelope(channel), part, new Uint8Array(100)), false);
    const answer = world.on(channel)[0]?.message;
    assert.equal(answer?.kind === "chunkRefused" && answer.reason, "interrupted");
    assert.equal(world.core.store.usedBytes, 0);
    world.put(chunk);
    assert.equal(world.core.store.count, 1);
  }
  const world = new World();
  world.start();
  const chunk = chunkOf(2_000);
  const channel = world.nextChannel();
  world.say({ kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 1_999 }, channel);
  assert.equal(world.part(channel, chunk, 0, 2_000), false);
});

test("put: cancel frees the memory and ends the work", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(2_000);
  const channel = world.nextChannel();
  world.say({ kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 2_000 }, channel);
  world.clock.advance(100);
  assert.equal(world.wire.all("bye").length, 0);
  world.say({ kind: "cancel" }, channel);
  assert.equal(world.core.store.usedBytes, 0);
  world.clock.advance(10);
  assert.equal(world.wire.all("bye").length, 1);
});

test("put: nothing for ten seconds interrupts it, so that it does not hold the function awake", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(2_000);
  const channel = world.nextChannel();
  world.say({ kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 2_000 }, channel);
  world.clock.advance(15_100);
  const answer = world.on(channel)[0]?.message;
  assert.equal(answer?.kind === "chunkRefused" && answer.reason, "interrupted");
  assert.equal(world.wire.all("bye").length, 1);
});

test("put: a chunk longer than any stripe, or a channel in use, closes the connection", () => {
  const chunk = chunkOf(10);
  const put = { kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 10 } as const;
  const offences: ((world: World) => void)[] = [
    (world) => world.say({ ...put, bytes: 50 * MIB }, 1),
    (world) => {
      world.say(put, 1);
      world.say(put, 1);
    },
    (world) => world.say(put, 0),
    (world) => {
      for (let channel = 1; channel <= TRANSFERS_MAX + 1; channel++) world.say(put, channel);
    },
  ];
  for (const offend of offences) {
    const world = new World();
    world.start();
    offend(world);
    assert.notEqual(world.wire.closeReason, null);
    assert.equal(world.wire.all("refused")[0]?.code, "ICACHE_PROTOCOL");
    assert.equal(world.core.store.usedBytes, 0);
    world.clock.advance(0);
    assert.equal(world.connections.length, 2, "it dials again");
  }
});

test("get: what is not held is absent", () => {
  const world = new World();
  world.start();
  world.put(chunkOf(10));
  const kinds = [chunkOf(10, 2), chunkOf(10, 1, 1)].map(
    (chunk) => world.on(world.get(chunk))[0]?.message.kind,
  );
  assert.deepEqual(kinds, ["chunkAbsent", "chunkAbsent"]);
});

test("get: begins at the offset, and tells length and digest of the whole chunk", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(5_000);
  world.put(chunk);
  const channel = world.get(chunk, 4_000);
  const found = { kind: "chunkFound", bytes: 5_000, ...chunk.digest };
  assert.deepEqual(world.on(channel)[0]?.message, found);
  assert.deepEqual(world.received(channel), Buffer.from(chunk.bytes.slice(4_000)));
  const beyond = world.get(chunk, 9_000);
  assert.equal(world.on(beyond).length, 1);
});

test("get: never sends more than its credit, in parts of at most 1 MiB, and goes on when more is granted", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(3 * MIB + 5);
  world.put(chunk);
  const channel = world.get(chunk, 0, MIB + 10);
  assert.equal(world.received(channel).length, MIB + 10);
  world.say({ kind: "credit", stripe: 0, index: 0, bytes: 100 }, channel);
  assert.equal(world.received(channel).length, MIB + 110);
  world.clock.advance(1_000);
  assert.equal(world.wire.all("bye").length, 0, "it is at work until the last byte has left");
  world.say({ kind: "credit", stripe: 0, index: 0, bytes: 9 * MIB }, channel);
  assert.deepEqual(world.received(channel), Buffer.from(chunk.bytes));
  for (const { body } of world.on(channel)) assert.ok((body?.length ?? 0) <= MIB);
  world.clock.advance(10);
  assert.equal(world.wire.all("bye").length, 1);
});

test("get: a few parts wait in the connection, not the whole chunk; it is over when the last has left", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(9 * MIB);
  world.put(chunk);
  world.wire.isSlow = true;
  const channel = world.get(chunk);
  const parts = () => world.on(channel).filter(({ body }) => body !== null);
  assert.equal(parts().length, 4);
  for (let i = 0; i < 9; i++) {
    world.clock.advance(100);
    assert.equal(world.wire.all("bye").length, 0);
    parts()[i]?.onSent?.();
  }
  assert.equal(parts().length, 9);
  world.clock.advance(10);
  assert.equal(world.wire.all("bye").length, 1);
});

test("get: a chunk dropped while it is being sent arrives whole, and its memory counts until then", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(6 * MIB);
  world.put(chunk);
  world.wire.isSlow = true;
  const channel = world.get(chunk);
  world.say({ kind: "chunkDrop", chunks: [chunk.id] }, world.nextChannel());
  assert.equal(world.core.store.count, 0);
  assert.equal(world.core.store.usedBytes, chunkCost(6 * MIB));
  for (let i = 0; i < 6; i++)
    world
      .on(channel)
      .filter(({ body }) => body !== null)
      [i]?.onSent?.();
  assert.deepEqual(world.received(channel), Buffer.from(chunk.bytes));
  assert.equal(world.core.store.usedBytes, 0);
});

test("get: cancel stops it, drops what waits in the connection, and ends the work", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(9 * MIB);
  world.put(chunk);
  world.wire.isSlow = true;
  const channel = world.get(chunk);
  world.say({ kind: "cancel" }, channel);
  assert.deepEqual(world.wire.dropped, [channel]);
  assert.equal(world.on(channel).filter(({ body }) => body !== null).length, 4);
  world.clock.advance(10);
  assert.equal(world.wire.all("bye").length, 1);
  assert.equal(world.core.store.usedBytes, chunkCost(9 * MIB));
});

test("get: no credit for ten seconds ends it with a cancel", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(2 * MIB);
  world.put(chunk);
  const channel = world.get(chunk, 0, MIB);
  world.clock.advance(15_100);
  assert.equal(world.on(channel).at(-1)?.message.kind, "cancel");
});

test("verify: a chunk that has gone bad at rest is forgotten; a good one is confirmed", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(1_000);
  world.put(chunk);
  const ask = () => {
    const channel = world.nextChannel();
    world.say({ kind: "chunkVerify", ...chunk.id }, channel);
    return world.on(channel)[0]?.message.kind;
  };
  assert.equal(ask(), "chunkStored");
  const held = world.core.store.find(chunk.id);
  const byte = held?.bytes.from(500, 1);
  byte?.set([(byte[0] ?? 0) ^ 4]);
  assert.equal(ask(), "chunkAbsent");
  assert.equal(world.core.store.count, 0);
  assert.equal(ask(), "chunkAbsent");
});

test("inventory: an empty store has one empty page; a full one is told completely, a thousand a page", () => {
  const world = new World();
  world.start();
  const pages = () => world.wire.all("inventory");
  world.say({ kind: "inventoryGet" }, world.nextChannel());
  assert.deepEqual(pages(), [{ kind: "inventory", chunks: [], isLast: true }]);
  for (let version = 1; version <= 2_500; version++) world.put(chunkOf(3, version));
  world.say({ kind: "inventoryGet" }, world.nextChannel());
  const [, ...told] = pages();
  assert.deepEqual(
    told.map(({ chunks }) => chunks.length),
    [1_000, 1_000, 500],
  );
  assert.deepEqual(
    told.map(({ isLast }) => isLast),
    [false, false, true],
  );
  const versions = new Set(told.flatMap(({ chunks }) => chunks.map((row) => row.version)));
  assert.equal(versions.size, 2_500);
  assert.equal(told[0]?.chunks[0]?.bytes, 3);
});

test("inventory: waits while the connection is full, and goes on", () => {
  const world = new World();
  world.start();
  world.put(chunkOf(3));
  world.wire.queuedBytes = MIB;
  world.say({ kind: "inventoryGet" }, world.nextChannel());
  world.clock.advance(50);
  assert.equal(world.wire.all("inventory").length, 0);
  world.wire.queuedBytes = 0;
  world.clock.advance(1);
  assert.equal(world.wire.all("inventory").length, 1);
});

test("hello: the digest is that of the chunks held, whatever the order in which they came", () => {
  const world = new World();
  world.start();
  for (const version of [3, 1, 2]) world.put(chunkOf(10, version));
  world.say({ kind: "chunkDrop", chunks: [chunkOf(0, 3).id] }, world.nextChannel());
  world.leave();
  world.start();
  const hello = world.wire.all("functionHello").at(-1);
  const prints = [1, 2].map((version) => {
    const { keyHash, stripe, index } = chunkOf(0, version).id;
    return chunkFingerprint(keyHash, version, stripe, index);
  });
  assert.equal(
    hello?.storeDigestLow,
    prints.reduce((acc, { low }) => (acc ^ low) >>> 0, 0),
  );
  assert.equal(
    hello?.storeDigestHigh,
    prints.reduce((acc, { high }) => (acc ^ high) >>> 0, 0),
  );
  assert.equal(hello?.chunks, 2);
});
