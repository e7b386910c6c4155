// An origin behind real processes: the doors of `up` with a folder, and the library with a loader over two clients.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { CacheError, connect } from "../../src/entry/library.ts";
import { until } from "../support/pool.ts";
import { body } from "../unit/client/world.ts";
import { CliFixture, terminate } from "./cli-fixture.ts";

const fixture = new CliFixture();
after(() => fixture.end());

const POOL = ["up", "--port", "0", "--nodes", "6", "--code", "2+1", "--memory", "128"];

test("origin: the doors load from a folder, whole or in part, and a DELETE only drops the copy", async () => {
  const folder = fixture.path("files");
  mkdirSync(join(folder, "ns"), { recursive: true });
  const bytes = body(6_000_000, 4);
  writeFileSync(join(folder, "ns", "large"), bytes);
  writeFileSync(join(folder, "ns", "small"), "hello");
  const up = await fixture.start([...POOL, "--origin", `dir:${folder}`]);
  const { http } = up.ready;
  const at = (key: string) => `${http}/objects/ns/${key}`;
  const large = await fetch(at("large"));
  assert.equal(large.status, 200);
  assert.equal(Buffer.compare(new Uint8Array(await large.arrayBuffer()), bytes), 0);
  assert.notEqual(large.headers.get("etag"), null);
  const part = await fetch(at("large"), { headers: { range: "bytes=5000000-5000009" } });
  assert.equal(part.status, 206);
  assert.equal(
    Buffer.compare(new Uint8Array(await part.arrayBuffer()), bytes.subarray(5_000_000, 5_000_010)),
    0,
  );
  assert.equal(await (await fetch(at("small"))).text(), "hello");
  assert.equal((await fetch(at("absent"))).status, 404);
  assert.equal((await fetch(at("small"), { method: "DELETE" })).status, 204);
  writeFileSync(join(folder, "ns", "small"), "changed");
  assert.equal(await (await fetch(at("small"))).text(), "changed");
  const status = (await (await fetch(`${http}/status`)).json()) as {
    origin: Record<string, number>;
  };
  assert.deepEqual([status.origin["loads"], status.origin["loadsAbsent"]], [4, 1]);
  assert.equal(await terminate(up), 0);
});

test("origin: what is written through survives the cache, and what is deleted is gone from both", async () => {
  const folder = fixture.path("store");
  const flags = [...POOL, "--origin", `dir:${folder}`, "--origin-mode", "write-through"];
  const bytes = body(3_000_000, 5);
  const first = await fixture.start(flags);
  const put = async (url: string, key: string, content: Uint8Array, headers = {}) =>
    await fetch(`${url}/objects/ns/${key}`, { method: "PUT", body: Buffer.from(content), headers });
  assert.equal(
    (await put(first.ready.http, "a", bytes, { "content-type": "image/x" })).status,
    200,
  );
  assert.equal((await put(first.ready.http, "b", bytes)).status, 200);
  assert.equal((await put(first.ready.http, "b", bytes, { "if-none-match": "*" })).status, 412);
  assert.equal((await fetch(`${first.ready.http}/objects/ns/b`, { method: "DELETE" })).status, 204);
  assert.equal(existsSync(join(folder, "ns", "b")), false);
  assert.equal(
    Buffer.compare(readFileSync(join(folder, "ns", "a")).subarray(0, bytes.length), bytes),
    0,
  );
  assert.equal(await terminate(first), 0);
  const second = await fixture.start(flags);
  const read = await fetch(`${second.ready.http}/objects/ns/a`);
  assert.equal(read.headers.get("content-type"), "image/x");
  assert.equal(Buffer.compare(new Uint8Array(await read.arrayBuffer()), bytes), 0);
  assert.equal((await fetch(`${second.ready.http}/objects/ns/b`)).status, 404);
  // A folder that cannot be written: refused, and what was there is still read.
  rmSync(join(folder, ".infinicache-temp"), { recursive: true });
  assert.equal((await put(second.ready.http, "a", body(10))).status, 502);
  const again = await fetch(`${second.ready.http}/objects/ns/a`);
  assert.equal(Buffer.compare(new Uint8Array(await again.arrayBuffer()), bytes), 0);
  assert.equal(await terminate(second), 0);
});

test("origin: a thousand concurrent misses of two clients make one load; its error reaches all and is not kept", async () => {
  const up = await fixture.start(POOL);
  let loads = 0;
  let isBroken = true;
  const bytes = body(200_000, 6);
  const misses = async (): Promise<number> => {
    const answer = await fetch(`${up.ready.http}/status`);
    const status = (await answer.json()) as { counters: { missesAbsent: number } };
    return status.counters.missesAbsent;
  };
  const load = async () => {
    loads += 1;
    const asked = 1_000 * loads;
    await until("all have missed", 30_000, async () => (await misses()) >= asked);
    await misses(); // By then the other client has been told, and has asked who loads.
    if (isBroken) throw new CacheError("ICACHE_ORIGIN", "out of order");
    return bytes;
  };
  const clients = [1, 2].map(() => connect({ url: up.ready.client, origin: { load } }));
  const readAll = async () =>
    await Promise.allSettled(
      Array.from({ length: 1_000 }, async (_, at) => await clients[at % 2]!.get("k")),
    );
  for (const failed of await readAll())
    assert(failed.status === "rejected" && failed.reason.code === "ICACHE_ORIGIN");
  assert.equal(loads, 1);
  isBroken = false;
  for (const read of await readAll()) {
    assert(read.status === "fulfilled" && read.value.kind === "hit");
    assert.equal(Buffer.compare(read.value.bytes, bytes), 0);
  }
  assert.equal(loads, 2);
  await Promise.all(clients.map((client) => client.close()));
  assert.equal(await terminate(up), 0);
});

test("origin: a load that races with a PUT and its DELETE by another client does not bring the object back", async () => {
  const up = await fixture.start(POOL);
  const other = connect({ url: up.ready.client });
  const older = body(5_000_000, 7);
  let origin: Uint8Array | null = older;
  const loads: (() => Promise<void>)[] = [
    async () => {
      origin = body(100, 8);
      await other.put("k", origin);
    },
    async () => {
      origin = null;
      await other.put("k", body(100, 9));
      await other.delete("k");
    },
  ];
  for (const change of loads) {
    origin = older;
    await other.delete("k");
    let isFirst = true;
    const load = async () => {
      const seen = origin;
      if (isFirst) {
        isFirst = false;
        await change();
      }
      return seen;
    };
    const cache = connect({ url: up.ready.client, origin: { load } });
    const read = await cache.get("k");
    const expected = origin as Uint8Array | null;
    if (expected === null) assert.equal(read.kind, "miss");
    else assert(read.kind === "hit" && Buffer.compare(read.bytes, expected) === 0);
    const inside = await other.get("k");
    assert.equal(inside.kind, expected === null ? "miss" : "hit");
    await cache.close();
  }
  await other.close();
  assert.equal(await terminate(up), 0);
});
