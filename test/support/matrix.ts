// The core cases of functions and network for a pool of any freeze mode and routing: one pool runs them all, one after the
// other. Functions leave 1 ms after their last request, so that nearly every request needs an invocation, and the routing
// decides who answers it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Cache, CacheError } from "../../src/entry/library.ts";
import { makeBytes } from "../e2e/support/bytes.ts";
import { nodeOf } from "./nodes.ts";
import { startPool, type TestPool, until } from "./pool.ts";

const NODES = 8;
const PARITY = 2;
const BYTES = 6_000_000;
const LARGE_BYTES = 40_000_000;
const DEADLINE_MS = 4_000;
const LATE_MS_MAX = 3_000;
/** With p functions stopped: a chunk that stands still is replaced after a second at the latest. */
const STOPPED_MS_MAX = 2_000;
/** With the routing `cold`: how many invocations start an instance although one is idle. */
const COLD = 0.05;

/** Declares the cases for every routing under one freeze mode. */
export function testMatrix(freeze: "stop" | "forwarder"): void {
  for (const instancePolicy of ["most-recent", "least-recent", "random", "cold"] as const) {
    test(`matrix: freeze by ${freeze}, routing ${instancePolicy}`, async (context) => {
      const plan = { nodes: NODES, code: "4+2", memoryMb: 256, linger: "1ms", freeze };
      const started = await startPool(context, plan);
      // Assigned to, not spread: the proxy is a getter.
      const pool = Object.assign(started, { cache: started.client() });
      if (freeze === "forwarder") await pool.admin.bandwidth("unlimited");
      await pool.admin.faults({ instancePolicy, coldProbability: COLD });
      for (const [name, run] of Object.entries(CASES)) {
        await context.test(name, async () => await run(pool));
        pool.functionFaults.treat(() => ({}));
        pool.clientFaults.treat(() => ({}));
        await pool.admin.thaw();
      }
    });
  }
}

/** A pool and a client of it for all cases. */
type Bench = TestPool & { readonly cache: Cache };
type Case = (pool: Bench) => Promise<void>;

const CASES: Readonly<Record<string, Case>> = {
  "1, 2: up to p functions killed between PUT and GET": async (pool) => {
    for (let killed = 1; killed <= PARITY; killed++) {
      const body = await store(pool, killed);
      await kill(pool, killed);
      await expectHit(pool, body);
      await expectHit(pool, body);
    }
  },
  "3: all but d-1 killed": async (pool) => {
    await store(pool, 3);
    await kill(pool, NODES - 3);
    const read = await pool.cache.get("object", { deadlineMs: 20_000 });
    assert.equal(read.kind, "miss");
    await expectHit(pool, await store(pool, 33));
  },
  "4: p functions killed in the middle of a GET": async (pool) => {
    const body = await store(pool, 4, LARGE_BYTES);
    pool.clientFaults.treat(() => ({ delayMs: 20 }));
    const cache = pool.client({ url: pool.clientFaults.address });
    const reading = cache.get("object", { deadlineMs: 30_000 });
    await underWay(pool, "down");
    await kill(pool, PARITY);
    const read = await reading;
    assert(read.kind === "hit" && body.equals(read.bytes), read.kind);
    await cache.close();
  },
  "5: p+1 functions killed in the middle of a PUT": async (pool) => {
    const old = await store(pool, 5);
    const body = makeBytes(55, LARGE_BYTES);
    pool.clientFaults.treat(() => ({ delayMs: 15 }));
    const cache = pool.client({ url: pool.clientFaults.address });
    const putting = cache.put("object", body, { deadlineMs: 30_000 }).then(
      () => null,
      (error: unknown) => error,
    );
    await underWay(pool, "up");
    await kill(pool, PARITY + 1);
    const failure = await putting;
    assert(failure === null || failure instanceof CacheError, String(failure));
    const read = await pool.cache.get("object", { deadlineMs: 20_000 });
    assert(read.kind === "miss" || (failure === null ? body : old).equals(read.bytes), "a mix");
    await cache.close();
  },
  "6: all reclaimed at once": async (pool) => {
    await store(pool, 6);
    await pool.admin.reclaimAll();
    const read = await pool.cache.get("object", { deadlineMs: 20_000 });
    assert.equal(read.kind, "miss");
    await expectHit(pool, await store(pool, 66));
  },
  "8: p functions stopped": async (pool) => {
    const body = await store(pool, 8);
    for (let node = 0; node < PARITY; node++)
      await pool.admin.freeze({ function: `infinicache-${node}` });
    let slowestMs = 0;
    for (let round = 0; round < 10; round++) {
      const startedAt = performance.now();
      await expectHit(pool, body);
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    }
    assert(slowestMs < STOPPED_MS_MAX, `${slowestMs} ms`);
  },
  "9: more stopped than parity replaces": async (pool) => {
    const body = await store(pool, 9);
    for (let node = 0; node < NODES - 3; node++)
      await pool.admin.freeze({ function: `infinicache-${node}` });
    const startedAt = performance.now();
    const read = await pool.cache.get("object", { deadlineMs: DEADLINE_MS });
    assert.deepEqual(read, { kind: "miss", reason: "unreachable" });
    assert(performance.now() - startedAt < DEADLINE_MS + LATE_MS_MAX);
    await pool.admin.thaw();
    await heals(pool, body);
  },
  "10: every request meets a function that leaves": async (pool) => {
    pool.functionFaults.treat(() => ({ delayMs: 5 }));
    const versions = new Set<number>();
    for (let round = 0; round < 10; round++) {
      const body = makeBytes(round, 20_000 + round);
      const put = await pool.cache.put("small", body);
      assert(put.kind === "stored" && !versions.has(put.version));
      versions.add(put.version);
      const read = await pool.cache.get("small");
      assert(read.kind === "hit" && body.equals(read.bytes) && read.object.version === put.version);
    }
  },
  "11: more bytes than there is room for": async (pool) => {
    const { capacityBytes } = await pool.status();
    // Kills of working functions count as crashes, too: only new ones matter.
    const { crashes } = await pool.admin.counters();
    const count = Math.ceil((1.3 * capacityBytes) / (1.5 * LARGE_BYTES));
    for (let index = 0; index < count; index++)
      await pool.cache.put(`much ${index}`, makeBytes(index, LARGE_BYTES));
    const last = await pool.cache.get(`much ${count - 1}`);
    assert(last.kind === "hit" && makeBytes(count - 1, LARGE_BYTES).equals(last.bytes));
    assert.equal((await pool.admin.counters()).crashes, crashes);
    for (let index = 0; index < count; index++) await pool.cache.delete(`much ${index}`);
  },
  "14: p functions' connections gone silent": async (pool) => {
    const body = await store(pool, 14);
    const silent = new Set(
      pool.functionFaults.links.filter((link) => (nodeOf(link) ?? PARITY) < PARITY),
    );
    pool.functionFaults.treat((link) => ({ isSilent: silent.has(link) }));
    for (let round = 0; round < 3; round++) await expectHit(pool, body);
  },
  "15: most of the pool cut off, then back": async (pool) => {
    const body = await store(pool, 15);
    pool.functionFaults.treat((link) => ({ isSilent: (nodeOf(link) ?? NODES) < NODES - 3 }));
    const read = await pool.cache.get("object", { deadlineMs: DEADLINE_MS });
    assert.deepEqual(read, { kind: "miss", reason: "unreachable" });
    pool.functionFaults.treat(() => ({}));
    await heals(pool, body);
  },
  "16: bits flipped in flight": async (pool) => {
    pool.functionFaults.treat(() => ({ flipEveryBytes: 25_000_000 }));
    const before = pool.functionFaults.flips;
    for (let round = 0; round < 8 || pool.functionFaults.flips === before; round++)
      await expectHit(pool, await store(pool, 160 + round));
  },
  "17: everything from most functions damaged": async (pool) => {
    const body = await store(pool, 17);
    pool.functionFaults.treat((link) =>
      (nodeOf(link) ?? NODES) < NODES - 3 ? { flipEveryBytes: 10_000, only: "up" } : {},
    );
    const read = await pool.cache.get("object", { deadlineMs: DEADLINE_MS });
    assert.equal(read.kind, "miss");
    pool.functionFaults.treat(() => ({}));
    await heals(pool, body);
  },
};

async function store(pool: Bench, seed: number, bytes = BYTES): Promise<Buffer> {
  const body = makeBytes(seed, bytes);
  await pool.cache.put("object", body, { deadlineMs: 30_000 });
  return body;
}

async function expectHit(pool: Bench, body: Buffer): Promise<void> {
  const read = await pool.cache.get("object", { deadlineMs: 20_000 });
  // Told by its kind: as JSON, six megabytes would take seconds.
  const told = read.kind === "hit" ? "a hit of other bytes" : `a miss, ${read.reason}`;
  assert(read.kind === "hit" && body.equals(read.bytes), told);
}

async function heals(pool: Bench, body: Buffer): Promise<void> {
  await until("a hit again", 90_000, async () => {
    const read = await pool.cache.get("object", { deadlineMs: 10_000 });
    assert(read.kind === "hit" || read.reason === "unreachable", "what was out of reach is lost");
    return read.kind === "hit" && body.equals(read.bytes);
  });
}

/** Kills all instances of the first so many functions. */
async function kill(pool: TestPool, count: number): Promise<void> {
  for (let node = 0; node < count; node++)
    await pool.admin.kill({ function: `infinicache-${node}` });
}

async function underWay(pool: TestPool, direction: "up" | "down"): Promise<void> {
  await until("bytes on their way", 10_000, () =>
    pool.clientFaults.links.some(({ bytes }) => bytes[direction] > 1_000_000),
  );
}
