// Connections of the Redis door over real sockets: the order of pipelines, bodies that stream, and peers that are slow,
// lie or vanish.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { CacheError } from "../../../src/core/errors.ts";
import { command, RawClient, withResp } from "./doors.ts";

const MIB = 1_048_576;

function pattern(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 1) buffer[at] = (at * 31 + (at >> 8)) & 0xff;
  return buffer;
}

test("pipeline: 1,000 GETs that end in any order are answered in theirs", async () => {
  await withResp(async ({ port, cache }) => {
    const keys = Array.from({ length: 1_000 }, (_, index) => `key:${index}`);
    for (const key of keys) await cache.put(key, Buffer.from(`value of ${key}`));
    let turn = 0;
    cache.onOpen = async () => {
      turn += 1;
      for (let wait = (turn * 7) % 5; wait > 0; wait -= 1) await new Promise(setImmediate);
    };
    const client = new RawClient(port)
      .send(Buffer.concat(keys.map((key) => command("GET", key))))
      .send("QUIT\r\n");
    const values = (await client.all()).split("\r\n").filter((line) => line.startsWith("value"));
    assert.deepEqual(
      values,
      keys.map((key) => `value of ${key}`),
    );
  });
});

test("pipeline: a change waits for the reads before it, and reads behind it see it", async () => {
  await withResp(async ({ port, cache }) => {
    await cache.put("k", Buffer.from("old"));
    cache.onOpen = async () => {
      await new Promise(setImmediate);
    };
    const client = new RawClient(port).send(
      "GET k\r\nMGET k k\r\nSET k new\r\nGET k\r\nDEL k\r\nGET k\r\nQUIT\r\n",
    );
    const replies = (await client.all()).split("\r\n").filter((line) => !line.startsWith("$3"));
    assert.deepEqual(replies, ["old", "*2", "old", "old", "+OK", "new", ":1", "$-1", "+OK", ""]);
  });
});

test("GET: large objects of a pipeline arrive whole and in order, few of them open at once", async () => {
  await withResp(async ({ port, cache }) => {
    const value = pattern(3 * MIB);
    await cache.put("large", value);
    const client = new RawClient(port);
    for (let round = 0; round < 20; round += 1) client.send(command("GET", "large"));
    client.send("QUIT\r\n");
    const one = Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from("\r\n")]);
    const all = await client.bytes(20 * one.length + 5);
    assert.equal(all.length, 20 * one.length + 5);
    for (let round = 0; round < 20; round += 1) {
      assert.ok(all.subarray(round * one.length, (round + 1) * one.length).equals(one));
    }
    assert.ok(cache.openStreamsMax <= 4, `${cache.openStreamsMax} streams were open at once`);
    assert.equal(cache.openStreams, 0);
  });
});

test("GET: an object lost midway closes the connection, one lost at once is a miss", async () => {
  await withResp(async ({ port, cache }) => {
    await cache.put("large", pattern(3 * MIB));
    await cache.put("small", pattern(1_000));
    cache.loseAfterBytes = MIB;
    const client = new RawClient(port).send(command("GET", "large")).send("PING\r\n");
    const all = await client.bytes(4 * MIB);
    assert.ok(all.length < 3 * MIB && !all.includes("PONG"));
    cache.loseAfterBytes = 0;
    const other = new RawClient(port).send(command("GET", "small")).send("QUIT\r\n");
    assert.equal(await other.all(), "$-1\r\n+OK\r\n");
    assert.equal(cache.openStreams, 0);
  });
});

test("GET: a reader that stops reading holds one part, and others are not delayed", async () => {
  await withResp(async ({ port, cache }) => {
    await cache.put("large", Buffer.alloc(100 * MIB, 1));
    const before = process.memoryUsage().arrayBuffers;
    const slow = new RawClient(port);
    slow.socket.pause();
    slow.send(command("GET", "large"));
    while (cache.openStreams === 0) await new Promise(setImmediate);
    const quick = new RawClient(port);
    for (let round = 0; round < 50; round += 1) {
      quick.send(`ECHO ~${round}~\r\n`);
      const startedAt = performance.now();
      await quick.until(`~${round}~`);
      assert.ok(performance.now() - startedAt < 500);
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * MIB);
    slow.close();
    while (cache.openStreams > 0) await new Promise(setImmediate);
    quick.close();
  });
});

test("SET: a large value is handed on in the parts in which it came, and comes back whole", async () => {
  await withResp(async ({ port, cache }) => {
    const value = pattern(20 * MIB + 3);
    const client = new RawClient(port)
      .send(command("SET", "k", value))
      .send(command("SETEX", "e", "9", value));
    await client.until("+OK\r\n+OK\r\n");
    assert.ok(Buffer.from(cache.objects.get("k")?.bytes ?? []).equals(value));
    assert.deepEqual(
      cache.puts.map(({ isStream, options }) => [isStream, options.ttlMs]),
      [
        [true, undefined],
        [true, 9_000],
      ],
    );
    assert.ok(cache.putPartBytesMax <= MIB);
    client.close();
  });
});

test("SET: options behind a large value hold it within a budget; over it, the answer is an error and the stream goes on", async () => {
  await withResp(
    async ({ port, cache }) => {
      const value = pattern(MIB);
      const client = new RawClient(port)
        .send(command("SET", "k", value, "PX", "9000"))
        .send("PING\r\n");
      assert.equal(await client.until("PONG"), "+OK\r\n+PONG\r\n");
      assert.equal(cache.puts[0]?.options.ttlMs, 9_000);
      assert.ok(Buffer.from(cache.objects.get("k")?.bytes ?? []).equals(value));
      client.send(command("MSET", "a", value, "b", value, "c", value)).send("ECHO behind\r\n");
      assert.match(await client.until("behind"), /-ERR ICACHE_OVERLOADED no memory/);
      client.send(command("MSET", "a", value, "b", value)).send("ECHO again\r\n");
      assert.match(await client.until("again"), /\+OK\r\n\$5\r\nagain/);
      client.close();
    },
    { heldBytesMax: 2 * MIB },
  );
});

test("SET: one that fails still consumes its body, so that the next command is found", async () => {
  await withResp(async ({ port, cache }) => {
    const value = pattern(5 * MIB);
    cache.failure = new CacheError("ICACHE_POOL_FULL", "no room");
    const client = new RawClient(port)
      .send(command("SET", "k", value))
      .send(command("NOPE", "k", value));
    client
      .send(command("GET", "k", value))
      .send(command(value, "x"))
      .send(command("SETNX", "k", value))
      .send(command("SETNX", "k", value))
      .send("QUIT\r\n");
    assert.deepEqual((await client.all()).split("\r\n"), [
      "-ERR ICACHE_POOL_FULL no room",
      "-ERR unknown command 'NOPE', with args beginning with: 'k' ",
      "-ERR wrong number of arguments for 'get' command",
      "-ERR unknown command '', with args beginning with: ",
      ":1",
      ":0",
      "+OK",
      "",
    ]);
  });
});

test("SET: a sender that vanishes midway stores nothing", async () => {
  await withResp(async ({ port, cache }) => {
    await cache.put("k", Buffer.from("old"));
    const whole = command("SET", "k", pattern(MIB));
    const client = new RawClient(port).send(whole.subarray(0, whole.length - 2));
    while (cache.puts.length < 2) await new Promise(setImmediate);
    client.socket.end();
    await client.all();
    assert.equal(Buffer.from(cache.objects.get("k")?.bytes ?? []).toString(), "old");
    const lying = Buffer.from(whole);
    lying.write("xx", lying.length - 2);
    const other = new RawClient(port).send(lying);
    assert.match(await other.all(), /Protocol error: expected CRLF after a bulk/);
    assert.equal(Buffer.from(cache.objects.get("k")?.bytes ?? []).toString(), "old");
  });
});

test("SET: while the cache does not take a body, the sender is made to wait", async () => {
  await withResp(async ({ port, cache }) => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    cache.put = async (_key, body) => {
      await held;
      let bytes = 0;
      if (!(body instanceof Uint8Array)) for await (const part of body) bytes += part.length;
      return { kind: "stored", version: 1, bytes, code: { dataChunks: 1, parityChunks: 0 } };
    };
    const client = new RawClient(port);
    client.socket.write(command("SET", "k", Buffer.alloc(64 * MIB)));
    for (let round = 0; round < 200; round += 1) await new Promise(setImmediate);
    const stuckBytes = client.socket.writableLength;
    assert.ok(stuckBytes > 32 * MIB, `${stuckBytes} bytes wait at the sender`);
    release();
    assert.equal(await client.until("+OK"), "+OK\r\n");
    client.close();
  });
});

test("protocol errors are told and close, strangers of other protocols are closed in silence", async () => {
  await withResp(async ({ port }) => {
    const say = async (text: string) => await new RawClient(port).send(text).all();
    assert.equal(await say("*3000000000\r\n"), "-ERR Protocol error: invalid multibulk length\r\n");
    assert.equal(
      await say("PING\r\n*1\r\n$-10\r\n"),
      "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n",
    );
    assert.equal(
      await say("*1\r\n$9999999999\r\n"),
      "-ERR Protocol error: invalid bulk length\r\n",
    );
    assert.equal(await say("POST / HTTP/1.1\r\n"), "");
    assert.equal(await say("Host: localhost\r\n"), "");
  });
});

test("a client that disconnects mid-GET 100 times leaves no stream and no connection behind", async () => {
  await withResp(async ({ port, cache }) => {
    await cache.put("large", Buffer.alloc(20 * MIB, 1));
    for (let round = 0; round < 100; round += 1) {
      const client = new RawClient(port).send(command("GET", "large"));
      await client.bytes(1);
      client.close();
    }
    while (cache.openStreams > 0) await new Promise(setImmediate);
    const client = new RawClient(port).send("INFO clients\r\n");
    for (;;) {
      const seen = (await client.bytes(0)).length;
      const all = await client.until("blocked_clients:0\r\n\r\n", seen);
      if (all.slice(seen).includes("connected_clients:1\r\n")) break;
      client.send("INFO clients\r\n");
    }
    client.close();
  });
});

test("close: what is under way is answered, then the connection ends", async () => {
  let client: RawClient | undefined;
  await withResp(async ({ port, cache }) => {
    cache.onPut = async () => {
      for (let wait = 0; wait < 20; wait += 1) await new Promise(setImmediate);
    };
    client = new RawClient(port).send("SET k v\r\n");
    await once(client.socket, "connect");
    while (cache.puts.length === 0) await new Promise(setImmediate);
  });
  assert.equal(await client?.all(), "+OK\r\n");
});
