// Tokens on real processes: who has none, a wrong, an expired or a read-only one, or one of another namespace, is
// refused by every verb at every door, alike for keys that exist and keys that do not; live sessions go on undisturbed.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { connect as dialRaw } from "node:net";
import { after, before, test } from "node:test";
import { type Cache, CacheError, connect } from "../../src/entry/library.ts";
import { CliFixture, type Serving, terminate } from "./cli-fixture.ts";

const TOKENS = {
  admin: "the-admins-token-0001",
  reader: "the-readers-token-0002",
  ofA: "the-token-of-a-0003",
  expired: "the-expired-token-0004",
} as const;
const VALUE = Buffer.alloc(300_000, 7);
const fixture = new CliFixture();
let serving: Serving;
let admin: Cache;
let output = "";
const victim = { reads: 0, isDone: false, failure: null as unknown };
let reading: Promise<void>;

before(async () => {
  const entries = [
    { token: TOKENS.admin, role: "admin" },
    { token: TOKENS.reader, role: "read-only" },
    { token: TOKENS.ofA, role: "read-write", namespace: "a" },
    { token: TOKENS.expired, role: "admin", expires: "2020-01-01T00:00:00Z" },
  ];
  writeFileSync(fixture.path("tokens.json"), JSON.stringify(entries), { mode: 0o600 });
  serving = await fixture.start(
    "up --port 0 --nodes 6 --memory 128 --code 4+2 --tokens tokens.json".split(" "),
  );
  serving.child.stdout?.on("data", (part) => {
    output += String(part);
  });
  admin = connect({ url: serving.ready.client, token: TOKENS.admin });
  for (const key of ["a/k", "b/k"]) await admin.put(key, VALUE);
  reading = (async () => {
    while (!victim.isDone) {
      const read = await admin.get("b/k");
      assert.equal(read.kind === "hit" && Buffer.compare(read.bytes, VALUE), 0);
      victim.reads += 1;
    }
  })().catch((error: unknown) => {
    victim.failure = error;
  });
});

after(async () => {
  victim.isDone = true;
  await reading;
  await admin?.close();
  await fixture.end();
});

async function refusalOf(act: () => Promise<unknown>): Promise<string> {
  try {
    return `no error: ${JSON.stringify(await act())}`;
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    for (const token of Object.values(TOKENS)) assert(!error.message.includes(token));
    return `${error.code} ${error.message}`;
  }
}

const WRITES: readonly ((cache: Cache, key: string) => Promise<unknown>)[] = [
  (cache, key) => cache.put(key, VALUE),
  (cache, key) => cache.put(key, VALUE, { ifAbsent: true }),
  (cache, key) =>
    cache.put(
      key,
      (async function* () {
        yield VALUE;
      })(),
    ),
  (cache, key) => cache.delete(key),
  (cache, key) => cache.clear(key),
];
const READS: readonly ((cache: Cache, key: string) => Promise<unknown>)[] = [
  (cache, key) => cache.get(key),
  (cache, key) => cache.getInto(key, new Uint8Array(VALUE.length)),
  (cache, key) => cache.getStream(key),
  (cache, key) => cache.stat(key),
  (cache, key) => cache.has(key),
  async (cache, key) => {
    for await (const row of cache.list({ prefix: key })) return row;
    return null;
  },
];
const NO_TOKEN = "ICACHE_AUTH the token is absent, wrong or expired";
const DENIED = "ICACHE_DENIED the token does not allow this";

async function withToken(token: string, use: (cache: Cache) => Promise<void>): Promise<void> {
  const cache = connect({ url: serving.ready.client, token });
  try {
    await use(cache);
  } finally {
    await cache.close();
  }
}

test("33: no, a wrong and an expired token are refused by every verb of the library, alike for every key", async () => {
  for (const token of ["", "wrong", TOKENS.expired]) {
    await withToken(token, async (cache) => {
      for (const key of ["a/k", "a/absent"])
        for (const verb of [...READS, ...WRITES])
          assert.equal(await refusalOf(() => verb(cache, key)), NO_TOKEN);
      assert.equal(await refusalOf(() => cache.status()), NO_TOKEN);
    });
  }
});

test("33: who may only read is refused every change by the library, and reads", async () => {
  await withToken(TOKENS.reader, async (cache) => {
    for (const key of ["a/k", "a/absent"])
      for (const verb of WRITES) assert.equal(await refusalOf(() => verb(cache, key)), DENIED);
    const read = await cache.get("a/k");
    assert.equal(read.kind === "hit" && Buffer.compare(read.bytes, VALUE), 0);
    assert.equal((await cache.get("a/absent")).kind, "miss");
  });
});

test("33: another namespace is refused by every verb of the library; one's own is seen alone", async () => {
  await withToken(TOKENS.ofA, async (cache) => {
    for (const key of ["b/k", "b/absent"])
      for (const verb of [...READS, ...WRITES])
        assert.equal(await refusalOf(() => verb(cache, key)), DENIED);
    assert.equal(await refusalOf(() => cache.status()), DENIED);
    assert.equal((await cache.put("a/own", VALUE)).kind, "stored");
    const keys: string[] = [];
    for await (const { key } of cache.list()) keys.push(key);
    assert.deepEqual(keys, ["a/k", "a/own"]);
    assert.equal(await cache.clear(""), 2);
  });
  assert.equal((await admin.get("b/k")).kind, "hit");
  await admin.put("a/k", VALUE);
});

/** One line for each command, after the last of which the door closes. */
async function resp(...commands: readonly string[]): Promise<string[]> {
  const [host, port] = serving.ready.resp.split(":");
  const socket = dialRaw({ host: host ?? "", port: Number(port) });
  socket.write(`${[...commands, "QUIT"].join("\r\n")}\r\n`);
  let text = "";
  for await (const part of socket) text += String(part);
  return text.split("\r\n").slice(0, -2);
}

const RESP_WRITES = ["SET ~ v", "SETEX ~ 9 v", "SETNX ~ v", "MSET ~ v", "DEL ~", "UNLINK ~"];
const RESP_READS = ["GET ~", "MGET ~", "STRLEN ~", "EXISTS ~", "TTL ~", "TYPE ~", "GETRANGE ~ 0 1"];

test("33: the Redis door refuses alike", async () => {
  const filled = (verbs: readonly string[], keys: readonly string[]) =>
    keys.flatMap((key) => verbs.map((verb) => verb.replace("~", key)));
  const all = filled([...RESP_READS, ...RESP_WRITES], ["b/k", "b/absent"]);
  const strangers = await resp(...all, "SCAN 0", "DBSIZE", "FLUSHALL", "INFO");
  assert.equal(strangers.length, all.length + 4);
  for (const line of strangers) assert.equal(line, "-NOAUTH Authentication required.");
  for (const token of ["wrong", TOKENS.expired, `user ${TOKENS.expired}`])
    assert.match((await resp(`AUTH ${token}`))[0] ?? "", /^-WRONGPASS/);
  for (const [login, commands] of [
    [`AUTH ${TOKENS.reader}`, [...filled(RESP_WRITES, ["b/k", "b/absent"]), "FLUSHALL"]],
    [`AUTH user ${TOKENS.ofA}`, all],
  ] as const) {
    const [ok, ...refused] = await resp(login, ...commands);
    assert.equal(ok, "+OK");
    assert.equal(refused.length, commands.length);
    for (const line of refused) assert.equal(line, `-NOPERM ${DENIED}`);
  }
  assert.deepEqual(await resp(`AUTH user ${TOKENS.ofA}`, "SET a/r v", "GET a/r", "DBSIZE"), [
    ...["+OK", "+OK", "$1", "v", ":2"],
  ]);
});

test("33: the HTTP door refuses alike, and tells everybody that it is alive", async () => {
  const ask = async (method: string, path: string, token: string): Promise<string> => {
    const headers: Record<string, string> =
      token === "" ? {} : { authorization: `Bearer ${token}` };
    const body = method === "PUT" ? "v" : null;
    const reply = await fetch(serving.ready.http + path, { method, headers, body });
    return `${reply.status} ${reply.headers.get("www-authenticate")} ${await reply.text()}`;
  };
  const textOf = (method: string, text: string) => (method === "HEAD" ? "" : `${text}\n`);
  for (const path of ["/objects/b/k", "/objects/b/absent"]) {
    for (const method of ["GET", "HEAD", "PUT", "DELETE"]) {
      const unknown = `401 Bearer ${textOf(method, NO_TOKEN.replace(" ", ": "))}`;
      for (const token of ["", "wrong", TOKENS.expired])
        assert.equal(await ask(method, path, token), unknown);
      const denied = `403 null ${textOf(method, DENIED.replace(" ", ": "))}`;
      assert.equal(await ask(method, path, TOKENS.ofA), denied);
      if (method === "PUT" || method === "DELETE")
        assert.equal(await ask(method, path, TOKENS.reader), denied);
    }
  }
  assert.match(await ask("GET", "/status", ""), /^401 /);
  assert.match(await ask("GET", "/status", TOKENS.ofA), /^403 /);
  assert.match(await ask("GET", "/objects/b/absent", TOKENS.reader), /^404 /);
  for (const path of ["/healthz", "/readyz"]) assert.match(await ask("GET", path, ""), /^200 /);
});

test("33: commands show the token of a file or the environment, and no token stands anywhere", async () => {
  writeFileSync(fixture.path("own"), `${TOKENS.reader}\n`, { mode: 0o600 });
  const url = `--url=${serving.ready.client}`;
  const read = fixture.run(["get", "b/k", url, "--token-file", "own"]);
  assert.deepEqual([read.code, Buffer.compare(read.out, VALUE)], [0, 0]);
  const refused = fixture.run(["del", "b/k", url, "--token-file", "own"]);
  assert.deepEqual([refused.code, refused.err.includes(DENIED.slice(14))], [4, true], refused.err);
  const stranger = fixture.run(["get", "b/k", url]);
  assert.deepEqual([stranger.code, stranger.err.includes("absent, wrong or expired")], [4, true]);
  assert.notEqual(fixture.run(["get", "b/k", url, "--token", TOKENS.admin]).code, 0);
  const status = JSON.stringify(await admin.status());
  victim.isDone = true;
  await reading;
  assert.equal(victim.failure, null);
  assert(victim.reads > 10, `${victim.reads} reads beside the refused`);
  assert.equal(await terminate(serving), 0);
  const said = [output, serving.notes(), status, refused.err, stranger.err].join("\n");
  for (const token of Object.values(TOKENS)) assert(!said.includes(token));
});
