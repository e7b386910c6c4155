// Real files and pipes through `up`, put and get: sizes, ranges, misses, and an orderly end.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { CliFixture, type Serving, terminate } from "./cli-fixture.ts";

const fixture = new CliFixture();
let up: Serving;

before(async () => {
  up = await fixture.start(["up", "--port", "0", "--memory", "256"]);
  fixture.environment["INFINICACHE_URL"] = up.ready.client;
});
after(() => fixture.end());

const SIZES = [0, 1, 1_000, 131_072, 131_073, 1_000_000, 10_000_000];

test("up --json: one line with every address, and every function has said hello", () => {
  for (const name of ["client", "functions", "resp"] as const) {
    assert.match(up.ready[name], /^127\.0\.0\.1:\d+$/);
  }
  assert.match(up.ready.lambda, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.match(up.ready.http, /^http:\/\/127\.0\.0\.1:\d+$/);
  const status = JSON.parse(fixture.run(["status", "--json"]).out.toString());
  assert.equal(status.nodes.greeted, 24);
});

test("put, get: files of 0 B to 10 MB come back equal", () => {
  for (const bytes of SIZES) {
    const body = randomBytes(bytes);
    writeFileSync(fixture.path("in"), body);
    assert.equal(fixture.run(["put", `file-${bytes}`, fixture.path("in")]).code, 0);
    const got = fixture.run(["get", `file-${bytes}`, "-o", fixture.path("out")]);
    assert.equal(got.code, 0, got.err);
    assert(readFileSync(fixture.path("out")).equals(body), `${bytes} bytes differ`);
  }
  assert.deepEqual(
    readdirSync(fixture.folder).filter((name) => name.endsWith(".part")),
    [],
  );
});

test("put, get: pipes of 0 B to 10 MB come back equal", () => {
  for (const bytes of SIZES) {
    const body = randomBytes(bytes);
    assert.equal(fixture.run(["put", `pipe-${bytes}`, "-"], body).code, 0);
    const got = fixture.run(["get", `pipe-${bytes}`]);
    assert.equal(got.code, 0, got.err);
    assert(got.out.equals(body), `${bytes} bytes differ`);
  }
});

test("put, get: 70 MB in three stripes, and ranges over their edges", () => {
  const body = randomBytes(70_000_000);
  writeFileSync(fixture.path("large"), body);
  assert.equal(fixture.run(["put", "large", fixture.path("large")]).code, 0);
  assert(fixture.run(["get", "large"]).out.equals(body));
  for (const [first, last] of [
    [33_554_400, 33_554_500],
    [0, 0],
    [69_999_990, 80_000_000],
  ] as const) {
    const { out } = fixture.run(["get", "large", "--range", `${first}-${last}`]);
    assert(out.equals(body.subarray(first, last + 1)), `${first}-${last}`);
  }
});

test("get --range: one that begins beyond the end is an error that says where the end is, and writes nothing", () => {
  fixture.run(["put", "ten", "-"], Buffer.from("0123456789"));
  for (const [range, file] of [
    ["10-", "-"],
    ["5000-6000", fixture.path("beyond")],
  ] as const) {
    const { code, err, out } = fixture.run(["get", "ten", "--range", range, "-o", file]);
    assert.equal(code, 2, err);
    assert.equal(out.length, 0);
    assert.match(err, /ten has 10, from 0 to 9/);
  }
  assert(!readdirSync(fixture.folder).includes("beyond"));
  fixture.run(["put", "nothing", "-"], Buffer.alloc(0));
  assert.match(fixture.run(["get", "nothing", "--range", "0-"]).err, /nothing has none/);
  assert.equal(fixture.run(["get", "ten", "--range", "9-20"]).out.toString(), "9");
});

test("get: of an absent key exits 1 with a message", () => {
  const { code, err, out } = fixture.run(["get", "never-stored"]);
  assert.equal(code, 1);
  assert.equal(out.length, 0);
  assert.match(err, /never-stored: not in the cache/);
});

test("stat, ls, del: see what was put, and that it is gone", () => {
  fixture.run(["put", "seen/a", "-", "--meta", "kind=test", "--ttl", "1h"], Buffer.from("abc"));
  const info = JSON.parse(fixture.run(["stat", "seen/a", "--json"]).out.toString());
  assert.equal(info.bytes, 3);
  assert.equal(info.code, "1+2");
  assert.deepEqual(info.metadata, { kind: "test" });
  assert.notEqual(info.expiresAt, null);
  const rows = fixture.run(["ls", "seen/", "--json"]).out.toString().trim().split("\n");
  assert.deepEqual(
    rows.map((row) => JSON.parse(row).key),
    ["seen/a"],
  );
  assert.equal(fixture.run(["del", "seen/a"]).code, 0);
  assert.equal(fixture.run(["get", "seen/a"]).code, 1);
  assert.equal(fixture.run(["del", "seen/a"]).code, 1);
});

test("put --code: the code is kept, and one too wide for the pool is refused", () => {
  fixture.run(["put", "coded", "-", "--code", "5+1"], Buffer.alloc(1_000));
  assert.equal(JSON.parse(fixture.run(["stat", "coded", "--json"]).out.toString()).code, "5+1");
  const wide = fixture.run(["put", "wide", "-", "--code", "40+2"], Buffer.alloc(1_000));
  assert([2, 4].includes(wide.code ?? 0), `exit ${wide.code}: ${wide.err}`);
});

test("bench: drives the cache and finds no wrong byte", () => {
  const args = [
    "bench",
    "-n",
    "30",
    "-c",
    "3",
    "--keys",
    "1..5",
    "--size",
    "1KB..200KB",
    "--dist",
    "ycsb-a",
  ];
  const { code, out, err } = fixture.run([...args, "--json"]);
  assert.equal(code, 0, err);
  const report = JSON.parse(out.toString());
  assert.equal(report.put.operations + report.get.operations, 30);
  assert.equal(report.get.wrong + report.get.misses, 0);
  const { port } = new URL(up.ready.http);
  const http = fixture.run([...args, "--target", "http", "--addr", `127.0.0.1:${port}`, "--json"]);
  assert.equal(http.code, 0, http.err);
  const redis = fixture.run([...args, "--target", "redis", "--addr", up.ready.resp, "--json"]);
  assert.equal(redis.code, 0, redis.err);
  // Each has removed what it had stored, unless it was to be kept.
  const stored = () => fixture.run(["ls", "bench/", "--json"]).out.toString().trim();
  assert.equal(stored(), "");
  assert.equal(fixture.run([...args, "--keep"]).code, 0);
  assert.equal(stored().split("\n").length, 5);
});

test("up: ends with exit 0 on SIGTERM, and its note is gone", async () => {
  assert.equal(await terminate(up), 0);
  assert.deepEqual(
    readdirSync(fixture.folder).filter((name) => name.startsWith("pool-")),
    [],
  );
});
