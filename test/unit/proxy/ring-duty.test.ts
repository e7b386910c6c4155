// The duty of a proxy towards its ring: what it serves, keeps and takes as documents change. Time is turned by hand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Membership, parseMembership, type RingNews } from "../../../src/core/membership.ts";
import type { RingMark } from "../../../src/core/ports.ts";
import { buildRing } from "../../../src/core/ring.ts";
import { RingDuty } from "../../../src/proxy/ring-duty.ts";
import { VirtualClock } from "./virtual-clock.ts";

const KEYS = Array.from({ length: 300 }, (_, at) => `key-${at}`);

function document(epoch: number, ids: readonly string[]): Membership {
  const members = ids.map((id) => ({ id, address: `${id}:1` }));
  const parsed = parseMembership({ epoch, members });
  assert.ok(parsed.kind === "ok");
  return parsed.membership;
}

/** A duty of the proxy "a" with a file, a table and other proxies. */
class World {
  readonly clock = new VirtualClock();
  news: RingNews = { kind: "unchanged" };
  /** By address; absent: cannot be reached. */
  readonly epochs = new Map<string, number>();
  readonly announced: number[] = [];
  kept = new Set(KEYS);
  mark: RingMark | null = null;
  duty = this.#make();

  #make(): RingDuty {
    return new RingDuty({
      id: "a",
      clock: this.clock,
      read: () => {
        const { news } = this;
        this.news = { kind: "unchanged" };
        return news;
      },
      askEpoch: (address, _epoch, answer) =>
        void this.clock.setTimer(1, () => answer(this.epochs.get(address) ?? null)),
    });
  }

  write(membership: Membership): void {
    this.news = { kind: "document", membership };
  }

  start(): void {
    this.duty.attach({
      mark: this.mark,
      record: (mark) => {
        this.mark = mark;
      },
      keepOnly: (isKept, mark) => {
        this.kept = new Set([...this.kept].filter(isKept));
        this.mark = mark;
      },
      announce: ({ epoch }) => void this.announced.push(epoch),
    });
  }

  restart(): void {
    this.duty.stop();
    this.duty = this.#make();
    this.start();
  }
}

function owned(membership: Membership, id = "a"): string[] {
  const ring = buildRing(membership);
  return KEYS.filter((key) => ring.ownerOf(key).id === id);
}

test("duty: the first document takes over what a lone proxy held, and forgets what others own", () => {
  const world = new World();
  const first = document(1, ["a", "b"]);
  world.write(first);
  world.start();
  assert.deepEqual([...world.kept], owned(first));
  for (const key of KEYS)
    assert.equal(world.duty.mayServe(key, false, 1), owned(first).includes(key));
  world.duty.stop();
});

test("duty: a change of a gained key waits for the others, one of a kept key does not", () => {
  const world = new World();
  world.epochs.set("b:1", 1).set("c:1", 1);
  const first = document(1, ["a", "b", "c"]);
  world.write(first);
  world.start();
  world.clock.advance(200);
  assert.ok(world.duty.isSettled);
  const next = document(2, ["a", "b"]);
  world.write(next);
  world.clock.advance(600);
  const [kept = ""] = owned(first);
  const gained = owned(next).find((key) => !owned(first).includes(key)) ?? "";
  assert.equal(world.duty.mayChange(kept), true);
  assert.equal(world.duty.mayChange(gained), false);
  assert.equal(world.duty.mayServe(gained, false, 2), true, "a read of it is a miss, and legal");
  assert.equal(world.duty.mayChange(null), false);
  world.epochs.set("b:1", 2);
  world.clock.advance(300);
  assert.equal(world.duty.mayChange(gained), false, "the one that left has not let go yet");
  world.epochs.set("c:1", 2);
  world.clock.advance(300);
  assert.equal(world.duty.mayChange(gained), true);
  assert.deepEqual(world.mark, { epoch: 2, isSettled: true });
  world.duty.stop();
});

test("duty: who cannot be reached is waited for no longer than it takes to look at the document", () => {
  const world = new World();
  world.write(document(1, ["a", "b"]));
  world.start();
  world.clock.advance(4_900);
  assert.equal(world.duty.isSettled, false);
  world.clock.advance(400);
  assert.equal(world.duty.isSettled, true);
  world.duty.stop();
});

test("duty: after a number was missed nothing is kept, since another may have had the key", () => {
  const world = new World();
  world.write(document(1, ["a", "b"]));
  world.start();
  assert.ok(world.kept.size > 0);
  world.write(document(3, ["a", "b"]));
  world.clock.advance(600);
  assert.equal(world.kept.size, 0);
  world.duty.stop();
});

test("duty: a restart keeps what the same document or the next one leaves, and nothing after a gap", () => {
  for (const [epoch, isKept] of [
    [1, true],
    [2, true],
    [3, false],
  ] as const) {
    const world = new World();
    world.write(document(1, ["a", "b"]));
    world.start();
    world.write(document(epoch, ["a", "b"]));
    world.restart();
    assert.equal(world.kept.size > 0, isKept, `document ${epoch}`);
    world.duty.stop();
  }
});

test("duty: faults, older documents and changed ones with the same number change nothing", () => {
  const world = new World();
  const first = document(2, ["a", "b"]);
  world.write(first);
  world.start();
  for (const news of [
    { kind: "fault", reason: "half of it" },
    { kind: "document", membership: document(1, ["a"]) },
    { kind: "document", membership: document(2, ["a"]) },
  ] as const) {
    world.news = news;
    world.clock.advance(600);
    assert.equal(world.duty.membership, first);
    assert.notEqual(world.duty.fault, null);
  }
  assert.deepEqual(world.announced, [2]);
  world.duty.stop();
});

test("duty: without a document, or with an older one than was served by, it does not start", () => {
  const world = new World();
  assert.throws(() => world.start(), RangeError);
  const late = new World();
  late.mark = { epoch: 5, isSettled: true };
  late.write(document(4, ["a"]));
  assert.throws(() => late.start(), /4.*5/);
});

test("duty: a client with a newer document makes it look, and is served only when it has come as far", () => {
  const world = new World();
  const first = document(1, ["a"]);
  world.write(first);
  world.start();
  assert.equal(world.duty.mayServe("key", false, 2), false);
  world.write(document(2, ["a"]));
  assert.equal(world.duty.mayServe("key", false, 2), true);
  assert.equal(world.duty.mayServe(null, false, 1), false, "a listing by an older document");
  world.duty.stop();
});

test("duty: a process that was frozen looks at the document before it serves", () => {
  const world = new World();
  world.write(document(1, ["a", "b"]));
  world.start();
  world.duty.stop(); // No timer fires any more: as if all were overdue.
  const [key = ""] = owned(document(1, ["a", "b"]));
  world.write(document(2, ["b"]));
  world.clock.advance(2_000);
  assert.equal(world.duty.mayServe(key, false, 1), false);
  world.duty.stop();
});

test("duty: who had not let go by one document is waited for by the next", () => {
  const world = new World();
  world.epochs.set("b:1", 1).set("c:1", 1);
  world.write(document(1, ["a", "b", "c"]));
  world.start();
  world.clock.advance(200);
  world.epochs.set("b:1", 2);
  world.write(document(2, ["a", "b"]));
  world.clock.advance(600);
  world.epochs.set("b:1", 3);
  world.write(document(3, ["a", "b"]));
  world.clock.advance(1_000);
  assert.equal(world.duty.isSettled, false, "c still serves by document 1");
  world.epochs.set("c:1", 3);
  world.clock.advance(300);
  assert.equal(world.duty.isSettled, true);
  world.duty.stop();
});

test("duty: a new proxy gives members that it may not know of their time", () => {
  const world = new World();
  world.epochs.set("b:1", 2);
  world.write(document(2, ["a", "b"]));
  world.start();
  world.clock.advance(4_900);
  assert.equal(world.duty.isSettled, false);
  world.clock.advance(300);
  assert.equal(world.duty.isSettled, true);
  world.duty.stop();
});
