// Acceptance: objects of every size through the library and the command line, and ranges over the edges of stripes
// through the library, the command line and HTTP. 1 GB and 5 GB are `npm run soak -- sizes`.

import assert from "node:assert/strict";
import { createWriteStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, test } from "node:test";
import { STRIPE_BYTES_MAX } from "../../src/core/limits.ts";
import { type Cache, connect } from "../../src/entry/library.ts";
import { makeBytes, streamBytes } from "./support/bytes.ts";
import { FOLDER, runCommand, type Serving, serve } from "./support/processes.ts";

const SIZES = [0, 1, 1_000, 1_000_000, 10_000_000, 100_000_000];
/** Four stripes. */
const LARGE = 100_000_000;
/** As HTTP has it: a namespace and a name. */
const LARGE_KEY = "acceptance/large";
let up: Serving;
let cache: Cache;

before(async () => {
  up = await serve(["up", "--port", "0", "--nodes", "24", "--memory", "256"]);
  cache = connect({ url: up.ready.client });
});
after(async () => {
  await cache.close();
  await up.kill();
});

test("library: 0 B to 100 MB come back equal, put as a buffer and as a stream", async (context) => {
  for (const [index, bytes] of SIZES.entries()) {
    const body = makeBytes(index, bytes);
    const startedAt = performance.now();
    await cache.put(`buffer ${bytes}`, body);
    await cache.put(`stream ${bytes}`, streamBytes(index, bytes));
    const putMs = performance.now() - startedAt;
    for (const name of ["buffer", "stream"]) {
      const read = await cache.get(`${name} ${bytes}`);
      assert(read.kind === "hit" && body.equals(read.bytes), `${name} of ${bytes} bytes`);
      const streamed = await cache.getStream(`${name} ${bytes}`);
      assert(streamed.kind === "hit");
      let at = 0;
      for await (const part of streamed.body) {
        assert(body.subarray(at, at + part.length).equals(part), `${name} ${bytes} at ${at}`);
        at += part.length;
      }
      assert.equal(at, bytes);
    }
    const getMs = performance.now() - startedAt - putMs;
    context.diagnostic(`${bytes} B: 2 puts ${putMs.toFixed(0)} ms, 4 gets ${getMs.toFixed(0)} ms`);
  }
});

test("command line: files of 0 B to 100 MB come back equal", async () => {
  const [source, target] = [join(FOLDER, "source"), join(FOLDER, "target")];
  for (const [index, bytes] of SIZES.entries()) {
    await pipeline(streamBytes(100 + index, bytes), createWriteStream(source));
    const url = ["--url", up.ready.client];
    const put = await runCommand(["put", `file ${bytes}`, source, ...url]);
    assert.equal(put.code, 0, put.stderr);
    const got = await runCommand(["get", `file ${bytes}`, "-o", target, ...url]);
    assert.equal(got.code, 0, got.stderr);
    assert(readFileSync(target).equals(readFileSync(source)), `${bytes} bytes`);
  }
});

test("ranges over the edges of stripes are equal by library, command line and HTTP", async () => {
  const body = makeBytes(7, LARGE);
  await cache.put(LARGE_KEY, body);
  const info = await cache.stat(LARGE_KEY);
  assert(info.kind === "hit" && info.object.stripes === Math.ceil(LARGE / STRIPE_BYTES_MAX));
  const edge = Math.ceil(LARGE / info.object.stripes);
  const ranges: readonly (readonly [number, number])[] = [
    [0, 1],
    [edge - 1, edge + 1],
    [edge - 70_000, edge + 70_000],
    [edge, 2 * edge],
    [edge - 1, 2 * edge + 1],
    [LARGE - 1, LARGE],
  ];
  for (const [start, end] of ranges) {
    const wanted = body.subarray(start, end);
    const name = `${start} to ${end}`;
    const read = await cache.get(LARGE_KEY, { range: { start, end } });
    assert(read.kind === "hit" && wanted.equals(read.bytes), `library, ${name}`);
    const span = `${start}-${end - 1}`;
    const got = await runCommand(["get", LARGE_KEY, "--range", span, "--url", up.ready.client]);
    assert(wanted.equals(got.stdout), `command line, ${name}: ${got.stderr}`);
    const response = await fetch(`${up.ready.http}/objects/${LARGE_KEY}`, {
      headers: { range: `bytes=${span}` },
    });
    assert.equal(response.status, 206);
    assert.equal(response.headers.get("content-range"), `bytes ${span}/${LARGE}`);
    assert(wanted.equals(Buffer.from(await response.arrayBuffer())), `HTTP, ${name}`);
  }
});
