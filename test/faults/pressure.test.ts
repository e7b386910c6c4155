// More than there is room for: connections that crawl or idle, readers that hardly read, writers that write more than
// memory holds, pipelines and many large reads at once. Beside each of them a PING or a small GET goes on.
// Times are reported, and bounded generously: what a machine shared with others can keep.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect as dial, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { CacheError } from "../../src/entry/library.ts";
import { FrameEncoder } from "../../src/wire/message-codec.ts";
import { makeBytes } from "../e2e/support/bytes.ts";
import { peakMemory } from "../e2e/support/processes.ts";
import { startPool, type TestPool, until } from "../support/pool.ts";

const CONNECTIONS = 1_000;
const IDLE = 5_000;
const PING_PAUSE_MS = 100;
const PING_MS_MAX = 3_000;
/** Beside connections that crawl, 99 in 100 PINGs are as fast as this. */
const PING_MS_CALM = 200;

test("20: readers of 1 KB/s on a 100 MB GET, by HTTP and RESP: memory stays bounded, others are served, they are cut off", async (context) => {
  const pool = await startPool(context, { nodes: 24, code: "10+2", memoryMb: 256 });
  const cache = pool.client();
  await cache.put("faults/object", makeBytes(20, 100_000_000));
  const small = makeBytes(21, 100_000);
  await cache.put("small", small);
  const before = residentMb(pool);
  const socketsBefore = countDescriptors(pool);
  const readers = Array.from({ length: 10 }, (_, index) => {
    const isHttp = index % 2 === 0;
    const socket = open(isHttp ? pool.proxy.ready.http : pool.proxy.ready.resp);
    socket.write(
      isHttp
        ? "GET /objects/faults/object HTTP/1.1\r\nhost: h\r\n\r\n"
        : "*2\r\n$3\r\nGET\r\n$13\r\nfaults/object\r\n",
    );
    trickle(socket, 1_024);
    return socket;
  });
  context.after(() => {
    for (const reader of readers) reader.destroy();
  });
  const ping = watchPing(pool);
  let peakMb = before;
  for (let second = 0; second < 20; second++) {
    const read = await cache.get("small", { deadlineMs: 10_000 });
    assert(read.kind === "hit" && small.equals(read.bytes));
    peakMb = Math.max(peakMb, residentMb(pool));
    await sleep(1_000);
  }
  // Seen at the proxy: a reader that hardly reads does not notice the end of its connection.
  const cutMs = await until(
    "the slow readers are cut off",
    120_000,
    () => countDescriptors(pool) <= socketsBefore + 2,
  );
  context.diagnostic(
    `proxy ${before} MB before, ${peakMb} MB at most; cut off ${((20_000 + cutMs) / 1_000).toFixed(0)} s after the start; PING ${await ping.stop()} ms at the worst`,
  );
  // Ten readers of 100 MB each may not cost the proxy anything like their objects.
  assert(peakMb - before < 600, `${peakMb - before} MB more`);
});

test("21: 1,000 connections that send a byte now and then, on every port: closed by a time-out, PING unaffected", async (context) => {
  const pool = await startPool(context, { nodes: 6, code: "4+2" });
  const { client, functions, http, resp } = pool.proxy.ready;
  const starts: readonly (readonly [string, string])[] = [
    [client, "I"],
    [functions, "I"],
    [http, "G"],
    [resp, "*"],
  ];
  const ping = watchPing(pool);
  const sockets = Array.from({ length: CONNECTIONS }, (_, index) => {
    const [address, text] = starts[index % starts.length] ?? ["", ""];
    const socket = open(address);
    socket.resume();
    socket.write(text);
    return socket;
  });
  const more = setInterval(() => {
    for (const [index, socket] of sockets.entries())
      if (socket.writable) socket.write(["C", "C", "E", "1"][index % 4] ?? "");
  }, 10_000);
  context.after(() => clearInterval(more));
  const ms = await until("all are closed", 90_000, () => sockets.every((each) => each.destroyed));
  const [worst, most] = [await ping.stop(), ping.quantile(0.99)];
  context.diagnostic(
    `closed within ${ms.toFixed(0)} ms, PING p99 ${most.toFixed(1)} ms, ${worst} ms at the worst`,
  );
  assert(most < PING_MS_CALM, `PING p99 ${most} ms`);
});

test("29: 64 clients put 200 MB each through a proxy with a heap of 512 MB: stored or refused, never killed", async (context) => {
  const pool = await startPool(context, { nodes: 24, code: "10+2", memoryMb: 320, heapMb: 512 });
  const body = makeBytes(29, 200_000_000);
  const ping = watchPing(pool);
  const outcomes = await Promise.all(
    Array.from({ length: 64 }, async (_, index) => {
      const cache = pool.client();
      const outcome = await cache
        .put(`object ${index}`, body, { deadlineMs: 600_000 })
        .then(() => "stored")
        .catch((error: unknown) => {
          assert(error instanceof CacheError, String(error));
          return error.code;
        });
      await cache.close();
      return outcome;
    }),
  );
  const counts = Object.groupBy(outcomes, (outcome) => outcome);
  const told = Object.entries(counts).map(([name, all]) => `${name} ${all?.length}`);
  context.diagnostic(
    `${told.join(", ")}; proxy at most ${(peakMemory(pool.proxy.pid) / 1e6).toFixed(0)} MB, PING ${await ping.stop()} ms at the worst`,
  );
  assert.equal(pool.proxy.child.exitCode, null, pool.proxy.errors());
  assert((counts["stored"]?.length ?? 0) > 0);
  const last = outcomes.lastIndexOf("stored");
  const read = await pool.client().get(`object ${last}`, { deadlineMs: 60_000 });
  assert(read.kind === "miss" || body.equals(read.bytes));
});

test("load: 10,000 idle connections, half of clients and half of Redis: PING and GET unaffected", async (context) => {
  const pool = await startPool(context, { nodes: 6, code: "4+2" });
  const cache = pool.client();
  const body = makeBytes(1, 100_000);
  await cache.put("object", body);
  const before = residentMb(pool);
  const hello = new FrameEncoder().encode(
    { channel: 0, term: 0, invocation: 0 },
    { kind: "hello", clientId: new Uint8Array(16), token: "", epoch: 0, agent: "idle" },
    0,
  );
  const sockets: Socket[] = [];
  context.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let index = 0; index < IDLE; index++) {
    for (const [address, first] of [
      [pool.url, hello],
      [pool.proxy.ready.resp, "PING\r\n"],
    ] as const) {
      const socket = open(address);
      socket.resume();
      socket.write(first);
      sockets.push(socket);
    }
    if (index % 100 === 99) await sleep(20);
  }
  await until("all are connected", 30_000, async () => (await pool.status()).clients > IDLE);
  const ping = watchPing(pool);
  for (let round = 0; round < 50; round++) {
    const read = await cache.get("object");
    assert(read.kind === "hit" && body.equals(read.bytes));
  }
  await sleep(12_000); // Beyond what a connection may take until it is welcomed.
  assert.equal(sockets.filter(({ destroyed }) => destroyed).length, 0);
  context.diagnostic(
    `${sockets.length} idle: ${residentMb(pool) - before} MB more, PING ${await ping.stop()} ms at the worst`,
  );
});

test("load: pipelines of 1,000 small GETs over RESP come back in order", async (context) => {
  const COUNT = 1_000;
  const pool = await startPool(context, { nodes: 6, code: "4+2" });
  const cache = pool.client();
  const bodies = Array.from({ length: 10 }, (_, index) => Buffer.alloc(1_000, 48 + index));
  for (const [index, body] of bodies.entries()) await cache.put(`k${index}`, body);
  const expected = Array.from({ length: COUNT }, (_, index) =>
    Buffer.concat([
      Buffer.from("$1000\r\n"),
      bodies[index % 10] ?? Buffer.alloc(0),
      Buffer.from("\r\n"),
    ]),
  );
  const startedAt = performance.now();
  const pipelines = Array.from({ length: 4 }, async () => {
    const socket = open(pool.proxy.ready.resp);
    socket.write(
      Array.from({ length: COUNT }, (_, i) => `*2\r\n$3\r\nGET\r\n$2\r\nk${i % 10}\r\n`).join(""),
    );
    const came: Buffer[] = [];
    let bytes = 0;
    for await (const part of socket) {
      came.push(part as Buffer);
      bytes += came.at(-1)?.length ?? 0;
      if (bytes >= COUNT * 1_009) break;
    }
    assert(Buffer.concat(came).equals(Buffer.concat(expected)));
  });
  await Promise.all(pipelines);
  const ms = performance.now() - startedAt;
  context.diagnostic(`${4 * COUNT} GETs in ${ms.toFixed(0)} ms`);
});

test("load: 200 parallel GETs of 50 MB, streamed; PING beside them", async (context) => {
  const BYTES = 50_000_000;
  const pool = await startPool(context, { nodes: 24, code: "10+2", memoryMb: 256 });
  const cache = pool.client();
  const body = makeBytes(50, BYTES);
  await cache.put("object", body);
  const ping = watchPing(pool);
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: 200 }, async () => {
      const read = await cache.getStream("object", { deadlineMs: 300_000 });
      assert(read.kind === "hit");
      let at = 0;
      for await (const part of read.body) {
        assert(body.subarray(at, at + part.length).equals(part));
        at += part.length;
      }
      assert.equal(at, BYTES);
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  context.diagnostic(
    `10 GB in ${seconds.toFixed(1)} s; proxy at most ${(peakMemory(pool.proxy.pid) / 1e6).toFixed(0)} MB; PING ${await ping.stop()} ms at the worst`,
  );
});

test("load: PING while 400 MB values stream", async (context) => {
  const pool = await startPool(context, { nodes: 24, code: "10+2", memoryMb: 256 });
  const cache = pool.client();
  const body = makeBytes(400, 400_000_000);
  const ping = watchPing(pool);
  for (let round = 0; round < 2; round++) {
    await cache.put("object", body, { deadlineMs: 120_000 });
    const read = await cache.getStream("object", { deadlineMs: 120_000 });
    assert(read.kind === "hit");
    let at = 0;
    for await (const part of read.body) at += part.length;
    assert.equal(at, body.length);
  }
  const worst = await ping.stop();
  context.diagnostic(`PING p99 ${ping.quantile(0.99).toFixed(1)} ms, ${worst} ms at the worst`);
});

/** Pings by RESP, ten times a second, until it is told to stop; the worst answer in milliseconds. */
function watchPing(pool: TestPool) {
  const { hostname: host, port } = new URL(`tcp://${pool.proxy.ready.resp}`);
  const worker = new Worker(new URL("../support/ping-worker.ts", import.meta.url), {
    workerData: { host, port: Number(port), pauseMs: PING_PAUSE_MS, msMax: PING_MS_MAX },
  });
  let times: readonly number[] = [];
  return {
    /** The worst; what `quantile` speaks of is complete then. */
    stop: async () => {
      worker.postMessage("stop");
      [times] = (await once(worker, "message")) as [readonly number[]];
      return Math.max(0, ...times).toFixed(1);
    },
    quantile: (part: number): number =>
      times.toSorted((a, b) => a - b)[Math.floor(part * times.length)] ?? 0,
  };
}

/** Reads so many bytes a second from a socket, and no more than the kernel holds beside. */
function trickle(socket: Socket, bytesPerSecond: number): void {
  socket.pause();
  const timer = setInterval(() => {
    socket.read(Math.min(bytesPerSecond, socket.readableLength));
  }, 1_000);
  socket.on("close", () => clearInterval(timer));
}

function countDescriptors(pool: TestPool): number {
  return readdirSync(`/proc/${pool.proxy.pid}/fd`).length;
}

function residentMb(pool: TestPool): number {
  return Math.round(peakMemory(pool.proxy.pid) / 1e6);
}

function open(address: string): Socket {
  const { hostname, port } = new URL(address.includes("//") ? address : `tcp://${address}`);
  const socket = dial({ host: hostname, port: Number(port) });
  socket.on("error", () => {}); // Whatever becomes of it shows in its end.
  return socket;
}
