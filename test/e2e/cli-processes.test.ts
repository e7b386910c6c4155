// What becomes of processes: nothing outlives `up`, taken ports are told, --detach and down are a pair, and wrong
// settings start nothing.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CliFixture, living, processTree, terminate } from "./cli-fixture.ts";

const fixture = new CliFixture();
after(() => fixture.end());

/** Few and small: these tests are about processes, not about data. */
const SMALL = ["--nodes", "6", "--memory", "128", "--code", "4+2"];
const DEAD_MS_MAX = 5_000;

async function allDead(pids: readonly number[]): Promise<number[]> {
  const until = performance.now() + DEAD_MS_MAX;
  let left = living(pids);
  while (left.length > 0 && performance.now() < until) {
    await sleep(100);
    left = living(pids);
  }
  return left;
}

test("up: 5 s after kill -9 nothing of it lives, frozen functions included", async () => {
  const up = await fixture.start(["up", "--port", "0", ...SMALL]);
  const pids = processTree(up.child.pid ?? 0);
  assert(pids.length > 6, `${pids.length} processes`);
  up.child.kill("SIGKILL");
  await once(up.child, "exit");
  assert.deepEqual(await allDead(pids), []);
});

test("up: SIGTERM lets a put under way finish, and then exits 0", async () => {
  const up = await fixture.start(["up", "--port", "0", ...SMALL]);
  const put = fixture.pipe(["put", "k", "-", "--url", up.ready.client]);
  // More than one stripe, so that the first is on its way while the end has yet to come.
  put.child.stdin?.write(Buffer.alloc(45_000_000));
  const status = ["status", "--json", "--url", up.ready.client];
  const storedBytes = () => {
    const { nodes } = JSON.parse(fixture.run(status).out.toString());
    return nodes.rows.reduce((sum: number, row: { usedBytes: number }) => sum + row.usedBytes, 0);
  };
  for (let tries = 0; tries < 50 && storedBytes() < 1_000_000; tries++) await sleep(50);
  const ended = once(up.child, "exit");
  up.child.kill("SIGTERM");
  await sleep(300);
  put.child.stdin?.end(Buffer.alloc(1_000_000));
  assert.equal(await put.ended, 0);
  assert.equal((await ended)[0], 0);
});

test("up: a taken port names its holder and the flag, and nothing is left running", async () => {
  const up = await fixture.start(["up", "--port", "0", ...SMALL]);
  const port = new URL(up.ready.lambda).port;
  const second = fixture.run(["lambda-service", "--port", port]);
  assert.equal(second.code, 4);
  assert.match(second.err, new RegExp(`port ${port} is taken by pid ${up.child.pid} .*\n.*--port`));
  assert.equal(await terminate(up), 0);
});

test("up --detach, down: returns when ready; down waits until all is gone", async () => {
  const started = fixture.run(["up", "--port", "0", "--detach", "--json", ...SMALL]);
  assert.equal(started.code, 0, started.err);
  const ready = JSON.parse(started.out.toString());
  assert.equal(ready.ready, true);
  const port = ready.client.split(":").at(-1);
  fixture.environment["INFINICACHE_URL"] = ready.client;
  assert.equal(fixture.run(["put", "k", "-"], Buffer.from("detached")).code, 0);
  assert.equal(fixture.run(["get", "k"]).out.toString(), "detached");
  delete fixture.environment["INFINICACHE_URL"];
  const down = fixture.run(["down", "--port", port, "--json"]);
  assert.equal(down.code, 0, down.err);
  const [pid] = JSON.parse(down.out.toString()).stopped;
  assert.deepEqual(living([pid]), []);
  assert.equal(fixture.run(["down", "--port", port]).code, 1);
});

test("up --detach: what hinders the start is told as without it, with the same exit code", async () => {
  const up = await fixture.start(["up", "--port", "0", ...SMALL]);
  const port = up.ready.client.split(":").at(-1) ?? "";
  const second = fixture.run(["up", "--detach", "--port", port, ...SMALL]);
  assert.equal(second.code, 4);
  assert.match(second.err, /^infinicache: port \d+ is taken by pid /m);
  assert.doesNotMatch(second.err, /^\s*(infinicache:)?\s+at /m);
  assert.equal(await terminate(up), 0);
});

test("proxy: with no Lambda service there, exit 3 and what to do", () => {
  const args = ["proxy", "--port", "0", "--lambda", "http://127.0.0.1:9"];
  const { code, err } = fixture.run(args);
  assert.equal(code, 3, err);
  assert.match(err, /no Lambda service answers at http:\/\/127\.0\.0\.1:9/);
});

test("proxy: a signal ends the wait for functions that cannot reach it", async () => {
  const service = await fixture.start(["lambda-service", "--port", "0"]);
  const lambda = service.ready.lambda;
  const args = ["proxy", "--port", "0", "--lambda", lambda, "--advertise", "127.0.0.1:9", ...SMALL];
  const { child, ended } = fixture.pipe(args);
  await sleep(2_000);
  child.kill("SIGTERM");
  assert.equal(await ended, 130);
  assert.equal(await terminate(service), 0);
});

test("up: unknown and impossible settings are exit 2, told together", () => {
  fixture.environment["INFINICACHE_NODS"] = "3";
  const wrong = fixture.run(["up", "--memory", "1", "--reclaim", "maybe"]);
  delete fixture.environment["INFINICACHE_NODS"];
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /INFINICACHE_NODS; did you mean INFINICACHE_NODES/);
  assert.match(wrong.err, /--memory/);
  assert.match(wrong.err, /--reclaim/);
});

test("get: with no proxy there, exit 3 within seconds and what to do", () => {
  const startedAt = performance.now();
  const { code, err } = fixture.run(["get", "k", "--url", "127.0.0.1:9"]);
  assert.equal(code, 3);
  assert.match(err, /infinicache up/);
  assert(performance.now() - startedAt < 10_000);
});

test("demo: runs through and exits 0", () => {
  const demo = fixture.run(["demo", "--size", "3MB", "--json", ...SMALL]);
  assert.equal(demo.code, 0, demo.err);
  const { isEqual, killed } = JSON.parse(demo.out.toString());
  assert.equal(isEqual, true);
  assert.equal(killed.length, 2);
});
