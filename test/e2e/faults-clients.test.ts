// What clients see at the edges of an object's life and of the proxy's: expiry under a stream, many misses with one
// loader, and SIGTERM while an answer is on its way.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startPool } from "../support/pool.ts";
import { makeBytes } from "./support/bytes.ts";

const PLAN = { nodes: 6, code: "4+2" };

test("24: an object that expires while it is streamed arrives whole, and the next GET misses", async (context) => {
  const TTL_MS = 3_000;
  const pool = await startPool(context, PLAN);
  const cache = pool.client();
  const body = makeBytes(24, 150_000_000);
  await cache.put("object", body, { ttlMs: TTL_MS });
  const read = await cache.getStream("object");
  assert(read.kind === "hit");
  const { expiresAt } = read.object;
  assert(expiresAt !== null);
  let at = 0;
  for await (const part of read.body) {
    // Halfway: until well after the expiry.
    if (at < body.length / 2 && at + part.length >= body.length / 2)
      await sleep(Math.max(0, expiresAt.getTime() - Date.now()) + 500);
    assert(body.subarray(at, at + part.length).equals(part), `other bytes at ${at}`);
    at += part.length;
  }
  assert.equal(at, body.length);
  const again = await cache.get("object");
  assert(again.kind === "miss" && again.reason !== "lost" && again.reason !== "unreachable");
});

test("25: 1,000 concurrent misses with a loader load once; its error reaches all and is not kept", async (context) => {
  const READERS = 1_000;
  const pool = await startPool(context, PLAN);
  const cache = pool.client();
  const body = makeBytes(25, 500_000);
  let loads = 0;
  const failing = Array.from({ length: READERS }, () =>
    cache.getOrSet("object", async () => {
      loads++;
      await sleep(200);
      throw new Error("the origin is down");
    }),
  );
  for (const result of await Promise.allSettled(failing))
    assert(result.status === "rejected" && /the origin is down/.test(String(result.reason)));
  assert.equal(loads, 1);
  const loading = Array.from({ length: READERS }, () =>
    cache.getOrSet("object", async () => {
      loads++;
      await sleep(200);
      return body;
    }),
  );
  for (const bytes of await Promise.all(loading)) assert(body.equals(bytes));
  assert.equal(loads, 2);
  const read = await cache.get("object");
  assert(read.kind === "hit" && body.equals(read.bytes));
});

test("27: SIGTERM turns readiness off, lets the answer under way finish, and ends with 0", async (context) => {
  const pool = await startPool(context, PLAN);
  const { http } = pool.proxy.ready;
  const body = makeBytes(27, 60_000_000);
  await pool.client().put("faults/object", body);
  assert.equal((await fetch(`${http}/readyz`)).status, 200);
  const response = await fetch(`${http}/objects/faults/object`);
  const reader = response.body?.getReader();
  assert(reader !== undefined);
  const parts = [(await reader.read()).value ?? new Uint8Array(0)];
  const ended = once(pool.proxy.child, "exit");
  pool.proxy.child.kill("SIGTERM");
  await sleep(500);
  const isReady = await fetch(`${http}/readyz`).then(
    ({ status }) => status === 200,
    () => false, // No new connections: as good as an answer that says no.
  );
  assert(!isReady);
  for (let part = await reader.read(); !part.done; part = await reader.read())
    parts.push(part.value);
  assert(body.equals(Buffer.concat(parts)), "the answer under way was cut off");
  const [code] = await ended;
  assert.equal(code, 0, pool.proxy.errors());
});
