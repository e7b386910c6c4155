// Faults of functions: killed between, before and during operations, all at once, slow to start. Each is seen through
// the public library only; the numbers are those of docs/faults.md.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CacheError } from "../../src/entry/library.ts";
import { startPool, type TestPool, until } from "../support/pool.ts";
import { throttledWhileWarm } from "../support/throttled.ts";
import { makeBytes } from "./support/bytes.ts";

/** As many nodes as chunks: each node holds one chunk of every stripe. */
const NODES = 6;
const PARITY = 2;
const BYTES = 6_000_000;
/** "At once", on a machine that does other things. */
const ANSWER_MS_MAX = 1_000;

async function begin(context: TestContext): Promise<TestPool> {
  return startPool(context, { nodes: NODES, code: "4+2" });
}

async function killNodes(pool: TestPool, count: number): Promise<void> {
  for (let node = 0; node < count; node++)
    await pool.admin.kill({ function: `infinicache-${node}` });
}

test("1 and 2: one function killed, then p of them, between PUT and GET: equal bytes, repaired soon after", async (context) => {
  const pool = await begin(context);
  const cache = pool.client();
  for (const [index, killed] of [1, PARITY].entries()) {
    const body = makeBytes(index, BYTES);
    await cache.put("object", body);
    const before = (await pool.status()).counters.repairs;
    await killNodes(pool, killed);
    const read = await cache.get("object");
    assert(read.kind === "hit" && body.equals(read.bytes), `${killed} killed: ${read.kind}`);
    const ms = await until("repaired", 20_000, async () => {
      const again = await cache.get("object");
      assert(again.kind === "hit" && body.equals(again.bytes));
      return (await pool.status()).counters.repairs >= before + killed;
    });
    context.diagnostic(`${killed} killed: repaired ${ms.toFixed(0)} ms after the first GET`);
    // Repaired is what stands another p losses.
    const others = Array.from({ length: PARITY }, (_, index) => NODES - 1 - index);
    for (const node of others) await pool.admin.kill({ function: `infinicache-${node}` });
    const survived = await cache.get("object");
    assert(survived.kind === "hit" && body.equals(survived.bytes), "the repair did not count");
    await cache.delete("object");
  }
});

test("3: p+1 killed: a clean miss, the key is gone, a new PUT works", async (context) => {
  const pool = await begin(context);
  const cache = pool.client();
  await cache.put("object", makeBytes(1, BYTES));
  await killNodes(pool, PARITY + 1);
  // The first to look says "lost" and forgets the key: this GET, or the repairer before it.
  const missed = await cache.get("object");
  assert(missed.kind === "miss" && ["lost", "absent"].includes(missed.reason), missed.kind);
  assert.deepEqual(await cache.stat("object"), { kind: "miss", reason: "absent" });
  const body = makeBytes(2, BYTES);
  await cache.put("object", body);
  const read = await cache.get("object");
  assert(read.kind === "hit" && body.equals(read.bytes));
});

test("4: p functions killed while a GET is under way: equal bytes, no hang", async (context) => {
  const pool = await begin(context);
  const body = makeBytes(4, 60_000_000);
  await pool.client().put("object", body);
  for (let round = 0; round < 3; round++) {
    const cache = pool.client({ url: pool.clientFaults.address });
    // Slow enough that something is always under way: about a quarter of a second.
    pool.clientFaults.treat(() => ({ delayMs: 20 }));
    const reading = cache.get("object", { deadlineMs: 30_000 });
    await until("bytes on their way", 10_000, () =>
      pool.clientFaults.links.some(({ bytes }) => bytes.down > 1_000_000),
    );
    const alive = await pool.admin.instances();
    await pool.admin.kill({ instance: alive[round % alive.length]?.id ?? "" });
    await pool.admin.kill({ instance: alive[(round + 3) % alive.length]?.id ?? "" });
    const read = await reading;
    assert(read.kind === "hit" && body.equals(read.bytes), `round ${round}: ${read.kind}`);
    await cache.close();
    // The next round begins with all chunks again.
    await pool.client().put("object", body);
  }
});

test("5: a function killed while a PUT is under way: the new value whole, or a clear failure and the old one", async (context) => {
  const pool = await begin(context);
  const cache = pool.client();
  const old = makeBytes(50, BYTES);
  let stored = 0;
  for (let round = 0; round < 4; round++) {
    await cache.put("object", old);
    const writer = pool.client({ url: pool.clientFaults.address });
    pool.clientFaults.treat(() => ({ delayMs: 15 }));
    const body = makeBytes(51 + round, 40_000_000);
    const before = pool.clientFaults.links.length;
    const putting = writer.put("object", body, { deadlineMs: 30_000 }).then(
      () => null,
      (error: unknown) => error,
    );
    await until("bytes on their way", 10_000, () =>
      pool.clientFaults.links.slice(before - 1).some(({ bytes }) => bytes.up > 2_000_000),
    );
    for (let kill = 0; kill <= round; kill++)
      await pool.admin.kill({ function: `infinicache-${(round + kill) % NODES}` });
    const failure = await putting;
    assert(failure === null || failure instanceof CacheError, String(failure));
    const read = await cache.get("object");
    if (failure === null) {
      stored++;
      assert(read.kind === "miss" || body.equals(read.bytes), "acknowledged, and something else");
    } else {
      assert(read.kind === "miss" || old.equals(read.bytes), `${String(failure)}, and a mix`);
    }
    context.diagnostic(
      `${round + 1} killed: ${failure === null ? "stored" : String(failure)}, then ${read.kind}`,
    );
    await writer.close();
  }
  assert(stored > 0, "no PUT went through");
});

test("6: all reclaimed at once: misses, the proxy stays, the pool comes back by itself", async (context) => {
  const pool = await begin(context);
  const cache = pool.client();
  for (let index = 0; index < 5; index++)
    await cache.put(`object ${index}`, makeBytes(index, BYTES));
  const { pid } = pool.proxy;
  assert.equal((await pool.admin.reclaimAll()).length, NODES);
  for (let index = 0; index < 5; index++) {
    const read = await cache.get(`object ${index}`);
    // The first read proves the loss of all; the others may find the keys gone.
    assert(read.kind === "miss" && ["lost", "absent"].includes(read.reason));
  }
  const body = makeBytes(60, BYTES);
  await cache.put("object 0", body);
  const read = await cache.get("object 0");
  assert(read.kind === "hit" && body.equals(read.bytes));
  assert.equal(pool.proxy.child.exitCode, null);
  assert.equal(pool.proxy.pid, pid);
  const { chunkBytes, objects } = await pool.status();
  assert.equal(objects, 1);
  assert(chunkBytes < 2 * BYTES, `${chunkBytes} bytes of the lost are still counted`);
});

test("10: functions that always return at the edge of a request: no error, nothing is written twice", async (context) => {
  // Awake for 1 ms after their last request, 5 ms away: nearly every request meets a bye.
  const pool = await startPool(context, { nodes: NODES, code: "4+2", linger: "1ms" });
  pool.functionFaults.treat(() => ({ delayMs: 5 }));
  const cache = pool.client();
  const versions = new Set<number>();
  for (let round = 0; round < 40; round++) {
    const body = makeBytes(round, 20_000 + round);
    const put = await cache.put(`object ${round % 5}`, body);
    assert(put.kind === "stored" && !versions.has(put.version), "a version is given once");
    versions.add(put.version);
    const read = await cache.get(`object ${round % 5}`);
    assert(read.kind === "hit" && body.equals(read.bytes) && read.object.version === put.version);
    if (round % 8 === 0) await sleep(30);
  }
  const { counters, objects } = await pool.status();
  assert.equal(objects, 5);
  assert.equal(counters.puts, 40);
  const { instancesStarted, invocations } = await pool.admin.counters();
  assert.equal(instancesStarted, NODES);
  context.diagnostic(`${invocations} invocations, ${counters.resends} chunks sent again`);
});

test("13: cold starts that take long: a PUT waits within its deadline, a GET of an absent key answers at once", async (context) => {
  const COLD_MS = 10_000;
  const pool = await begin(context);
  const cache = pool.client();
  await pool.admin.faults({ coldStartDelayMs: COLD_MS });
  await pool.admin.reclaimAll();
  const body = makeBytes(13, BYTES);
  const startedAt = performance.now();
  const putting = cache.put("object", body, { deadlineMs: 60_000 });
  await sleep(200);
  const askedAt = performance.now();
  assert.deepEqual(await cache.get("nothing"), { kind: "miss", reason: "absent" });
  const answerMs = performance.now() - askedAt;
  await putting;
  const putMs = performance.now() - startedAt;
  context.diagnostic(`PUT ${putMs.toFixed(0)} ms, miss ${answerMs.toFixed(1)} ms`);
  assert(putMs >= COLD_MS);
  assert(answerMs < ANSWER_MS_MAX, `${answerMs} ms`);
  const read = await cache.get("object");
  assert(read.kind === "hit" && body.equals(read.bytes));
});

test("12: Invoke throttled, then down, for a while: warm functions go on serving, and all is well after", async (context) => {
  await throttledWhileWarm(context, 4_000);
});
