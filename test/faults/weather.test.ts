// Faults that last: a straggler, a platform that throttles, half of the pool cut off, a client's own connection gone
// silent. Minutes rather than seconds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeBytes } from "../e2e/support/bytes.ts";
import { nodeOf } from "../support/nodes.ts";
import { startPool, until } from "../support/pool.ts";
import { throttledWhileWarm } from "../support/throttled.ts";

const BYTES = 4_000_000;
const LATE_MS_MAX = 3_000;
/** How long Invoke is refused. */
const THROTTLE_MS = Number(process.env["FAULTS_THROTTLE_MS"] ?? 60_000);
/** With one function stopped, 99 in 100 GETs are as fast as this, and as ten times without. */
const P99_MS_MAX = 2_000;

test("8: one function stopped: every GET completes, and the slowest do not wait for it", async (context) => {
  const pool = await startPool(context, { nodes: 8, code: "4+2" });
  const cache = pool.client();
  const body = makeBytes(8, BYTES);
  for (let index = 0; index < 10; index++) await cache.put(`object ${index}`, body);
  const calm = await readAll(100);
  await pool.admin.freeze({ function: "infinicache-0" });
  const stopped = await readAll(200);
  await pool.admin.thaw();
  const say = (times: readonly number[]) =>
    `p50 ${quantile(times, 0.5)}, p99 ${quantile(times, 0.99)}, max ${quantile(times, 1)} ms`;
  context.diagnostic(`before: ${say(calm)}; with one stopped: ${say(stopped)}`);
  const bound = Math.min(P99_MS_MAX, Math.max(200, 10 * quantile(calm, 0.99)));
  assert(quantile(stopped, 0.99) < bound, `p99 ${quantile(stopped, 0.99)} ms, bound ${bound}`);
  // An invocation in doubt lasts 45 s and more: nothing here may be of that order.
  assert(quantile(stopped, 1) < 2 * P99_MS_MAX, `slowest ${quantile(stopped, 1)} ms`);
  assert.equal((await pool.admin.counters()).instancesStarted, 8);

  async function readAll(count: number): Promise<number[]> {
    const times: number[] = [];
    for (let index = 0; index < count; index++) {
      const startedAt = performance.now();
      const read = await cache.get(`object ${index % 10}`, { deadlineMs: 30_000 });
      times.push(performance.now() - startedAt);
      assert(read.kind === "hit" && body.equals(read.bytes));
      await sleep(10);
    }
    return times;
  }
});

test("12: Invoke throttled, then down: warm functions go on serving, wakes back off, and all is well after", async (context) => {
  await throttledWhileWarm(context, THROTTLE_MS);
});

test("12: Invoke throttled while functions sleep: clean misses, tries that back off, and hits afterwards", async (context) => {
  const FAULT_MS = THROTTLE_MS;
  const NODES = 8;
  const pool = await startPool(context, { nodes: NODES, code: "4+2" });
  const cache = pool.client();
  const body = makeBytes(12, BYTES);
  await cache.put("object", body);
  await sleep(1_000);
  await pool.admin.faults({ throttleMs: FAULT_MS });
  const endsAt = performance.now() + FAULT_MS - 1_500;
  let misses = 0;
  while (performance.now() < endsAt) {
    const read = await cache.get("object", { deadlineMs: 1_000 });
    assert.deepEqual(read, { kind: "miss", reason: "unreachable" });
    misses++;
    await sleep(20);
  }
  const { throttles } = (await pool.status()).counters;
  context.diagnostic(`${misses} misses, ${throttles} throttled invocations of ${NODES} functions`);
  // 50 ms doubling to 5 s, with jitter: seven tries in the first ten seconds, then one each 5 s or so.
  assert(throttles > 0 && throttles < NODES * (10 + FAULT_MS / 2_000), `${throttles} throttles`);
  const healMs = await until("a hit again", 30_000, async () => {
    const read = await cache.get("object", { deadlineMs: 10_000 });
    return read.kind === "hit" && body.equals(read.bytes);
  });
  context.diagnostic(`a hit ${healMs.toFixed(0)} ms after the last miss`);
});

test("14: a client's own connection gone silent: it is found out, and the GET answered over a new one", async (context) => {
  const pool = await startPool(context, { nodes: 6, code: "4+2" });
  const body = makeBytes(14, BYTES);
  const cache = pool.client({ url: pool.clientFaults.address });
  await cache.put("object", body);
  const silent = new Set(pool.clientFaults.links);
  pool.clientFaults.treat((link) => ({ isSilent: silent.has(link) }));
  const startedAt = performance.now();
  const read = await cache.get("object", { deadlineMs: 90_000 });
  const ms = performance.now() - startedAt;
  context.diagnostic(`answered after ${ms.toFixed(0)} ms`);
  assert(read.kind === "hit" && body.equals(read.bytes));
});

test("15: half of the pool cut off: keys with d chunks on this side hit, others miss by the deadline; it heals by itself", async (context) => {
  const NODES = 12;
  const KEYS = 40;
  const DEADLINE_MS = 4_000;
  const pool = await startPool(context, { nodes: NODES, code: "4+2" });
  const cache = pool.client();
  const bodies = Array.from({ length: KEYS }, (_, index) => makeBytes(index, 400_000));
  // All at once: one after the other they would go to the nodes that the first one woke (decision 0023).
  await Promise.all(bodies.map((body, index) => cache.put(`object ${index}`, body)));
  await sleep(500);
  pool.functionFaults.treat((link) => ({ isSilent: (nodeOf(link) ?? NODES) < NODES / 2 }));
  let hits = 0;
  const startedAt = performance.now();
  await Promise.all(
    bodies.map(async (body, index) => {
      const read = await cache.get(`object ${index}`, { deadlineMs: DEADLINE_MS });
      if (read.kind === "hit") {
        hits++;
        assert(body.equals(read.bytes));
      } else assert.equal(read.reason, "unreachable");
    }),
  );
  const ms = performance.now() - startedAt;
  assert(ms < DEADLINE_MS + LATE_MS_MAX, `${ms} ms`);
  assert(hits > 0 && hits < KEYS, `${hits} of ${KEYS} hit`);
  pool.functionFaults.treat(() => ({}));
  const healMs = await until("all hit again", 90_000, async () => {
    const reads = await Promise.all(
      bodies.map((_, index) => cache.get(`object ${index}`, { deadlineMs: 10_000 })),
    );
    return reads.every((read, index) => read.kind === "hit" && bodies[index]?.equals(read.bytes));
  });
  context.diagnostic(`${hits} of ${KEYS} hit, healed within ${healMs.toFixed(0)} ms`);
  assert.equal((await pool.admin.counters()).instancesStarted, NODES);
});

function quantile(times: readonly number[], part: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0);
}
