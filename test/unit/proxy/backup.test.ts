// Claims about backups, through a whole proxy core with real runtimes: what a replica gets, what it is told to forget, and
// who serves when primaries are taken before, during and after a round.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ROUND_MS_MAX } from "../../../src/proxy/backup-round.ts";
import type { RuntimeCore } from "../../../src/runtime/runtime-core.ts";
import { ATTEMPT_MS_MIN } from "../../../src/runtime/session.ts";
import { all, bodyOf, decoded, first, type TestClient } from "./client.ts";
import { get, put } from "./steps.ts";
import { World } from "./world.ts";

const INTERVAL_MS = 10_000;
/** By then every node has had its round: those of the three nodes come one after the other. */
const ROUNDS_MS = 2 * INTERVAL_MS;

/** Of an object of 3,000 bytes in 2+1. */
const CHUNK_BYTES = 1_512;

/** Ten objects of three chunks on three nodes, each node with its replica, and everybody asleep. */
function backedUp(
  selection: "all" | "hit" = "all",
  reads: readonly string[] = [],
): { world: World; client: TestClient } {
  const world = new World({ nodes: 3, backupIntervalMs: INTERVAL_MS, backupSelection: selection });
  const client = world.client();
  for (let index = 0; index < 10; index++) store(world, client, `k${index}`, index);
  for (const key of reads) get(world, client, key);
  world.clock.advance(ROUNDS_MS);
  return { world, client };
}

function store(world: World, client: TestClient, key: string, seed: number, bytes = 3_000): void {
  assert.equal(first(put(world, client, key, bodyOf(bytes, seed)), "putDone").outcome, "stored");
}

const rows = (world: World) => world.proxy.status().nodes.rows;
const namesOf = (core: RuntimeCore | undefined): string[] =>
  [...(core?.store.chunks() ?? [])].map(({ version, index }) => `${version}.${index}`).sort();

function mustRead(world: World, client: TestClient, key: string, seed: number): number {
  const exchange = get(world, client, key);
  assert.deepEqual(decoded(exchange, key), bodyOf(3_000, seed), key);
  return all(exchange, "erasures").length;
}

test("backup: after the interval each node's replica holds what its primary holds", () => {
  const { world } = backedUp();
  for (let node = 0; node < 3; node++) {
    const [primary, replica, ...others] = world.instances(node);
    assert.equal(others.length, 0);
    assert.equal(namesOf(replica).length, 10);
    assert.deepEqual(namesOf(replica), namesOf(primary));
    assert.equal(rows(world)[node]?.instance, primary?.instance);
    assert.equal(rows(world)[node]?.replica, replica?.instance);
    assert.equal(rows(world)[node]?.copies, 10);
  }
  const { counters } = world.proxy;
  assert.deepEqual([counters.backups, counters.backupsAborted], [3, 0]);
  assert.deepEqual([counters.backupChunks, counters.backupBytes], [30, 30 * CHUNK_BYTES]);
  assert.equal(world.proxy.status().cost.byPurpose.backup.invocations, 6);
});

test("backup: copies do not count against the room of a node", () => {
  const { world } = backedUp();
  const alone = new World({ nodes: 3 });
  const client = alone.client();
  for (let index = 0; index < 10; index++) store(alone, client, `k${index}`, index);
  assert.equal(world.proxy.status().chunkBytes, alone.proxy.status().chunkBytes);
});

test("backup: without a change there is a warm-up of both within four minutes, and no chunk moves", () => {
  const { world } = backedUp();
  const { backupBytes, backups } = world.proxy.counters;
  const { invokes } = world;
  world.clock.advance(240_000);
  assert.equal(world.proxy.counters.backups, backups + 3);
  assert.equal(world.proxy.counters.backupBytes, backupBytes);
  assert.equal(world.invokes, invokes + 6);
  assert.equal(world.proxy.status().cost.byPurpose.backup.invocations, 6, "the rest is warm-up");
});

test("backup: a later round moves what is new, and tells what is gone", () => {
  const { world, client } = backedUp();
  const before = world.proxy.counters.backupBytes;
  store(world, client, "k0", 77); // Overwritten.
  client.remove("k1");
  world.clock.advance(ROUNDS_MS);
  assert.equal(world.proxy.counters.backupBytes, before + 3 * CHUNK_BYTES);
  for (let node = 0; node < 3; node++) {
    const [primary, replica] = world.instances(node);
    assert.equal(namesOf(primary).length, 9);
    assert.deepEqual(namesOf(replica), namesOf(primary));
  }
});

test("failover: with every primary taken after a round, every object is read without an erasure", () => {
  const { world, client } = backedUp();
  for (let node = 0; node < 3; node++) world.reclaim(node, world.instances(node)[0]);
  for (let index = 0; index < 10; index++)
    assert.equal(mustRead(world, client, `k${index}`, index), 0);
  assert.equal(world.proxy.counters.failovers, 3);
  assert.equal(world.proxy.counters.missesLost, 0);
  const primaries = new Set(rows(world).map(({ instance }) => instance));
  for (const { places } of world.image.objects.values())
    for (const { instance } of places) assert.ok(primaries.has(instance), "durable as well");
});

test("failover: what was stored after the round is an erasure; what was overwritten or deleted stays so", () => {
  const { world, client } = backedUp();
  store(world, client, "k0", 77);
  store(world, client, "late", 78);
  client.remove("k1");
  world.settle();
  world.reclaim(0, world.instances(0)[0]);
  assert.equal(mustRead(world, client, "k5", 5), 0);
  mustRead(world, client, "k0", 77);
  mustRead(world, client, "late", 78);
  const wantAll = get(world, client, "late", { wantAll: true });
  assert.ok(all(wantAll, "erasures").length > 0);
  assert.equal(first(get(world, client, "k1"), "miss").reason, "absent");
});

test("failover: a node that failed over gets another replica", () => {
  const { world, client } = backedUp();
  for (let node = 0; node < 3; node++) world.reclaim(node, world.instances(node)[0]);
  mustRead(world, client, "k1", 1);
  world.clock.advance(ROUNDS_MS);
  for (let node = 0; node < 3; node++) {
    const holders = world.instances(node).filter(({ store: { count } }) => count === 10);
    assert.equal(holders.length, 2);
  }
});

/** A world in which node 0 is in its round, with the replica awake and chunks on their way. */
function inRound(): { world: World; client: TestClient } {
  const world = new World({ nodes: 3, backupIntervalMs: INTERVAL_MS });
  const client = world.client();
  for (let index = 0; index < 10; index++) store(world, client, `k${index}`, index);
  world.clock.untilEvent(
    () => rows(world)[0]?.isInRound === true && (world.instances(0)[1]?.store.count ?? 0) > 0,
    ROUNDS_MS,
  );
  return { world, client };
}

test("round: the primary crashes under it: the replica serves at once what it has, and nobody is invoked for it", () => {
  const { world, client } = inRound();
  const { invokes } = world;
  world.reclaim(0, world.instances(0)[0]);
  world.clock.advance(0);
  const [replica] = world.instances(0);
  const held = namesOf(replica).length;
  assert.ok(held > 0 && held < 10, `${held} chunks`);
  assert.equal(rows(world)[0]?.instance, replica?.instance);
  assert.equal(world.invokes, invokes);
  for (let index = 0; index < 10; index++) mustRead(world, client, `k${index}`, index);
  world.clock.advance(ROUNDS_MS);
  assert.equal(world.proxy.counters.missesLost, 0);
});

test("round: the replica crashes under it: the primary stays, and a later round finds another", () => {
  const { world, client } = inRound();
  world.reclaim(0, world.instances(0)[1]);
  world.clock.advance(0);
  assert.equal(world.proxy.counters.backupsAborted, 1);
  for (let index = 0; index < 10; index++)
    assert.equal(mustRead(world, client, `k${index}`, index), 0);
  world.clock.advance(ROUNDS_MS);
  assert.deepEqual(rows(world)[0]?.copies, 10);
});

test("round: a replica that had its welcome too late and dials again is greeted again, and gets everything", () => {
  const world = new World({ nodes: 3, backupIntervalMs: INTERVAL_MS });
  const client = world.client();
  for (let index = 0; index < 10; index++) store(world, client, `k${index}`, index);
  // The challenge comes in time, and the welcome with as much delay does not.
  for (let node = 0; node < 3; node++) world.slowToFunctions.set(node, 0.6 * ATTEMPT_MS_MIN);
  world.clock.advance(ROUNDS_MS);
  const { backups, backupsAborted, redials, instancesSeen } = world.proxy.counters;
  assert.deepEqual([backups, backupsAborted], [3, 0]);
  assert.deepEqual([redials, instancesSeen], [3, 9], "each said hello twice");
  for (let node = 0; node < 3; node++)
    assert.deepEqual(namesOf(world.instances(node)[1]), namesOf(world.instances(node)[0]));
});

test("round: the replica's connection breaks in the middle of it: over the next one it gets the rest", () => {
  const { world } = inRound();
  const [primary, replica] = world.instances(0);
  world.slowToFunctions.set(0, 50);
  world.sever(0, replica!);
  world.clock.advance(0);
  assert.equal(rows(world)[0]?.isInRound, true);
  world.clock.advance(ROUNDS_MS);
  assert.equal(world.proxy.counters.backupsAborted, 0);
  assert.deepEqual(namesOf(replica), namesOf(primary));
  assert.equal(rows(world)[0]?.copies, 10);
});

test("round: the primary crashes while the replica dials again: it serves over its next connection, and nobody is invoked", () => {
  const { world, client } = inRound();
  const { invokes } = world;
  const [primary, replica] = world.instances(0);
  world.slowToFunctions.set(0, 50);
  world.sever(0, replica!);
  world.clock.advance(0);
  world.reclaim(0, primary);
  world.clock.advance(0);
  assert.equal(rows(world)[0]?.state, "severed");
  world.clock.advance(60);
  assert.equal(rows(world)[0]?.state, "awake");
  assert.equal(world.invokes, invokes);
  for (let index = 0; index < 10; index++) mustRead(world, client, `k${index}`, index);
  assert.equal(world.proxy.counters.missesLost, 0);
});

test("round: what is deleted or overwritten while it is copied is not on the replica afterwards", () => {
  const { world, client } = inRound();
  for (let index = 0; index < 10; index += 2) client.remove(`k${index}`);
  store(world, client, "k1", 91);
  world.clock.advance(ROUNDS_MS);
  for (let node = 0; node < 3; node++) {
    const [primary, replica] = world.instances(node);
    assert.equal(namesOf(primary).length, 5);
    assert.deepEqual(namesOf(replica), namesOf(primary));
  }
});

test("round: an instance never met takes everything, and the earlier replica drops all when it comes back", () => {
  const { world, client } = backedUp();
  const [, before] = world.instances(0);
  world.passedOver.add(before!);
  store(world, client, "more", 50);
  world.clock.advance(ROUNDS_MS);
  const [, , third] = world.instances(0);
  assert.equal(rows(world)[0]?.replica, third?.instance);
  assert.equal(third?.store.count, 11);
  assert.equal(before?.store.count, 10);
  // Once more it answers a wake: the platform lets nobody look for the primary, and so it serves.
  world.passedOver.clear();
  world.passedOver.add(third!);
  world.passedOver.add(world.instances(0)[0]!);
  const refusal = {
    kind: "notStarted",
    reason: "",
    isThrottle: false,
    retryAfterMs: null,
  } as const;
  world.refusals.set(0, [null, refusal]);
  get(world, client, "k0", { wantAll: true });
  world.settle();
  assert.equal(before?.store.count, 0);
});

test("round: a chunk that has gone bad on the primary is not copied, and counts as missing", () => {
  const world = new World({ nodes: 3, backupIntervalMs: INTERVAL_MS });
  const client = world.client();
  store(world, client, "k", 1);
  const [bad] = [...world.instances(0)[0]!.store.chunks()];
  bad!.bytes.from(7, 1)[0]! ^= 1;
  world.clock.advance(ROUNDS_MS);
  assert.equal(world.instances(0)[1]?.store.count, 0);
  assert.equal(world.instances(0)[0]?.store.count, 0);
  assert.equal(rows(world)[0]?.chunks, 0);
  assert.equal(mustRead(world, client, "k", 1) > 0, true);
});

test("round: chunks of several parts arrive whole", () => {
  const world = new World({ nodes: 3, backupIntervalMs: INTERVAL_MS });
  const client = world.client();
  const body = bodyOf(5 * 1_024 * 1_024, 3);
  const big = client.openPut("big", { code: { dataChunks: 1, parityChunks: 0 } });
  world.clock.until(() => big.messages.length > 0);
  client.sendLarge(big, "big", first(big, "putOpened").version, body);
  world.clock.until(() => big.messages.some(({ kind }) => kind === "putDone"));
  world.clock.advance(ROUNDS_MS);
  for (let node = 0; node < 3; node++) world.reclaim(node, world.instances(node)[0]);
  assert.deepEqual(decoded(get(world, client, "big"), "big"), body);
});

test("selection: under `hit` only what was read since it was stored is copied", () => {
  const { world } = backedUp("hit", ["k3", "k7"]);
  for (let node = 0; node < 3; node++) assert.equal(world.instances(node)[1]?.store.count, 2);
});

test("restart: copies that an earlier proxy made are found by the first round, and not made again", () => {
  const { world } = backedUp();
  const later = world.restart();
  world.clock.advance(ROUNDS_MS);
  assert.equal(later.counters.backupBytes, 0);
  assert.deepEqual(
    later.status().nodes.rows.map(({ copies }) => copies),
    [10, 10, 10],
  );
});

test("round: an object that is committed after its chunks were looked at is in the next round", () => {
  const world = new World({ nodes: 3, backupIntervalMs: INTERVAL_MS });
  const client = world.client();
  store(world, client, "first", 1);
  const put = client.openPut("late", { code: { dataChunks: 1, parityChunks: 0 } });
  world.clock.until(() => put.messages.length > 0);
  // Without its commit, which comes when every node has had its round.
  const { version } = first(put, "putOpened");
  const body = bodyOf(1_000, 2);
  client.sendUncommitted(put, "late", version, body);
  world.clock.advance(ROUNDS_MS);
  client.commit(put, body.length);
  world.clock.advance(ROUNDS_MS);
  assert.ok(put.messages.some(({ kind }) => kind === "putDone"));
  for (const { chunks, copies } of rows(world)) assert.equal(copies, chunks);
});

for (const when of ["before the restart", "after the restart"]) {
  test(`restart: primaries taken ${when} and before any round: their replicas have everything`, () => {
    const { world } = backedUp();
    const primaries = [0, 1, 2].map((node) => world.instances(node)[0]);
    const take = (): void => {
      for (const [node, primary] of primaries.entries()) world.reclaim(node, primary);
    };
    if (when.startsWith("before")) take();
    const later = world.restart();
    if (when.startsWith("after")) take();
    const client = world.client(2);
    for (let index = 0; index < 10; index++)
      assert.equal(mustRead(world, client, `k${index}`, index), 0);
    assert.deepEqual([later.counters.failovers, later.counters.backups], [3, 0]);
    // They are primaries now, durably: another restart looks for nobody else.
    assert.equal(world.image.replicas.size, 0);
    world.restart();
    const third = world.client(3);
    for (let index = 0; index < 10; index++)
      assert.equal(mustRead(world, third, `k${index}`, index), 0);
  });
}

test("restart: what was stored after the last round is no copy; what the replica lacks it says itself", () => {
  const { world, client } = backedUp();
  store(world, client, "late", 33);
  world.settle();
  const [primary, replica] = world.instances(0);
  const [lacking] = [...replica!.store.chunks()];
  replica!.store.drop(lacking!);
  world.restart();
  assert.equal(rows(world)[0]?.copies, 10, "as it was written down");
  world.reclaim(0, primary);
  const later = world.client(2);
  for (let index = 0; index < 10; index++) mustRead(world, later, `k${index}`, index);
  mustRead(world, later, "late", 33);
  world.settle();
  assert.equal(rows(world)[0]?.chunks, 9);
});

test("restart: a replica that was lost is none after it either", () => {
  const { world } = backedUp();
  const [, replica] = world.instances(0);
  assert.equal(world.image.replicas.size, 3);
  world.toFunctions.length = 0;
  const isHeld = ({ node, message }: (typeof world.toFunctions)[number]): boolean =>
    node === 0 && message.kind === "hold" && message.forMs === ROUND_MS_MAX;
  world.clock.untilEvent(() => world.toFunctions.some(isHeld), 240_000);
  world.reclaim(0, replica);
  world.clock.advance(0);
  assert.equal(world.image.replicas.has(0), false);
});
