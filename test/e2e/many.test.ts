// Many keys in one call with real processes: over proxies that share the keys, straight to functions, and with the
// proxy in this process. What one key lacks is its own outcome.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startEmbedded } from "../../src/entry/embedded.ts";
import { type Cache, CacheError, connect } from "../../src/entry/library.ts";
import { CliFixture, terminate } from "./cli-fixture.ts";
import { makeBytes } from "./support/bytes.ts";
import { pairOfBlocks } from "./support/workers.ts";

const KEYS = Array.from({ length: 2_000 }, (_, at) => `many/${at}`);
const LARGE_BYTES = 3_000_000;
const fixture = new CliFixture();
after(() => fixture.end());

const bytesOf = (at: number): Buffer => makeBytes(at, at % 100 === 99 ? LARGE_BYTES : 1_000 + at);

/** Puts all, reads all with strays between, and compares every byte. */
async function putAndGetMany(cache: Cache, keys: readonly string[]): Promise<void> {
  const puts = await cache.putMany(keys.map((key, at) => ({ key, body: bytesOf(at) })));
  assert.deepEqual(
    puts.filter((put) => put.kind !== "stored"),
    [],
  );
  const strays = ["", "nowhere"];
  const reads = await cache.getMany([...strays, ...keys]);
  const [bad, absent] = reads;
  assert.ok(bad?.kind === "failed" && bad.error instanceof CacheError);
  assert.equal(absent?.kind, "miss");
  for (const at of keys.keys()) {
    const read = reads[at + strays.length];
    assert.ok(read?.kind === "hit" && bytesOf(at).equals(read.bytes), `${keys[at]} differs`);
  }
}

test("many: 2,000 keys of two proxies are stored and read whole, through them and past them", async () => {
  const port = await pairOfBlocks();
  const up = await fixture.start([
    ...["up", "--workers", "2", "--nodes", "12", "--code", "4+2", "--memory", "128"],
    ...["--port", String(port)],
  ]);
  const cache = connect({ url: up.ready.client });
  await putAndGetMany(cache, KEYS);
  await cache.close();
  const direct = connect({ url: up.ready.client, direct: { host: "127.0.0.1" } });
  await putAndGetMany(direct, KEYS.slice(0, 400));
  await direct.close();
  assert.equal(await terminate(up), 0);
});

test("many: 2,000 keys of a proxy in this process, again from what is kept of them", async () => {
  const pool = await startEmbedded({
    nodes: 6,
    memoryMb: 128,
    code: { dataChunks: 4, parityChunks: 2 },
    near: { bytes: 100_000_000 },
  });
  try {
    await putAndGetMany(pool.cache, KEYS);
    const reads = await pool.cache.getMany(KEYS);
    for (const [at, read] of reads.entries())
      assert.ok(read.kind === "hit" && bytesOf(at).equals(read.bytes), `${KEYS[at]} differs`);
    assert.equal(pool.cache.near()?.hits, KEYS.length);
    assert.equal(pool.status().counters.hitsUnchanged, KEYS.length);
  } finally {
    await pool.close();
  }
});
