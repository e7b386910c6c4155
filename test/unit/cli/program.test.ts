// The command line in this process, on a cache that is a map: arguments in, lines and exit codes out.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { after, test } from "node:test";
import type { Composition } from "../../../src/cli/composition.ts";
import { EXIT_CODES } from "../../../src/cli/exit-codes.ts";
import { type ProgramHost, runProgram } from "../../../src/cli/program.ts";
import type { Cache, ObjectInfo } from "../../../src/client/api.ts";
import { CacheError, type ErrorCode } from "../../../src/core/errors.ts";
import { SystemClock } from "../../../src/host/system-clock.ts";

const folder = mkdtempSync(join(tmpdir(), "infinicache-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const objects = new Map<string, Uint8Array>();

function infoOf(key: string, body: Uint8Array): ObjectInfo {
  const code = { dataChunks: 4, parityChunks: 2 };
  const [createdAt, expiresAt, metadata] = [new Date(0), null, { kind: "picture" }];
  return { key, bytes: body.length, version: 3, code, stripes: 1, createdAt, expiresAt, metadata };
}

/** As much of the interface as the commands use. */
const cache: Partial<Cache> = {
  async put(key, body, options) {
    const known = objects.get(key);
    if (known !== undefined && options?.ifAbsent === true) return { kind: "exists", version: 3 };
    const parts: Uint8Array[] = [];
    if (body instanceof Uint8Array) parts.push(body);
    else for await (const part of body) parts.push(part);
    const whole = Buffer.concat(parts);
    objects.set(key, whole);
    return { kind: "stored", version: 3, bytes: whole.length, code: infoOf(key, whole).code };
  },
  async getStream(key, options) {
    const whole = objects.get(key);
    if (whole === undefined) return { kind: "miss", reason: "absent" };
    const { start = 0, end = whole.length } = options?.range ?? {};
    const body = whole.subarray(start, end);
    return {
      kind: "hit",
      object: infoOf(key, whole),
      start,
      end: start + body.length,
      body: Readable.from([body]),
    };
  },
  async stat(key) {
    const whole = objects.get(key);
    return whole === undefined
      ? { kind: "miss", reason: "lost" }
      : { kind: "hit", object: infoOf(key, whole) };
  },
  delete: async (key) => objects.delete(key),
  async clear(prefix) {
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix));
    return keys.filter((key) => objects.delete(key)).length;
  },
  async *list() {
    for (const [key, body] of objects) yield infoOf(key, body);
  },
  close: async () => {},
};

interface Outcome {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

async function cli(
  args: readonly string[],
  options: {
    readonly stdin?: Readable;
    readonly connect?: Composition["connect"];
    readonly startPool?: Composition["startPool"];
  } = {},
): Promise<Outcome> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const unused = () => assert.fail("this command starts nothing");
  const host: ProgramHost = {
    composition: {
      // The commands under test use no more of it than the map offers.
      connect: options.connect ?? (async () => cache as Cache),
      startLambda: unused,
      startPool: options.startPool ?? unused,
      startLocal: unused,
    },
    clock: new SystemClock(),
    version: "1.2.3",
    environment: {},
    folder,
    stdin: options.stdin ?? Readable.from([]),
    stdout,
    stderr,
    signal: new AbortController().signal,
  };
  const code = await runProgram(args, host);
  const read = (stream: PassThrough): Buffer => stream.read() ?? Buffer.alloc(0);
  return { code, out: read(stdout), err: read(stderr).toString() };
}

test("put, get: a file comes back whole, and nothing is left beside it", async () => {
  const body = Buffer.from("some bytes of a file");
  writeFileSync(join(folder, "in"), body);
  const put = await cli(["put", "key", join(folder, "in"), "--json"]);
  assert.equal(put.code, 0);
  const { ms: _ms, ...stored } = JSON.parse(put.out.toString());
  assert.deepEqual(stored, {
    stored: true,
    key: "key",
    bytes: body.length,
    version: 3,
    code: "4+2",
  });
  assert.equal((await cli(["get", "key", "-o", join(folder, "out")])).code, 0);
  assert.deepEqual(readFileSync(join(folder, "out")), body);
});

test("put, get: pipes carry bytes and nothing else", async () => {
  const body = Buffer.from([0, 255, 10, 13, 0]);
  const put = await cli(["put", "piped", "-"], {
    stdin: Readable.from([body.subarray(0, 2), body.subarray(2)]),
  });
  assert.equal(put.code, 0);
  assert.equal(put.out.length, 0);
  const got = await cli(["get", "piped"]);
  assert.deepEqual(got.out, body);
  assert.deepEqual((await cli(["get", "piped", "--range", "1-2"])).out, body.subarray(1, 3));
});

test("get: an absent key is exit 1 with a message, and no file appears", async () => {
  const got = await cli(["get", "nothing", "-o", join(folder, "none")]);
  assert.equal(got.code, EXIT_CODES.absent.code);
  assert.match(got.err, /nothing: not in the cache: there is no such object/);
  assert.throws(() => readFileSync(join(folder, "none")), /ENOENT/);
});

test("stat: a lost object is exit 1 and says that it was lost", async () => {
  const { code, out } = await cli(["stat", "nothing", "--json"]);
  assert.equal(code, 1);
  assert.deepEqual(JSON.parse(out.toString()), { hit: false, key: "nothing", reason: "lost" });
});

test("put --if-absent: what exists is refused and stays", async () => {
  await cli(["put", "once", "-"], { stdin: Readable.from([Buffer.from("first")]) });
  const again = await cli(["put", "once", "-", "--if-absent"], {
    stdin: Readable.from([Buffer.from("second")]),
  });
  assert.equal(again.code, EXIT_CODES.refused.code);
  assert.equal(objects.get("once")?.toString(), "first");
});

test("del: says what was there, and exits 1 when nothing was", async () => {
  await cli(["put", "gone", "-"], { stdin: Readable.from([Buffer.from("x")]) });
  assert.equal((await cli(["del", "gone", "never"])).code, 0);
  assert.equal((await cli(["del", "gone"])).code, 1);
});

test("del --prefix: an empty prefix, such as a variable never set, deletes nothing unless --all is given", async () => {
  await cli(["put", "kept", "-"], { stdin: Readable.from([Buffer.from("x")]) });
  const refused = await cli(["del", "--prefix", ""]);
  assert.equal(refused.code, 2);
  assert.match(refused.err, /--all/);
  assert.equal((await cli(["stat", "kept"])).code, 0);
  assert.equal((await cli(["del", "--prefix", "", "--all"])).code, 0);
  assert.equal((await cli(["stat", "kept"])).code, 1);
  await cli(["put", "kept", "-"], { stdin: Readable.from([Buffer.from("x")]) });
});

test("ls --json: one document a line", async () => {
  const { out } = await cli(["ls", "--json", "--limit", "1"]);
  const lines = out.toString().trim().split("\n");
  assert.equal(lines.length, 1);
  assert.equal(JSON.parse(lines[0] ?? "").bytes >= 0, true);
});

test("program: help and version end well, wrong use is exit 2", async () => {
  assert.equal((await cli(["--help"])).code, 0);
  assert.equal((await cli(["--version"])).out.toString(), "1.2.3\n");
  for (const args of [
    ["statu"],
    ["get"],
    ["up", "--nods", "3"],
    ["get", "a", "b"],
    ["put", "k", "-", "--ttl", "soon"],
    ["put", "k", "-", "--ttl", "5"],
  ]) {
    assert.equal((await cli(args)).code, EXIT_CODES.usage.code, args.join(" "));
  }
});

test("program: an unknown flag names the nearest one", async () => {
  assert.match((await cli(["up", "--nods", "3"])).err, /--nodes/);
});

test("program: each error of the library has its exit code, and --json says the same", async () => {
  const expected: Partial<Record<ErrorCode, number>> = {
    ICACHE_UNREACHABLE: 3,
    ICACHE_POOL_FULL: 4,
    ICACHE_DEADLINE: 5,
    ICACHE_INTERNAL: 70,
  };
  for (const [code, exit] of Object.entries(expected)) {
    const connect = () => Promise.reject(new CacheError(code as ErrorCode, "as arranged"));
    const outcome = await cli(["stat", "k", "--json"], { connect });
    assert.equal(outcome.code, exit, code);
    assert.equal(JSON.parse(outcome.out.toString()).error.exit, exit);
  }
});

test("put: a file that is not there is exit 6, a folder says what to do instead", async () => {
  assert.equal((await cli(["put", "k", join(folder, "missing")])).code, EXIT_CODES.input.code);
  assert.match((await cli(["put", "k", folder])).err, /tar c/);
});

test("proxy: what is told of its memory comes to the pool", async () => {
  let told: readonly unknown[] = [];
  const startPool: Composition["startPool"] = async ({ hotBytes, transferBytes }) => {
    told = [hotBytes, transferBytes];
    throw new RangeError("enough is known");
  };
  const args = ["proxy", "--lambda", "http://127.0.0.1:1", "--state", "none"];
  const memory = ["--hot-bytes", "1MiB", "--transfer-bytes", "128MiB"];
  assert.notEqual((await cli([...args, ...memory], { startPool })).code, 0);
  assert.deepEqual(told, [1_048_576, 134_217_728]);
});
