// Several proxies on one Lambda service share the keys by a document that changes while clients work: about a third of
// the keys moves to a third proxy, moved keys miss, and nobody is ever served what was superseded.

import assert from "node:assert/strict";
import { once } from "node:events";
import { renameSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cache } from "../../src/client/api.ts";
import { buildRing } from "../../src/core/ring.ts";
import { connect, type Membership } from "../../src/entry/library.ts";
import { CliFixture, type Serving } from "./cli-fixture.ts";
import { freePorts } from "./support/ports.ts";

const KEYS = Array.from({ length: 200 }, (_, at) => `key-${at}`);
const WRITERS = 4;
const WRITER_KEYS = 8;

const fixture = new CliFixture();
after(() => fixture.end());

test("ring: proxies come and go while clients work; what moves misses, and nothing is stale", async () => {
  const service = await fixture.start(["lambda-service", "--port", "0"]);
  const ports = new Map<string, number>();
  for (const id of ["a", "b", "c"]) {
    let port = await freePorts();
    while ([...ports.values()].some((taken) => Math.abs(taken - port) < 5))
      port = await freePorts();
    ports.set(id, port);
  }
  const documentOf = (epoch: number, ids: readonly string[]): Membership => ({
    epoch,
    members: ids.map((id) => ({ id, address: `127.0.0.1:${ports.get(id)}`, weight: 1 })),
    virtualNodes: 128,
  });
  const publish = (membership: Membership): void => {
    writeFileSync(fixture.path("ring.new"), JSON.stringify(membership));
    renameSync(fixture.path("ring.new"), fixture.path("ring.json"));
  };
  const startProxy = (id: string): Promise<Serving> =>
    fixture.start([
      ...["proxy", "--lambda", service.ready.lambda, "--pool", id, "--port", String(ports.get(id))],
      ...["--nodes", "6", "--code", "4+2", "--memory", "128", "--state", fixture.path(id)],
      ...["--ring", fixture.path("ring.json")],
    ]);
  const two = documentOf(1, ["a", "b"]);
  publish(two);
  const [a, b] = await Promise.all([startProxy("a"), startProxy("b")]);
  const caches = [
    connect({ url: a.ready.client }),
    connect({ urls: [b.ready.client, a.ready.client] }),
    connect({ ring: two }),
  ];
  const [cache] = caches;
  assert.ok(cache !== undefined);
  for (const [at, key] of KEYS.entries()) await cache.put(key, bodyOf(at));
  assert.equal((await read(cache)).length, KEYS.length);

  const work = new AbortController();
  const working = Array.from({ length: WRITERS }, (_, at) => write(caches, at, work.signal));
  try {
    const three = documentOf(2, ["a", "b", "c"]);
    publish(three);
    const c = await startProxy("c");
    await settled(cache, 2, 3);
    const afterAdding = await read(cache);
    const ring = buildRing(three);
    assert.deepEqual(
      afterAdding,
      KEYS.filter((key) => ring.ownerOf(key).id !== "c"),
    );
    const moved = (KEYS.length - afterAdding.length) / KEYS.length;
    assert.ok(moved > 0.2 && moved < 0.45, `${moved} of the keys moved`);
    for (const [at, key] of KEYS.entries()) await cache.put(key, bodyOf(at));
    assert.equal((await read(cache)).length, KEYS.length);

    const last = documentOf(3, ["a", "c"]);
    publish(last);
    await settled(cache, 3, 2);
    b.child.kill("SIGTERM");
    await once(b.child, "exit");
    assert.deepEqual(
      await read(cache),
      KEYS.filter((key) => ring.ownerOf(key).id !== "b"),
    );

    // One that is killed comes back with what it held.
    c.child.kill("SIGKILL");
    await once(c.child, "exit");
    const again = await startProxy("c");
    assert.deepEqual(
      await read(cache),
      KEYS.filter((key) => ring.ownerOf(key).id !== "b"),
    );
    const door = await fetch(`${again.ready.http}/objects/at/the-door`, {
      method: "PUT",
      body: "x",
    });
    assert.ok(door.ok, `HTTP ${door.status}`);
  } finally {
    work.abort();
  }
  const counts = await Promise.all(working);
  assert.ok(
    counts.every((count) => count > 20),
    `writers came to ${counts.join(", ")} rounds`,
  );
  await Promise.all(caches.map((each) => each.close()));
});

/** Its own number, many times. */
function bodyOf(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array(500).fill(value).buffer);
}

/** The keys that hit; what is read must be what was stored. */
async function read(cache: Cache): Promise<string[]> {
  const found: string[] = [];
  for (const [at, key] of KEYS.entries()) {
    const got = await cache.get(key);
    if (got.kind === "miss") continue;
    assert.deepEqual(Buffer.from(got.bytes), Buffer.from(bodyOf(at)));
    found.push(key);
  }
  return found;
}

/** Puts growing numbers through one client and reads them through another: the last one, or a miss. */
async function write(caches: readonly Cache[], writer: number, stop: AbortSignal): Promise<number> {
  let rounds = 0;
  for (let value = 1; !stop.aborted; value++) {
    const key = `writer-${writer}-${value % WRITER_KEYS}`;
    const [one, other] = [caches[value % caches.length], caches[(value + 1) % caches.length]];
    assert.ok(one !== undefined && other !== undefined);
    try {
      await one.put(key, bodyOf(value));
    } catch {
      // Of unknown outcome: the key's next round says what holds.
      continue;
    }
    const got = await other.get(key);
    if (got.kind === "hit")
      assert.deepEqual(Buffer.from(got.bytes), Buffer.from(bodyOf(value)), `${key} is stale`);
    rounds += 1;
  }
  return rounds;
}

/** Waits until all proxies work by the document, and each has seen that the others do. */
async function settled(cache: Cache, epoch: number, count: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const report = JSON.stringify(await cache.status());
    const there = report.split(`"ring":{"epoch":${epoch},`).length - 1;
    if (there === count && !report.includes('"isSettled":false')) return;
    await sleep(50);
  }
  assert.fail(`not all came to document ${epoch}`);
}
