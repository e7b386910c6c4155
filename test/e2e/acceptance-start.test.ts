// Acceptance: how soon `up` is ready, how little memory it takes, and that nothing outlives it, however it was started.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LambdaAdmin } from "./support/lambda-admin.ts";
import { freePorts } from "./support/ports.ts";
import {
  descendants,
  isAlive,
  type Launch,
  ROOT,
  type Started,
  serve,
  start,
  treeMemory,
} from "./support/processes.ts";

const READY_MS_MAX = 5_000;
const TREE_BYTES_MAX = 500_000_000;
const GONE_MS_MAX = 5_000;
const NODES = 24;

test("up: 24 functions are ready within 5 s, in 500 MB for the whole tree", async (context) => {
  const up = await serve(["up", "--nodes", String(NODES), "--port", "0"]);
  const bytes = treeMemory(up.pid);
  const count = 1 + descendants(up.pid).length;
  context.diagnostic(
    `ready after ${up.readyMs.toFixed(0)} ms, ${(bytes / 1e6).toFixed(0)} MB in ${count} processes`,
  );
  assert(count > NODES);
  assert(bytes > 0 && bytes <= TREE_BYTES_MAX, `${bytes} bytes`);
  assert(up.readyMs <= READY_MS_MAX, `${up.readyMs} ms`);
  await endsWith(up, up.pid);
});

/** Ways people start it. */
const WAYS: Readonly<Record<string, Launch>> = {
  "tools/node": {
    command: process.execPath,
    args: [join(ROOT, "tools", "node"), "src/entry/cli.ts"],
  },
  "tools/node, below it": {
    command: process.execPath,
    args: [join(ROOT, "tools", "node"), "--no-deprecation", "src/entry/cli.ts"],
  },
  npx: { command: "npx", args: ["--offline", "infinicache"] },
};

for (const [name, launch] of Object.entries(WAYS)) {
  test(`up by ${name}: 5 s after kill -9 of it nothing lives`, async () => {
    const up = await serve(["up", "--nodes", "6", "--port", "0", "--code", "4+2"], launch);
    await endsWith(up, up.pid);
  });
}

test("up by npx: 5 s after kill -9 of the server alone nothing lives", async () => {
  const up = await serve(["up", "--nodes", "6", "--port", "0", "--code", "4+2"], WAYS["npx"]);
  const instances = await new LambdaAdmin(up.ready.lambda).instances();
  const deepest = [up.pid, ...descendants(up.pid)].filter((pid) =>
    instances.every((row) => descendants(pid).includes(row.pid)),
  );
  await endsWith(up, deepest.at(-1) ?? 0);
});

test("npm start: 5 s after kill -9 of npm nothing lives", async () => {
  const args = [
    "start",
    "--",
    "--nodes",
    "12",
    "--port",
    String(await freePorts()),
    "--size",
    "1MB",
  ];
  const up = await start({ command: "npm", args }, /It goes on serving/);
  await endsWith(up, up.pid);
});

/** Kills `victim` and looks at everything that was below the started process, frozen functions included. */
async function endsWith(up: Started, victim: number): Promise<void> {
  // Long enough for every function to have returned, and so to be frozen.
  await sleep(300);
  const tree = [up.pid, ...descendants(up.pid)];
  assert(tree.length > 6, `${tree.length} processes`);
  process.kill(victim, "SIGKILL");
  const until = performance.now() + GONE_MS_MAX;
  let left = tree;
  while (left.length > 0 && performance.now() < until) {
    await sleep(50);
    left = left.filter(isAlive);
  }
  assert.deepEqual(left, []);
}
