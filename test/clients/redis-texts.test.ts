// The same bytes sent to redis-server 7 and to our door must be answered with the same bytes: clients match on texts.
// Needs the Debian package redis-server.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { needs, startRedisServer, withPool } from "./running.ts";

const REFERENCE_PORT = 16_379;
const ANSWER_MS_MAX = 5_000;

const pool = withPool();
let stop = async () => {};
before(async () => {
  needs("redis-server", "redis-server");
  stop = await startRedisServer(REFERENCE_PORT);
});
after(async () => await stop());

/** Each is sent on a connection of its own, with QUIT behind it. */
const INPUTS: readonly string[] = [
  "PING\r\n",
  "PING a\r\n",
  "PING a b\r\n",
  "ECHO 'a b'\r\n",
  "*1\r\n$4\r\nPING\r\n",
  "*-10\r\nPING\r\n",
  "*0\r\n\r\n\r\nPING\r\n",
  "*3000000000\r\n",
  "*abc\r\n",
  "*1\r\n$-10\r\n",
  "*1\r\n$blabla\r\n",
  "*1\r\n$2000000000\r\n",
  "*1\r\nfoo\r\n",
  'PING "a\r\n',
  "POST / HTTP/1.1\r\n",
  "Host: x\r\n",
  "nope\r\n",
  "nope 'a b' c\r\n",
  'NoPe "x\\ny" \r\n',
  "GET\r\n",
  "GET a b\r\n",
  "SET k\r\n",
  "SET t:k v\r\nGET t:k\r\nSTRLEN t:k\r\nDEL t:k\r\nGET t:k\r\n",
  "SET t:k v EX 0\r\n",
  "SET t:k v EX -5\r\n",
  "SET t:k v EX abc\r\n",
  "SET t:k v EX\r\n",
  "SET t:k v BOGUS\r\n",
  "SET t:k v EX 10 PX 10\r\n",
  "SET t:k v NX XX\r\n",
  "SET t:k v EX 10 KEEPTTL\r\n",
  "SET t:n 1 NX\r\nSET t:n 2 NX\r\nGET t:n\r\nDEL t:n\r\n",
  "SETEX t:k 0 v\r\n",
  "PSETEX t:k -1 v\r\n",
  "SETEX t:k x v\r\n",
  "SETEX t:k 100 v\r\nTTL t:k\r\nTYPE t:k\r\nEXISTS t:k t:k\r\nUNLINK t:k\r\nTTL t:k\r\nTYPE t:k\r\n",
  "SET t:r hello\r\nGETRANGE t:r 1 3\r\nGETRANGE t:r -3 -1\r\nGETRANGE t:r 3 1\r\nGETRANGE t:r -1 -3\r\nGETRANGE t:r 9 10\r\nGETRANGE t:r -100 -50\r\nGETRANGE t:r a 1\r\nDEL t:r\r\n",
  "MSET t:a 1 t:b\r\n",
  "MSET t:a 1 t:b 2\r\nMGET t:a t:none t:b\r\nDEL t:a t:b\r\n",
  "SETNX t:a 1\r\nSETNX t:a 1\r\nDEL t:a\r\n",
  "SELECT 0\r\n",
  "SELECT 99\r\n",
  "SELECT abc\r\n",
  "SCAN abc\r\n",
  "SCAN 0 COUNT 0\r\n",
  "SCAN 0 COUNT x\r\n",
  "SCAN 0 BOGUS\r\n",
  "SCAN 0 MATCH t:nothing:* COUNT 10000\r\n",
  "FLUSHALL BOGUS\r\n",
  "CLIENT BOGUS\r\n",
  "CLIENT SETNAME\r\n",
  "CLIENT SETNAME 'a b'\r\n",
  "CLIENT SETNAME me\r\nCLIENT GETNAME\r\n",
  "CLIENT NO-EVICT maybe\r\n",
  "CONFIG BOGUS\r\n",
  "CONFIG GET save\r\n",
  "CONFIG GET appendonly\r\n",
  "AUTH x\r\n",
  "AUTH default\r\n",
  "AUTH a b c d\r\n",
  "HELLO 9\r\n",
  "HELLO x\r\n",
  "HELLO 3 BOGUS\r\n",
  "HELLO 3\r\nRESET\r\nGET t:none\r\n",
  "COMMAND INFO nope\r\n",
  "COMMAND BOGUS\r\n",
  "MEMORY BOGUS\r\n",
  "RESET\r\n",
];

async function ask(host: string, port: number, input: string): Promise<string> {
  return await new Promise((done, fail) => {
    const socket = connect({ host, port });
    let text = "";
    socket.setTimeout(ANSWER_MS_MAX, () =>
      socket.destroy(new Error(`no answer to ${input.slice(0, 40)}`)),
    );
    socket.on("data", (part) => {
      text += part.toString("latin1");
    });
    // A connection that is reset after its answer has answered.
    socket.on("error", (error) => (text === "" && !("code" in error) ? fail(error) : done(text)));
    socket.on("close", () => done(text));
    socket.write(`${input}QUIT\r\n`);
  });
}

/** What may differ: who we are and what number the connection has. */
function comparable(text: string): string {
  return text
    .replace(/(\$2\r\nid\r\n):\d+/g, "$1:0")
    .replace(/save\r\n\$\d+\r\n[^\r]*/g, "save\r\n");
}

test("every answer is the one of redis-server 7", async () => {
  const { host, port } = pool.doors();
  const differences: string[] = [];
  for (const input of INPUTS) {
    const [expected, actual] = await Promise.all([
      ask("127.0.0.1", REFERENCE_PORT, input),
      ask(host, Number(port), input),
    ]);
    if (comparable(expected) !== comparable(actual)) {
      differences.push(
        `${JSON.stringify(input.slice(0, 60))}\n  redis ${JSON.stringify(expected.slice(0, 300))}\n  ours  ${JSON.stringify(actual.slice(0, 300))}`,
      );
    }
  }
  assert.equal(differences.join("\n"), "");
});
