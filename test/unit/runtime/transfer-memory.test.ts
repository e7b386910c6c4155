// The memory of chunks on their way: in several runs, and given up in the middle of a part, on the link and from a client.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ChunkStore } from "../../../src/runtime/chunk-store.ts";
import { DirectIncoming } from "../../../src/runtime/direct-transfers.ts";
import { IncomingChunk } from "../../../src/runtime/incoming-chunk.ts";
import { chunkOf, World } from "./world.ts";

const MIB = 1_024 * 1_024;

const BYTES = 60_000;
const PART = { kind: "data", stripe: 0, index: 0, attempt: 0, offset: 0 } as const;

test("put: a chunk for which memory is left in several runs only is stored and read whole, its parts cut where they like", () => {
  const world = new World(5 * MIB);
  world.start();
  const fillers = Array.from({ length: 8 }, (_, at) => chunkOf(600_000, at + 1));
  for (const chunk of fillers) world.put(chunk);
  const chunks = fillers.filter((_, at) => at % 2 === 0).map(({ id }) => id);
  world.say({ kind: "chunkDrop", chunks }, world.nextChannel());
  const chunk = chunkOf(2_000_000, 20);
  const stored = world.put(chunk, 700_000);
  assert.equal(world.on(stored).at(-1)?.message.kind, "chunkStored");
  assert.ok([...(world.core.store.find(chunk.id)?.bytes.views() ?? [])].length > 2);
  assert.deepEqual(world.received(world.get(chunk)), Buffer.from(chunk.bytes));
  assert.deepEqual(
    world.received(world.get(chunk, 1_234_567)),
    Buffer.from(chunk.bytes.slice(1_234_567)),
  );
  const asked = world.nextChannel();
  world.say({ kind: "chunkVerify", ...chunk.id }, asked);
  assert.equal(world.on(asked)[0]?.message.kind, "chunkStored");
  for (const left of fillers.filter((_, at) => at % 2 === 1))
    assert.deepEqual(world.received(world.get(left)), Buffer.from(left.bytes));
});

test("put: the memory of a part that is on its way when its chunk is given up serves nobody until the part has come", () => {
  const endings: ((world: World, channel: number, end: () => void) => void)[] = [
    (world, channel, end) => {
      world.say({ kind: "cancel" }, channel);
      assert.equal(world.core.store.reserve(60_000), null);
      end();
    },
    (world, _channel, end) => {
      world.invoke();
      world.welcome();
      assert.equal(world.core.store.reserve(60_000), null);
      end();
    },
    (world, channel) => {
      world.say({ kind: "cancel" }, channel);
      const { wire } = world;
      wire.lose();
      world.clock.advance(0);
      world.greet();
    },
    (world) => {
      world.wire.lose();
      world.clock.advance(0);
      world.greet();
    },
    // The proxy breaks the protocol: the connection is given up, and gone only later.
    (world) => {
      const { wire } = world;
      const { id, digest, bytes } = chunkOf(10);
      world.say({ kind: "chunkPut", ...id, ...digest, bytes: bytes.length }, 0);
      world.clock.advance(0);
      world.greet();
      assert.equal(world.core.store.reserve(60_000), null);
      wire.lose();
    },
  ];
  for (const [at, giveUp] of endings.entries()) {
    const world = new World(100_000);
    world.start();
    const chunk = chunkOf(60_000);
    const channel = world.nextChannel();
    world.say({ kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: 60_000 }, channel);
    const end = world.beginPart(channel, chunk, 0, 30_000);
    giveUp(world, channel, end);
    assert.equal(world.core.store.usedBytes, 0);
    assert.notEqual(world.core.store.reserve(60_000), null, `ending ${at}`);
  }
});

/** A store with room for one chunk, and a transfer that has it. */
function transferInto(store: ChunkStore): DirectIncoming {
  const place = store.reserve(BYTES);
  assert.ok(place);
  const announced = {
    kind: "chunkTake",
    ...{ keyHash: new Uint8Array(16), version: 1, stripe: 0, index: 0 },
    ...{ bytes: BYTES, digestLow: 0, digestHigh: 0, peer: 1, ticket: new Uint8Array(16) },
  } as const;
  const incoming = new IncomingChunk(
    announced,
    place,
    { low: 0, high: 0 },
    {
      now: () => 0,
      grant: () => {},
      release: (lent) => store.release(place, lent),
      returned: (lent) => store.returned(lent),
      complete: () => assert.fail("nothing is complete"),
      interrupt: () => transfer.end(),
    },
  );
  const transfer = new DirectIncoming(incoming, () => incoming.giveUp());
  return transfer;
}

test("get: a chunk that is dropped while it waits for credit ends with a cancel, not as if it were whole", () => {
  const world = new World();
  world.start();
  const chunk = chunkOf(3_000);
  world.put(chunk);
  const channel = world.get(chunk, 0, 1_000);
  world.say({ kind: "chunkDrop", chunks: [chunk.id] }, world.nextChannel());
  world.say({ kind: "credit", stripe: 0, index: 0, bytes: 5_000 }, channel);
  assert.equal(world.received(channel).length, 1_000);
  assert.equal(world.on(channel).at(-1)?.message.kind, "cancel");
});

test("direct: a part on the link finds no place in a chunk that comes from a client", () => {
  const store = new ChunkStore(100_000);
  const transfer = transferInto(store);
  assert.equal(transfer.place(), null);
  assert.equal(transfer.owner.place(PART, 30_000)?.length, 30_000);
  assert.throws(() => transfer.owner.place(PART, 30_000), /two transports/);
});

test("direct: memory that the line writes into serves nobody until the line holds it no more", () => {
  const store = new ChunkStore(100_000);
  const transfer = transferInto(store);
  assert.equal(transfer.owner.place(PART, 30_000)?.length, 30_000);
  transfer.owner.onHold(1);
  transfer.end();
  assert.equal(store.usedBytes, 0);
  assert.equal(store.reserve(BYTES), null);
  transfer.owner.onHold(-1);
  assert.notEqual(store.reserve(BYTES), null);
});

test("direct: where the line is gone before the transfer knows, nothing waits for it", () => {
  const store = new ChunkStore(100_000);
  const transfer = transferInto(store);
  transfer.owner.place(PART, 30_000);
  transfer.owner.onHold(1);
  transfer.owner.onHold(-1);
  transfer.owner.onClosed("gone");
  assert.notEqual(store.reserve(BYTES), null);
});
