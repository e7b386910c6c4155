// `up --workers`: several proxies on one host as one cache. A worker that is killed comes back with what it held, and
// none outlives the process that started it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../src/entry/library.ts";
import { CliFixture, living, processTree, terminate } from "./cli-fixture.ts";
import { pairOfBlocks, workersOf } from "./support/workers.ts";

const KEYS = Array.from({ length: 30 }, (_, at) => `doors/key-${at}`);
const fixture = new CliFixture();
after(() => fixture.end());

test("workers: all doors serve every key, a killed worker comes back with its objects, none is left", async () => {
  const port = await pairOfBlocks();
  const up = await fixture.start([
    ...["up", "--workers", "2", "--nodes", "12", "--code", "4+2", "--memory", "128"],
    ...["--port", String(port), "--state", fixture.path("state")],
  ]);
  const pid = up.child.pid ?? 0;
  const cache = connect({ url: up.ready.client });
  for (const [at, key] of KEYS.entries()) await cache.put(key, new Uint8Array(3_000).fill(at));
  for (const base of [port, port + 5]) {
    for (const [at, key] of KEYS.entries()) {
      const answer = await fetch(`http://127.0.0.1:${base + 3}/objects/${key}`);
      assert.equal(answer.status, 200, `${key} at ${base}`);
      assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), new Uint8Array(3_000).fill(at));
    }
  }
  const workers = workersOf(pid);
  assert.equal(workers.length, 2);
  process.kill(workers[1] ?? 0, "SIGKILL");
  for (const [at, key] of KEYS.entries()) {
    const read = await cache.get(key, { deadlineMs: 20_000 });
    assert.ok(read.kind === "hit", `${key} after the kill`);
    assert.equal(read.bytes[0], at);
  }
  await cache.close();
  const tree = processTree(pid);
  assert.equal(await terminate(up), 0);
  await sleep(200);
  assert.deepEqual(living(tree), []);
});

test("workers: killed with -9, the process that started them leaves none behind", async () => {
  const port = await pairOfBlocks();
  const up = await fixture.start([
    ...["up", "--workers", "2", "--nodes", "4", "--code", "1+1", "--memory", "128"],
    ...["--port", String(port)],
  ]);
  const tree = processTree(up.child.pid ?? 0);
  up.child.kill("SIGKILL");
  await once(up.child, "exit");
  for (let tries = 0; tries < 150 && living(tree).length > 0; tries++) await sleep(100);
  assert.deepEqual(living(tree), []);
});
