// The programs of examples/ run as their README says, against pools and services of this test.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { resolve } from "node:path";
import { after, test } from "node:test";
import { CliFixture, terminate } from "./cli-fixture.ts";

const folder = resolve(import.meta.dirname, "..", "..", "examples");
const fixture = new CliFixture();
after(() => fixture.end());

function run(example: string, args: readonly string[]): string {
  const path = resolve(folder, example);
  const options = { encoding: "utf8", timeout: 60_000, env: fixture.environment } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], options);
  assert.equal(status, 0, stderr);
  return stdout;
}

test("examples: the toy client sets foo and gets foo", async () => {
  const up = await fixture.start(["up", "--port", "0", "--memory", "128"]);
  const out = run("toy-client.ts", [up.ready.client]);
  assert.match(out, /^Set foo: 10000000 bytes, total [\d.]+ ms$/m);
  assert.match(
    out,
    /^Got foo: 10000000 bytes, total [\d.]+ ms, receive [\d.]+ ms, decode [\d.]+ ms/m,
  );
  assert.equal(await terminate(up), 0);
});

test("examples: a near cache hands out what is current, and asks nobody about what is written once", async () => {
  const up = await fixture.start(["up", "--port", "0", "--memory", "128"]);
  const out = run("near-cache.ts", [up.ready.client]);
  assert.match(
    out,
    /^model 1, over the network: [\d.]+ ms\nmodel 1, from here: [\d.]+ ms\nmodel 2\n/,
  );
  assert.match(out, /^1 hits, 999 unasked, 3 misses, 1 superseded$/m);
  assert.equal(await terminate(up), 0);
});

test("examples: an AWS SDK lists, invokes, is throttled and times out", async () => {
  const service = await fixture.start(["lambda-service", "--port", "0"]);
  const out = run("aws-sdk.ts", [service.ready.lambda]);
  for (const word of ["REPORT", "TooManyRequests", "timed out"]) assert(out.includes(word), out);
  assert.equal(await terminate(service), 0);
});

test("examples: an application has the proxy in its own process, and ends when it is closed", async () => {
  const service = await fixture.start(["lambda-service", "--port", "0"]);
  const startedAt = performance.now();
  const out = run("embedded.ts", [service.ready.lambda]);
  assert.match(out, /^1000 callers, 1 load\nRead 5000000 bytes in /);
  // A timer that was left behind would keep the process for the minute that a function may take.
  assert(performance.now() - startedAt < 30_000);
  assert.equal(await terminate(service), 0);
});

test("examples: inside a function the library works by outbound connections alone", async () => {
  const up = await fixture.start(["up", "--port", "0", "--nodes", "12", "--memory", "128"]);
  const out = run("in-a-function.ts", [up.ready.client, up.ready.lambda]);
  const line =
    'In the function: {"kind":"hit","bytes":5000000,"last":7}\nHere: 5000000 bytes, the last one is 7\n';
  assert.equal(out, line + line);
  assert.equal(await terminate(up), 0);
});

test("examples: there is none that no test runs", () => {
  const tested = [
    "aws-sdk.ts",
    "embedded.ts",
    "in-a-function.ts",
    "near-cache.ts",
    "toy-client.ts",
  ];
  assert.deepEqual(globSync("*.ts", { cwd: folder }).sort(), tested);
});
