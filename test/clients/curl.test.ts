// curl, unmodified, against a running pool: PUT, GET and Range of 100 MB byte-equal, and the status codes that scripts
// look at. Needs the Debian package curl.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { needs, randomFile, run, withPool } from "./running.ts";

const pool = withPool();
before(() => needs("curl", "curl"));

/** The status code; the body goes to `output`. */
async function status(path: string, ...args: string[]): Promise<number> {
  const output = join(pool.folder(), "ignored");
  const url = pool.doors().http + path;
  return Number(await run("curl", ["-sS", "-o", output, "-w", "%{http_code}", ...args, url]));
}

test("curl: PUT, GET and Range of 100 MB are byte-equal", async () => {
  const { http } = pool.doors();
  const file = join(pool.folder(), "large");
  const content = randomFile(file, 100_000_000);
  assert.equal(await status("/objects/files/large.bin", "-T", file), 200);
  const back = join(pool.folder(), "back");
  await run("curl", ["-sSf", "-o", back, `${http}/objects/files/large.bin`]);
  assert.ok(readFileSync(back).equals(content));
  for (const [start, end] of [
    [0, 0],
    [33_554_431, 33_554_432],
    [1_000_000, 80_000_000],
    [99_999_999, 99_999_999],
  ] as const) {
    await run("curl", [
      "-sSf",
      "-o",
      back,
      "-r",
      `${start}-${end}`,
      `${http}/objects/files/large.bin`,
    ]);
    assert.ok(readFileSync(back).equals(content.subarray(start, end + 1)), `${start}-${end}`);
  }
  await run("curl", ["-sSf", "-o", back, "-r", "-1000", `${http}/objects/files/large.bin`]);
  assert.ok(readFileSync(back).equals(content.subarray(-1_000)));
  assert.equal(await status("/objects/files/large.bin", "-X", "DELETE"), 204);
  assert.equal(await status("/objects/files/large.bin"), 404);
});

test("curl: a chunked upload of 20 MB from a pipe is byte-equal", async () => {
  const { http } = pool.doors();
  const file = join(pool.folder(), "piped");
  const content = randomFile(file, 20_000_000);
  await run("curl", ["-sSf", "-T", "-", `${http}/objects/files/piped`], { input: file });
  const back = join(pool.folder(), "back");
  await run("curl", ["-sSf", "-o", back, `${http}/objects/files/piped`]);
  assert.ok(readFileSync(back).equals(content));
});

test("curl: conditions, digests, bad names and lies about the length have their status codes", async () => {
  const path = "/objects/files/small";
  assert.equal(await status(path, "-T", "package.json", "-H", "If-None-Match: *"), 201);
  assert.equal(await status(path, "-T", "package.json", "-H", "If-None-Match: *"), 412);
  assert.equal(await status(path, "-H", "If-None-Match: *"), 304);
  assert.equal(await status(path, "-I"), 200);
  assert.equal(await status(path, "-r", "1000000-"), 416);
  assert.equal(await status(path, "-X", "POST"), 405);
  const none = `sha-256=:${"A".repeat(43)}=:`;
  assert.equal(
    await status("/objects/files/bad", "-T", "package.json", "-H", `Content-Digest: ${none}`),
    400,
  );
  assert.equal(await status("/objects/files/bad"), 404);
  assert.equal(await status("/objects/files/../bad", "--path-as-is", "-T", "package.json"), 400);
  assert.equal(await status("/objects/files/a%2fb", "-T", "package.json"), 400);
  assert.equal(await status(`/objects/files/${"k".repeat(8_192)}`), 414);
  assert.equal(await status("/readyz"), 200);
});

test("both doors show the same object", async () => {
  needs("redis-cli", "redis-tools");
  const { host, port, http } = pool.doors();
  await run("redis-cli", ["-h", host, "-p", port, "SET", "shared/k", "from redis"]);
  assert.equal(await run("curl", ["-sSf", `${http}/objects/shared/k`]), "from redis");
});
