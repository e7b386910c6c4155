// What commands answer, word for word where clients match on it: a table of input and output over a real socket.
// Texts are those of redis-server 7.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EVERYTHING } from "../../../src/core/access.ts";
import { CacheError } from "../../../src/core/errors.ts";
import { matchesGlob } from "../../../src/gateway/resp/glob.ts";
import { COMMANDS } from "../../../src/gateway/resp/table.ts";
import { command, RawClient, tokens, withResp } from "./doors.ts";

type Row = readonly [line: string, reply: string];

const OPEN_ROWS: readonly Row[] = [
  ["PING", "+PONG"],
  ["PING hi", "$2\r\nhi"],
  ["PING a b", "-ERR wrong number of arguments for 'ping' command"],
  ["ECHO hello", "$5\r\nhello"],
  ["foo", "-ERR unknown command 'foo', with args beginning with: "],
  ["foo a 'b c'", "-ERR unknown command 'foo', with args beginning with: 'a' 'b c' "],
  ['foo "a\\nb"', "-ERR unknown command 'foo', with args beginning with: 'a b' "],
  ["GET", "-ERR wrong number of arguments for 'get' command"],
  ["get a b", "-ERR wrong number of arguments for 'get' command"],
  ["CLIENT setname", "-ERR wrong number of arguments for 'client|setname' command"],
  ["CLIENT bogus", "-ERR unknown subcommand 'bogus'. Try CLIENT HELP."],
  ["SELECT 0", "+OK"],
  ["SELECT 1", "-ERR DB index is out of range"],
  ["SELECT x", "-ERR value is not an integer or out of range"],
  ["GET absent", "$-1"],
  ["SET k value", "+OK"],
  ["GET k", "$5\r\nvalue"],
  ["SET k other NX", "$-1"],
  ["SET k2 v NX PX 100000", "+OK"],
  ["TTL k2", ":100"],
  ["TTL k", ":-1"],
  ["TTL absent", ":-2"],
  ["SET k v EX 0", "-ERR invalid expire time in 'set' command"],
  ["SET k v EX -1", "-ERR invalid expire time in 'set' command"],
  ["SET k v EX 9223372036854775807", "-ERR value is not an integer or out of range"],
  ["SET k v PX 9007199254740991", "-ERR invalid expire time in 'set' command"],
  ["SET k v EX x", "-ERR value is not an integer or out of range"],
  ["SET k v EX", "-ERR syntax error"],
  ["SET k v bogus", "-ERR syntax error"],
  ["SET k v EX 10 PX 10", "-ERR syntax error"],
  ["SET k v NX XX", "-ERR syntax error"],
  ["SET k v EX 10 KEEPTTL", "-ERR syntax error"],
  ["SET k v XX", "-ERR ICACHE_INVALID SET with XX is not supported by this server"],
  ["SET k v GET", "-ERR ICACHE_INVALID SET with GET is not supported by this server"],
  ["SET gone v", "+OK"],
  ["SET gone v EXAT 1", "+OK"],
  ["EXISTS gone", ":0"],
  ["SETEX s 0 v", "-ERR invalid expire time in 'setex' command"],
  ["SETEX s 10 v", "+OK"],
  ["PSETEX s 10000 v", "+OK"],
  ["SETNX s w", ":0"],
  ["SETNX fresh w", ":1"],
  ["STRLEN k", ":5"],
  ["STRLEN absent", ":0"],
  ["TYPE k", "+string"],
  ["TYPE absent", "+none"],
  ["EXISTS k k absent", ":2"],
  ["GETRANGE k 1 3", "$3\r\nalu"],
  ["GETRANGE k -3 -1", "$3\r\nlue"],
  ["GETRANGE k 0 -1", "$5\r\nvalue"],
  ["GETRANGE k 3 1", "$0\r\n"],
  ["GETRANGE k 9 12", "$0\r\n"],
  ["GETRANGE k -100 0", "$1\r\nv"],
  ["GETRANGE absent 0 -1", "$0\r\n"],
  ["GETRANGE k a 1", "-ERR value is not an integer or out of range"],
  ["MSET a 1 b 2 a 3", "+OK"],
  ["MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"],
  ["MGET a absent b", "*3\r\n$1\r\n3\r\n$-1\r\n$1\r\n2"],
  ["DEL a absent", ":1"],
  ["UNLINK b", ":1"],
  ["MEMORY USAGE k", ":5"],
  ["SCAN x", "-ERR invalid cursor"],
  ["SCAN 4711", "-ERR invalid cursor"],
  ["SCAN 0 COUNT 0", "-ERR syntax error"],
  ["SCAN 0 MATCH fre* COUNT 100", "*2\r\n$1\r\n0\r\n*1\r\n$5\r\nfresh"],
  ["SCAN 0 TYPE hash COUNT 100", "*2\r\n$1\r\n0\r\n*0"],
  ["CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n"],
  ["CONFIG SET save x", "-ERR unknown subcommand 'SET'. Try CONFIG HELP."],
  ["CLIENT SETNAME me", "+OK"],
  ["CLIENT GETNAME", "$2\r\nme"],
  ["CLIENT SETINFO LIB-NAME x", "+OK"],
  [
    "CLIENT MAINT_NOTIFICATIONS on",
    "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.",
  ],
  ["COMMAND COUNT", `:${COMMANDS.size}`],
  ["COMMAND INFO nope", "*1\r\n$-1"],
  [
    "AUTH x",
    "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
  ],
  ["HELLO 4", "-NOPROTO unsupported protocol version"],
  ["HELLO x", "-ERR Protocol version is not an integer or out of range"],
  ["HELLO 3 BOGUS", "-ERR Syntax error in HELLO option 'BOGUS'"],
  ["DBSIZE", ":4"],
  ["FLUSHALL bogus", "-ERR syntax error"],
  ["FLUSHALL", "+OK"],
  ["DBSIZE", ":0"],
  ["RESET", "+RESET"],
];

test("commands: every row of the table of replies is answered word for word", async () => {
  await withResp(async ({ port }) => {
    const client = new RawClient(port);
    let seen = 0;
    for (const [line, reply] of OPEN_ROWS) {
      client.send(`${line}\r\n`).send("ECHO ~\r\n");
      const mark = "$1\r\n~\r\n";
      const all = await client.until(mark, seen);
      assert.equal(all.slice(seen, -mark.length), `${reply}\r\n`, line);
      seen = all.length;
    }
    client.close();
  });
});

test("authentication: nothing but HELLO, AUTH, RESET and QUIT goes before the password", async () => {
  await withResp(
    async ({ port }) => {
      const client = new RawClient(port);
      let seen = 0;
      const line = async (text: string, reply: string) => {
        client.send(`${text}\r\n`);
        const all = await client.until("\r\n", seen);
        assert.ok(all.slice(seen).startsWith(reply), `${text}: ${all.slice(seen)}`);
        seen = all.length;
      };
      await line("GET k", "-NOAUTH Authentication required.\r\n");
      await line("foo", "-ERR unknown command");
      await line(
        "AUTH wrong",
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
      );
      await line("AUTH other wrong", "-WRONGPASS");
      await line("HELLO 3", "-NOAUTH HELLO must be called");
      await line("AUTH secret", "+OK\r\n");
      await line("SET k v", "+OK\r\n");
      await line("RESET", "+RESET\r\n");
      await line("GET k", "-NOAUTH Authentication required.\r\n");
      await line("HELLO 3 AUTH default secret SETNAME me", "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n");
      client.close();
    },
    { access: tokens({ secret: EVERYTHING }) },
  );
});

test("tokens: a namespace is all that a connection sees, reads and changes, whatever is stored beyond", async () => {
  const grant = { role: "read-write", namespace: "a", expiresAtMs: null } as const;
  await withResp(
    async ({ port, cache }) => {
      await cache.put("b/there", Buffer.from("x"));
      await cache.put("ab", Buffer.from("x"));
      const client = new RawClient(port);
      let seen = 0;
      const line = async (text: string) => {
        client.send(`${text}\r\nECHO ~\r\n`);
        const mark = "$1\r\n~\r\n";
        const all = await client.until(mark, seen);
        const reply = all.slice(seen, -mark.length);
        seen = all.length;
        return reply;
      };
      assert.equal(await line("AUTH anybody of-namespace-a"), "+OK\r\n");
      const verbs =
        "GET,GETRANGE ~ 0 1,STRLEN,EXISTS,TTL,TYPE,MEMORY USAGE,SET ~ v,SETEX ~ 9 v,SETNX ~ v,DEL,UNLINK";
      for (const verb of verbs.split(",")) {
        for (const key of ["b/there", "b/absent", "ab", "absent"]) {
          const text = verb.includes("~") ? verb.replace("~", key) : `${verb} ${key}`;
          const refusal = "-NOPERM ICACHE_DENIED the token does not allow this\r\n";
          assert.equal(await line(text), refusal, text);
        }
      }
      for (const text of ["MGET a/k b/there", "MSET a/k v b/there v", "SCAN 0 MATCH b/*"])
        assert.match(await line(text), /^-NOPERM/, text);
      assert.equal(await line("SET a/k v"), "+OK\r\n");
      assert.equal(await line("GET a/k"), "$1\r\nv\r\n");
      assert.equal(await line("DBSIZE"), ":1\r\n");
      assert.equal(await line("SCAN 0"), "*2\r\n$1\r\n0\r\n*1\r\n$3\r\na/k\r\n");
      assert.doesNotMatch(await line("INFO"), /keys=|Memory/);
      assert.equal(await line("FLUSHALL"), "+OK\r\n");
      assert.deepEqual([...cache.objects.keys()].sort(), ["ab", "b/there"]);
      client.close();
    },
    { access: tokens({ "of-namespace-a": grant }) },
  );
});

test("tokens: who may only read is refused every change, and one that expires is a stranger again", async () => {
  const grants = {
    reader: { role: "read-only", namespace: null, expiresAtMs: null },
    brief: { role: "admin", namespace: null, expiresAtMs: Date.now() + 300 },
  } as const;
  await withResp(
    async ({ port, cache }) => {
      await cache.put("k", Buffer.from("x"));
      const client = new RawClient(port);
      let seen = 0;
      const line = async (text: string) => {
        client.send(`${text}\r\n`);
        const all = await client.until("\r\n", seen);
        const reply = all.slice(seen);
        seen = all.length;
        return reply;
      };
      assert.equal(await line("AUTH reader"), "+OK\r\n");
      for (const text of [
        "SET k v",
        "SETNX k v",
        "MSET k v",
        "DEL k",
        "UNLINK k",
        "FLUSHALL",
        "FLUSHDB",
      ])
        assert.match(await line(text), /^-NOPERM/, text);
      assert.equal(await line("STRLEN k"), ":1\r\n");
      assert.equal(await line("AUTH brief"), "+OK\r\n");
      while ((await line("DEL absent")) === ":0\r\n");
      assert.equal(await line("STRLEN k"), "-NOAUTH Authentication required.\r\n");
      assert.match(await line("AUTH brief"), /^-WRONGPASS/);
      client.close();
    },
    { access: tokens(grants) },
  );
});

test("RESP3: maps, sets and null have their own signs after HELLO 3", async () => {
  await withResp(async ({ port }) => {
    const client = new RawClient(port).send(
      "HELLO 3\r\nGET absent\r\nCONFIG GET save\r\nECHO end\r\n",
    );
    const all = await client.until("$3\r\nend");
    assert.match(all, /^%7\r\n/);
    assert.ok(all.includes("_\r\n%1\r\n$4\r\nsave\r\n"));
    client.close();
  });
});

test("namespace: keys are kept apart and shown without it", async () => {
  await withResp(
    async ({ port, cache }) => {
      await cache.put("other/k", Buffer.from("secret"));
      const client = new RawClient(port).send(
        "SET k v\r\nSCAN 0 COUNT 100\r\nDBSIZE\r\nFLUSHALL\r\nECHO end\r\n",
      );
      const all = await client.until("$3\r\nend");
      assert.ok(all.includes("*1\r\n$1\r\nk\r\n:1\r\n+OK\r\n"), all);
      assert.deepEqual([...cache.objects.keys()], ["other/k"]);
      client.close();
    },
    { namespace: "mine" },
  );
});

test("SCAN: following the cursor gives every key once", async () => {
  await withResp(async ({ port, cache }) => {
    const keys = Array.from({ length: 95 }, (_, index) => `key:${index}`);
    for (const key of keys) await cache.put(key, Buffer.from("v"));
    const client = new RawClient(port);
    const found: string[] = [];
    let cursor = "0";
    let seen = 0;
    do {
      client.send(`SCAN ${cursor}\r\nECHO ~${seen}\r\n`);
      const all = await client.until(`~${seen}\r\n`);
      const lines = all.slice(seen).split("\r\n");
      cursor = lines[2] ?? "0";
      found.push(...lines.filter((line) => line.startsWith("key:")));
      seen = all.length;
    } while (cursor !== "0");
    assert.deepEqual(found.sort(), keys.sort());
    client.close();
  });
});

test("errors of the cache carry their code, a miss does not", async () => {
  await withResp(async ({ port, cache }) => {
    const ask = async (failure: CacheError, line: string) => {
      cache.failure = failure;
      const client = new RawClient(port).send(`${line}\r\nQUIT\r\n`);
      return (await client.all()).replace("+OK\r\n", "");
    };
    const full = new CacheError("ICACHE_POOL_FULL", "no room");
    assert.equal(await ask(full, "SET k v"), "-ERR ICACHE_POOL_FULL no room\r\n");
    assert.equal(
      await ask(new CacheError("ICACHE_DENIED", "read only"), "SET k v"),
      "-NOPERM ICACHE_DENIED read only\r\n",
    );
    assert.equal(await ask(new CacheError("ICACHE_UNREACHABLE", "far"), "GET k"), "$-1\r\n");
    assert.equal(
      await ask(new CacheError("ICACHE_CLOSED", "closed"), "GET k"),
      "-ERR ICACHE_CLOSED closed\r\n",
    );
  });
});

test("keys that are no UTF-8, empty or too long are refused", async () => {
  await withResp(async ({ port }) => {
    const client = new RawClient(port);
    client
      .send(command("GET", "\xff"))
      .send(command("GET", ""))
      .send(command("GET", "k".repeat(1_025)))
      .send("QUIT\r\n");
    const lines = (await client.all()).split("\r\n");
    assert.match(lines[0] ?? "", /^-ERR ICACHE_INVALID a key must be UTF-8/);
    assert.match(lines[1] ?? "", /^-ERR ICACHE_INVALID a key must have/);
    assert.match(lines[2] ?? "", /^-ERR ICACHE_TOO_LARGE a key may have 1024/);
  });
});

test("the table: every row's name is lower case and its arity fits its keys", () => {
  for (const [name, row] of COMMANDS) {
    assert.equal(name, row.name.toLowerCase());
    assert.ok(Math.abs(row.arity) > Math.max(0, row.keys[0]) || row.keys[0] === 2, name);
    assert.ok(row.summary.endsWith("."), name);
  }
});

test("glob: patterns match as in redis-server, and a hostile one ends", () => {
  const yes = [
    ["*", ""],
    ["h?llo", "hello"],
    ["h[ae]llo", "hallo"],
    ["h[^e]llo", "hallo"],
    ["h[a-b]llo", "hbllo"],
    ["a\\*", "a*"],
    ["*a*b*", "xxaxxbxx"],
  ] as const;
  const no = [
    ["h?llo", "hllo"],
    ["h[^e]llo", "hello"],
    ["a\\*", "ab"],
    ["", "a"],
    ["[", "a"],
  ] as const;
  for (const [pattern, text] of yes) assert.ok(matchesGlob(pattern, text), `${pattern} ${text}`);
  for (const [pattern, text] of no) assert.ok(!matchesGlob(pattern, text), `${pattern} ${text}`);
  assert.ok(!matchesGlob(`${"*a".repeat(40)}b`, "a".repeat(10_000)));
});
