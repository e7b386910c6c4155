// redis-cli and redis-benchmark, unmodified, against a running pool: 100 MB in and out byte-equal, and what people type.
// Needs the Debian package redis-tools.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { needs, randomFile, run, withPool } from "./running.ts";

const pool = withPool();
before(() => {
  needs("redis-cli", "redis-tools");
  needs("redis-benchmark", "redis-tools");
});

async function cli(...args: string[]): Promise<string> {
  const { host, port } = pool.doors();
  return (await run("redis-cli", ["-h", host, "-p", port, ...args])).trimEnd();
}

test("redis-cli: -x SET and GET of 100 MB are byte-equal", async () => {
  const { host, port } = pool.doors();
  const file = join(pool.folder(), "large");
  const content = randomFile(file, 100_000_000);
  const set = await run("redis-cli", ["-h", host, "-p", port, "-x", "SET", "large"], {
    input: file,
  });
  assert.equal(set.trim(), "OK");
  assert.equal(await cli("STRLEN", "large"), "100000000");
  const back = join(pool.folder(), "back");
  await run("redis-cli", ["-h", host, "-p", port, "GET", "large"], { output: back });
  const got = readFileSync(back);
  // redis-cli ends its answer with a line end.
  assert.equal(got.length, content.length + 1);
  assert.ok(got.subarray(0, -1).equals(content));
  const part = join(pool.folder(), "part");
  await run("redis-cli", ["-h", host, "-p", port, "GETRANGE", "large", "33554000", "67109999"], {
    output: part,
  });
  assert.ok(readFileSync(part).subarray(0, -1).equals(content.subarray(33_554_000, 67_110_000)));
  assert.equal(await cli("DEL", "large"), "1");
  assert.equal(await cli("GET", "large"), "");
});

test("redis-benchmark: 200 sets and gets of 1 MiB, 10 clients, pipelines of 4", async () => {
  const { host, port } = pool.doors();
  const args = ["-t", "set,get", "-d", "1048576", "-n", "200", "-c", "10", "-P", "4", "--csv"];
  const table = await run("redis-benchmark", ["-h", host, "-p", port, ...args]);
  assert.match(table, /"SET"/);
  assert.match(table, /"GET"/);
});

test("redis-benchmark: small sets, gets and msets", async () => {
  const { host, port } = pool.doors();
  const args = [
    "-t",
    "ping,set,get,mset",
    "-d",
    "100",
    "-n",
    "500",
    "-c",
    "10",
    "-r",
    "50",
    "--csv",
  ];
  assert.match(await run("redis-benchmark", ["-h", host, "-p", port, ...args]), /"MSET/);
});

test("redis-cli: what people type is answered as they are used to", async () => {
  assert.equal(await cli("FLUSHALL"), "OK");
  assert.equal(await cli("-3", "PING"), "PONG");
  assert.equal(await cli("SET", "a", "1", "EX", "100"), "OK");
  assert.equal(await cli("SET", "a", "2", "NX"), "");
  assert.equal(await cli("TTL", "a"), "100");
  assert.equal(await cli("MSET", "b", "2", "c", "3"), "OK");
  assert.equal(await cli("MGET", "a", "b", "nope", "c"), "1\n2\n\n3");
  assert.equal(await cli("EXISTS", "a", "b", "nope"), "2");
  assert.equal(await cli("TYPE", "a"), "string");
  assert.equal(await cli("DBSIZE"), "3");
  assert.deepEqual((await cli("--scan", "--pattern", "[ab]")).split("\n").sort(), ["a", "b"]);
  assert.match(await cli("INFO"), /loading:0/);
  assert.match(await cli("--bigkeys"), /Sampled 3 keys in the keyspace/);
  assert.match(await cli("--memkeys"), /Sampled 3 keys in the keyspace/);
  assert.match(await cli("COMMAND", "DOCS", "get"), /summary/);
});

test("redis-cli: --pipe sends inline and encoded commands, and gets every answer", async () => {
  const { host, port } = pool.doors();
  const file = join(pool.folder(), "commands");
  const encoded = "*3\r\n$3\r\nSET\r\n$2\r\np0\r\n$1\r\nx\r\n";
  const inline = Array.from({ length: 200 }, (_, index) => `SET p${index + 1} v${index}\r\n`);
  writeFileSync(file, encoded + inline.join(""));
  const told = await run("redis-cli", ["-h", host, "-p", port, "--pipe"], { input: file });
  assert.match(told, /errors: 0, replies: 201/);
});
