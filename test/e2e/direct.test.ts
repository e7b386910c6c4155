// The direct path with real processes: bytes of every size, functions killed and stopped in the middle of transfers, a
// client that nobody reaches, and strangers at its door. What counts is equal bytes; that they went directly is read
// from the proxy's counters.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect as dialSocket, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProxyStatus } from "../../src/core/status.ts";
import {
  type Cache,
  type ClientSettings,
  connect,
  type DirectOptions,
} from "../../src/entry/library.ts";
import { FrameEncoder } from "../../src/wire/message-codec.ts";
import { makeBytes } from "./support/bytes.ts";
import { LambdaAdmin } from "./support/lambda-admin.ts";
import { freePorts } from "./support/ports.ts";
import { type Serving, serve } from "./support/processes.ts";

const SIZES = [0, 1, 1_000, 1_000_000, 10_000_000, 100_000_000, 300_000_000];
const HOST = "127.0.0.1";

interface World {
  readonly up: Serving;
  readonly admin: LambdaAdmin;
  client(direct: DirectOptions | null, settings?: ClientSettings): Cache;
  counters(): Promise<ProxyStatus["counters"]>;
}

async function begin(context: TestContext, ...flags: readonly string[]): Promise<World> {
  const up = await serve(["up", "--port", "0", ...flags]);
  context.after(() => up.kill());
  return {
    up,
    admin: new LambdaAdmin(up.ready.lambda),
    client: (direct, settings = {}) => {
      const url = up.ready.client;
      const cache = connect({ url, ...settings, ...(direct === null ? {} : { direct }) });
      context.after(() => cache.close());
      return cache;
    },
    counters: async () => {
      const response = await fetch(`${up.ready.http}/status`);
      // The proxy is of this package, and reports as core/status.ts says.
      return ((await response.json()) as ProxyStatus).counters;
    },
  };
}

/** Reads until chunks come directly: connections are made beside the first reads. */
async function connected(world: World, cache: Cache, key: string, body: Buffer): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const before = (await world.counters()).directGets;
    const read = await cache.get(key);
    assert(read.kind === "hit" && body.equals(read.bytes));
    if ((await world.counters()).directGets > before + 1) return;
  }
  assert.fail("no chunk came directly");
}

for (const freeze of ["stop", "forwarder"])
  test(`direct: 0 B to 300 MB come back equal, and went past the proxy (freeze by ${freeze})`, async (context) => {
    const world = await begin(context, "--nodes", "14", "--memory", "320", "--freeze", freeze);
    const cache = world.client({ host: HOST });
    const into = new Uint8Array(Math.max(...SIZES));
    for (const [index, bytes] of SIZES.entries()) {
      const body = makeBytes(index, bytes);
      for (let round = 0; round < 3; round++) {
        const startedAt = performance.now();
        await cache.put(`object ${bytes}`, body);
        const putMs = performance.now() - startedAt;
        const read = await cache.getInto(`object ${bytes}`, into);
        const getMs = performance.now() - startedAt - putMs;
        assert(read.kind === "hit" && body.equals(into.subarray(0, bytes)), `${bytes} bytes`);
        context.diagnostic(`${bytes} B: put ${putMs.toFixed(0)} ms, get ${getMs.toFixed(0)} ms`);
      }
      const streamed = await cache.getStream(`object ${bytes}`);
      assert(streamed.kind === "hit");
      let at = 0;
      for await (const part of streamed.body) {
        assert(body.subarray(at, at + part.length).equals(part), `${bytes} at ${at}`);
        at += part.length;
      }
      assert.equal(at, bytes);
      await cache.delete(`object ${bytes}`);
    }
    const { directGets, directPuts, chunkGets, directFailures } = await world.counters();
    context.diagnostic(
      `direct: ${directGets} read, ${directPuts} written, ${directFailures} failed`,
    );
    assert(directPuts > 150, `${directPuts} chunks were written directly`);
    assert(directGets > 100, `${directGets} of ${chunkGets} chunks were read directly`);
  });

test("direct: functions killed and stopped in the middle of transfers cost no byte", async (context) => {
  const world = await begin(context, "--nodes", "12", "--code", "4+2", "--memory", "256");
  const cache = world.client({ host: HOST }, { deadlineMs: 30_000 });
  const body = makeBytes(7, 60_000_000);
  await cache.put("object", body);
  await connected(world, cache, "object", body);
  const into = new Uint8Array(body.length);
  for (let round = 0; round < 6; round++) {
    // Never more than parity makes good: rounds repair what was lost.
    const victim = { function: `infinicache-${round}` };
    const isStop = round % 2 === 0;
    const reading = cache.getInto("object", into);
    const writing = cache.put(`other ${round}`, body);
    await sleep(10 + 10 * round);
    await (isStop ? world.admin.freeze(victim) : world.admin.kill(victim));
    const read = await reading;
    assert(read.kind === "hit" && body.equals(into), `round ${round}: ${read.kind}`);
    await writing;
    if (isStop) await world.admin.thaw();
    const again = await cache.getInto(`other ${round}`, into);
    assert(again.kind === "hit" && body.equals(into), `round ${round}, written: ${again.kind}`);
    await cache.delete(`other ${round}`);
  }
  const { directGets, directPuts, directFailures } = await world.counters();
  context.diagnostic(
    `${directGets} read, ${directPuts} written directly, ${directFailures} failed`,
  );
  assert(directGets > 0 && directPuts > 0);
});

test("direct: a client that no function reaches is served through the proxy", async (context) => {
  const world = await begin(context, "--nodes", "12", "--code", "4+2");
  const nobody = `${HOST}:${await freePorts()}`;
  const cache = world.client({ host: HOST, advertise: nobody });
  const body = makeBytes(3, 10_000_000);
  for (let round = 0; round < 5; round++) {
    await cache.put("object", body);
    const startedAt = performance.now();
    const read = await cache.get("object");
    assert(read.kind === "hit" && body.equals(read.bytes));
    assert(performance.now() - startedAt < 2_000, "nobody waits for a connection");
  }
  const { directGets, directPuts, hedges } = await world.counters();
  assert.deepEqual({ directGets, directPuts }, { directGets: 0, directPuts: 0 });
  context.diagnostic(`${hedges} hedges`);
});

test("direct: a taken port is told, and the cache works", async (context) => {
  const world = await begin(context, "--nodes", "6", "--code", "4+2");
  const port = Number(world.up.ready.client.split(":")[1]);
  const told = Promise.withResolvers<string>();
  const cache = world.client({ host: HOST, port, onFault: told.resolve });
  assert.match(await told.promise, /EADDRINUSE/);
  const body = makeBytes(1, 1_000_000);
  await cache.put("object", body);
  const read = await cache.get("object");
  assert(read.kind === "hit" && body.equals(read.bytes));
});

test("direct: strangers at the door get no answer and disturb nobody", async (context) => {
  const world = await begin(context, "--nodes", "12", "--code", "4+2");
  const port = await freePorts();
  const cache = world.client({ host: HOST, port });
  const body = makeBytes(5, 20_000_000);
  await cache.put("object", body);
  await connected(world, cache, "object", body);
  const encoder = new FrameEncoder();
  const envelope = { channel: 0, term: 0, invocation: 0 };
  const frames = [
    encoder.encode(
      envelope,
      {
        kind: "directHello",
        instance: randomBytes(16),
        nonce: randomBytes(32),
        proof: randomBytes(32),
      },
      0,
    ),
    encoder.encode(envelope, { kind: "directProof", proof: randomBytes(32) }, 0),
    encoder.encode({ ...envelope, channel: 2 }, { kind: "redeem", ticket: randomBytes(16) }, 0),
    encoder.encode(
      { ...envelope, channel: 1 },
      { kind: "data", stripe: 0, index: 0, attempt: 0, offset: 0 },
      1_000,
    ),
    randomBytes(100),
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
  ];
  const before = await world.counters();
  let isOver = false;
  const strangers = (async () => {
    let answered = 0;
    for (let i = 0; !isOver; i++) answered += await knock(port, frames[i % frames.length]!);
    return answered;
  })();
  for (let round = 0; round < 10; round++) {
    const read = await cache.get("object");
    assert(read.kind === "hit" && body.equals(read.bytes));
  }
  isOver = true;
  const answered = await strangers;
  assert.equal(answered, 0, "bytes were said to strangers");
  const after = await world.counters();
  assert(after.directGets > before.directGets + 20, "the reads went on directly");
  assert.equal(after.directFailures, before.directFailures, "no transfer was disturbed");
});

/** Says something at the door; how many bytes come back before it is closed. */
async function knock(port: number, frame: Uint8Array): Promise<number> {
  const socket: Socket = dialSocket({ host: HOST, port });
  let bytes = 0;
  socket.on("data", (part: Buffer) => {
    bytes += part.length;
  });
  socket.on("error", () => {});
  socket.write(frame);
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return bytes;
}
