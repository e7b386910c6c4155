// Many clients at once, judged as registers that may lose: storms of GET, PUT and DELETE with kills, under both freeze
// modes and every routing; 50 writers and 50 readers of one key; kill -9 of the proxy in the middle of it.
// FAULTS_STORM_S lengthens each storm (default 20 s); FAULTS_LONG_S is the length of the long one (default ten minutes).

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../src/entry/library.ts";
import { makeBytes } from "../e2e/support/bytes.ts";
import { History } from "../e2e/support/history.ts";
import { startLoad } from "../e2e/support/load.ts";
import { type PoolPlan, startPool, type TestPool, until } from "../support/pool.ts";

const STORM_MS = 1_000 * Number(process.env["FAULTS_STORM_S"] ?? 20);
const LONG_MS = 1_000 * Number(process.env["FAULTS_LONG_S"] ?? 600);
const KILL_EVERY_MS = 1_000;
const KEYS = 24;
const ROUTINGS = ["most-recent", "least-recent", "random", "cold"] as const;
const FREEZES = ["stop", "forwarder"] as const;
/** What callers are told while the proxy is away; whether such a call took effect is for the history to allow. */
const AWAY: ReadonlySet<string> = new Set(["ICACHE_UNREACHABLE", "ICACHE_OUTCOME_UNKNOWN"]);

for (const freeze of FREEZES) {
  for (const instancePolicy of ROUTINGS) {
    test(`23: storm with kills, freeze by ${freeze}, routing ${instancePolicy}: a register, no error, no stuck key`, async (context) => {
      const pool = await startPool(context, { nodes: 12, code: "4+2", memoryMb: 256, freeze });
      await pool.admin.faults({ instancePolicy, coldProbability: 0.05 });
      await storm(context, pool, async () => void (await pool.admin.kill({ count: 1 })));
    });
  }
}

test("23: the long storm with kills, routing random: a register, no error, no stuck key", async (context) => {
  const pool = await startPool(context, { nodes: 12, code: "4+2", memoryMb: 256 });
  await pool.admin.faults({ instancePolicy: "random" });
  await storm(context, pool, async () => void (await pool.admin.kill({ count: 1 })), LONG_MS);
});

test("23: storm with functions stopped and let go: a register, no error, no stuck key", async (context) => {
  const pool = await startPool(context, { nodes: 12, code: "4+2", memoryMb: 256 });
  let turn = 0;
  await storm(context, pool, async () => {
    if (turn++ % 3 === 2) await pool.admin.thaw();
    else await pool.admin.freeze({ count: 1 });
  });
});

test("22: 50 writers and 50 readers of one key, 10 MB each: the history is that of a register", async (context) => {
  const BYTES = 10_000_000;
  const pool = await startPool(context, { nodes: 12, code: "4+2", memoryMb: 512 });
  const history = new History();
  // Bodies are told apart by their first bytes; the rest is one of eight patterns, made once.
  const patterns = Array.from({ length: 8 }, (_, seed) => makeBytes(seed, BYTES));
  const endsAt = performance.now() + STORM_MS;
  let [next, puts, hits] = [1, 0, 0];
  const refusals: string[] = [];
  const writers = Array.from({ length: 50 }, async () => {
    const cache = pool.client();
    while (performance.now() < endsAt) {
      const number = next++;
      const body = Buffer.from(patterns[number % 8] ?? []);
      body.writeUInt32BE(number, 0);
      const write = history.beginWrite("key", number);
      try {
        await cache.put("key", body, { deadlineMs: 120_000 });
      } catch (error) {
        // A clear failure is an answer, too: it may or may not have taken effect.
        refusals.push(String(error));
        continue;
      }
      history.endWrite(write);
      puts++;
    }
  });
  const readers = Array.from({ length: 50 }, async () => {
    const cache = pool.client();
    const into = Buffer.alloc(BYTES);
    while (performance.now() < endsAt) {
      const beganAt = performance.now();
      const read = await cache.getInto("key", into, { deadlineMs: 120_000 });
      if (read.kind === "miss") continue;
      hits++;
      const number = into.readUInt32BE(0);
      const isWhole =
        read.bytes === BYTES && patterns[number % 8]?.subarray(4).equals(into.subarray(4)) === true;
      if (!isWhole) history.fault(`body ${number} is not whole`);
      history.hit("key", number, beganAt);
    }
  });
  await Promise.all([...writers, ...readers]);
  const { counters } = await pool.status();
  context.diagnostic(
    `${puts} PUTs, ${hits} hits of 10 MB; ${counters.resends} chunks sent again; refused: ${JSON.stringify([...new Set(refusals)])}`,
  );
  assert.deepEqual(history.judge(), []);
  assert(puts >= 50 && hits > 0);
});

test("26: kill -9 of the proxy under load, 24 nodes: serving in 5 s, nothing wrong served, nothing lost", async (context) => {
  const plan: PoolPlan = { nodes: 24, code: "10+2", memoryMb: 256 };
  const pool = await startPool(context, plan);
  const history = new History();
  const load = startLoad(
    context,
    {
      url: pool.url,
      ...{ clients: 6, keys: KEYS, bytesMin: 10_000, bytesMax: 3_000_000 },
      isExpected: ({ code }) => AWAY.has(code),
    },
    history,
  );
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    await sleep(STORM_MS / 6);
    const startedAt = performance.now();
    await pool.restart();
    // Serving is a PUT that has been stored.
    const cache = connect({ url: pool.url });
    await cache.put("after", makeBytes(round, 1_000_000));
    await cache.close();
    times.push(Math.round(performance.now() - startedAt));
  }
  await sleep(STORM_MS / 6);
  await load.stop();
  context.diagnostic(`a PUT stored after ${times.join(", ")} ms; ${JSON.stringify(load.counts)}`);
  assert.deepEqual(history.judge(), []);
  assert.deepEqual(load.counts.errors, []);
  assert.equal(load.counts.misses.lost, 0);
  assert(Math.max(...times) < 5_000, `${times.join(", ")} ms`);
});

test("11: more bytes than the functions hold: evicted or refused, and no function dies of it", async (context) => {
  const pool = await startPool(context, { nodes: 6, code: "4+2", memoryMb: 192 });
  const cache = pool.client();
  const { capacityBytes } = await pool.status();
  const bytes = 8_000_000;
  const count = Math.ceil((2 * capacityBytes) / (1.5 * bytes));
  for (let index = 0; index < count; index++)
    await cache.put(`object ${index}`, makeBytes(index, bytes));
  const last = await cache.get(`object ${count - 1}`);
  assert(last.kind === "hit" && makeBytes(count - 1, bytes).equals(last.bytes));
  const { counters, chunkBytes } = await pool.status();
  const { crashes, instancesStarted } = await pool.admin.counters();
  context.diagnostic(
    `${count} PUTs of ${bytes} bytes into ${capacityBytes}: ${counters.evictions} evicted, ${counters.resends} sent again`,
  );
  assert(counters.evictions > 0 && chunkBytes <= capacityBytes);
  assert.deepEqual({ crashes, instancesStarted }, { crashes: 0, instancesStarted: 6 });
});

async function storm(
  context: TestContext,
  pool: TestPool,
  act: () => Promise<void>,
  forMs = STORM_MS,
): Promise<void> {
  const history = new History();
  const plan = { url: pool.url, clients: 8, keys: KEYS, bytesMin: 10_000, bytesMax: 4_000_000 };
  const load = startLoad(context, plan, history);
  const endsAt = performance.now() + forMs;
  while (performance.now() < endsAt) {
    await sleep(KILL_EVERY_MS);
    await act();
  }
  await pool.admin.thaw();
  await load.stop();
  context.diagnostic(JSON.stringify(load.counts));
  assert.deepEqual(history.judge(), []);
  assert.deepEqual(load.counts.errors, []);
  assert(load.counts.hits > 0 && load.counts.puts > 0);
  const cache = pool.client();
  for (let index = 0; index < KEYS; index++) {
    const body = makeBytes(index, 100_000);
    await until(`key ${index} can be written and read`, 60_000, async () => {
      await cache.put(`key ${index}`, body, { deadlineMs: 30_000 });
      const read = await cache.get(`key ${index}`, { deadlineMs: 10_000 });
      return read.kind === "hit" && body.equals(read.bytes);
    });
  }
}
