// ioredis and node-redis, unmodified, against a running pool: connecting, pipelines, large values, expiry.
// They come from this folder's own package.json.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { Redis } from "ioredis";
import { createClient, RESP_TYPES } from "redis";
import { withPool } from "./running.ts";

const pool = withPool();

test("ioredis: values from 0 bytes to 100 MB come back byte-equal", async () => {
  const { host, port } = pool.doors();
  const client = new Redis({ host, port: Number(port), maxRetriesPerRequest: 0 });
  try {
    for (const bytes of [0, 1, 1_000, 131_072, 131_073, 1_048_576, 100_000_000]) {
      const value = randomBytes(bytes);
      assert.equal(await client.set(`io:${bytes}`, value), "OK");
      const got = await client.getBuffer(`io:${bytes}`);
      assert.ok(got?.equals(value), `${bytes} bytes`);
    }
    assert.equal(await client.set("io:x", randomBytes(1_048_576), "EX", 100), "OK");
    assert.equal(await client.ttl("io:x"), 100);
    assert.equal(await client.get("io:absent"), null);
    await client.del("io:100000000");
  } finally {
    client.disconnect();
  }
});

test("ioredis: a pipeline of 1,000 small GETs keeps its order", async () => {
  const { host, port } = pool.doors();
  const client = new Redis({ host, port: Number(port), maxRetriesPerRequest: 0 });
  try {
    const keys = Array.from({ length: 1_000 }, (_, index) => `p:${index % 100}`);
    for (const key of new Set(keys)) await client.set(key, `value of ${key}`);
    const pipeline = client.pipeline();
    for (const key of keys) pipeline.get(key);
    const replies = (await pipeline.exec()) ?? [];
    assert.deepEqual(
      replies.map(([, value]) => value),
      keys.map((key) => `value of ${key}`),
    );
    const seen = new Set<string>();
    for await (const page of client.scanStream({ match: "p:*", count: 7 }))
      for (const key of page) seen.add(key);
    assert.equal(seen.size, 100);
  } finally {
    client.disconnect();
  }
});

for (const version of [2, 3] as const) {
  test(`node-redis: connects with RESP${version}, sets, reads and scans`, async () => {
    const { host, port } = pool.doors();
    const client = createClient({
      socket: { host, port: Number(port), reconnectStrategy: false },
      RESP: version,
    });
    const failures: unknown[] = [];
    client.on("error", (error) => failures.push(error));
    await client.connect();
    try {
      const value = randomBytes(5_000_000);
      assert.equal(await client.set("nr:large", value), "OK");
      const typed = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      const got = (await typed.get("nr:large")) as Buffer | null;
      assert.ok(got?.equals(value));
      assert.equal(
        await client.set("nr:a", "1", {
          expiration: { type: "PX", value: 60_000 },
          condition: "NX",
        }),
        "OK",
      );
      assert.equal(await client.set("nr:a", "2", { condition: "NX" }), null);
      assert.deepEqual(await client.mGet(["nr:a", "nr:none"]), ["1", null]);
      assert.equal(await client.exists(["nr:a", "nr:none"]), 1);
      assert.equal(await client.del("nr:a"), 1);
      assert.equal(await client.ping(), "PONG");
      assert.deepEqual(failures, []);
    } finally {
      client.destroy();
    }
  });
}
