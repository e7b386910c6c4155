// A near cache is never stale, with real processes: readers that keep what they read, while others overwrite and delete
// the same keys and a proxy is killed, judged as a register. The proxies come back with what they held.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Cache, CacheError, connect } from "../../src/entry/library.ts";
import { CliFixture, terminate } from "./cli-fixture.ts";
import { markedBytes, markOf } from "./support/bytes.ts";
import { History } from "./support/history.ts";
import { pairOfBlocks, workersOf } from "./support/workers.ts";

const BOUNDS = { bytesMin: 1_000, bytesMax: 400_000 };
const KEYS = Array.from({ length: 8 }, (_, at) => `near/${at}`);
const WRITERS = 2;
const READERS = 4;
const PHASE_MS = 2_500;

const fixture = new CliFixture();
after(() => fixture.end());

/** What is part of the plan while a proxy is away. */
function isExpected(error: unknown): boolean {
  const codes = ["ICACHE_UNREACHABLE", "ICACHE_OUTCOME_UNKNOWN", "ICACHE_DEADLINE"];
  return error instanceof CacheError && codes.includes(error.code);
}

test("near: readers that keep what they read never see what others have replaced, also when a proxy dies", async () => {
  const port = await pairOfBlocks();
  const up = await fixture.start([
    ...["up", "--workers", "2", "--nodes", "12", "--code", "4+2", "--memory", "128"],
    ...["--port", String(port), "--state", fixture.path("state")],
  ]);
  const history = new History();
  let nextBody = 1;
  let isOver = false;
  const writer = async (cache: Cache): Promise<void> => {
    while (!isOver) {
      const key = KEYS[Math.floor(Math.random() * KEYS.length)] ?? "";
      const mark = Math.random() < 0.2 ? null : nextBody++;
      const write = history.beginWrite(key, mark);
      try {
        if (mark === null) await cache.delete(key);
        else await cache.put(key, markedBytes(mark, BOUNDS));
        history.endWrite(write);
      } catch (error) {
        if (!isExpected(error)) throw error;
      }
      await sleep(Math.random() * 60);
    }
  };
  const reader = async (cache: Cache): Promise<void> => {
    while (!isOver) {
      const keys = KEYS.filter(() => Math.random() < 0.5);
      const beganAt = performance.now();
      for (const [at, read] of (await cache.getMany(keys)).entries()) {
        if (read.kind === "failed" && !isExpected(read.error)) throw read.error;
        if (read.kind !== "hit") continue;
        const key = keys[at] ?? "";
        const mark = markOf(read.bytes, BOUNDS);
        if (mark === null) history.fault(`${key}: bytes came that nobody put`);
        else history.hit(key, mark, beganAt);
        read.bytes.fill(0);
      }
    }
  };
  const writers = Array.from({ length: WRITERS }, () => connect({ url: up.ready.client }));
  const readers = Array.from({ length: READERS }, () =>
    connect({ url: up.ready.client, near: { bytes: 2_000_000 } }),
  );
  const working = Promise.all([...writers.map(writer), ...readers.map(reader)]);
  await Promise.race([working, sleep(PHASE_MS)]);
  const hitsBefore = sum(readers, "hits");
  const [, killed = 0] = workersOf(up.child.pid ?? 0);
  process.kill(killed, "SIGKILL");
  await Promise.race([working, sleep(2 * PHASE_MS)]);
  isOver = true;
  await working;
  assert.deepEqual(history.judge(), []);
  assert.ok(hitsBefore > 100, `${hitsBefore} hits`);
  assert.ok(sum(readers, "hits") > hitsBefore, "none after the kill");
  assert.ok(sum(readers, "superseded") > 20, `${sum(readers, "superseded")} superseded`);
  await Promise.all([...writers, ...readers].map((cache) => cache.close()));
  assert.equal(await terminate(up), 0);
});

const sum = (caches: readonly Cache[], name: "hits" | "superseded"): number =>
  caches.reduce((total, cache) => total + (cache.near()?.[name] ?? 0), 0);
