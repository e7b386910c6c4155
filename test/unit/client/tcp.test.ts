// The client over real sockets of this machine, wired as applications wire it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../../src/entry/library.ts";
import { listenTcp } from "../../../src/host/tcp-listener.ts";
import { connectionPair } from "../../../src/wire/pair.ts";
import { FakeProxy } from "./fake-proxy.ts";
import { body, isEqual, joined, pieces } from "./world.ts";

const MIB = 1_024 * 1_024;

test("connect: puts and gets over TCP, buffers, streams and losses", async () => {
  const proxy = new FakeProxy();
  const listener = await listenTcp({
    host: "127.0.0.1",
    port: 0,
    peer: "client",
    onConnection: (connection) => proxy.serve(connection),
  });
  const cache = connect({ url: listener.address });
  const sent = body(36 * MIB);
  assert.equal((await cache.put("buffer", sent)).kind, "stored");
  assert.equal((await cache.put("stream", pieces(sent, MIB + 1))).kind, "stored");
  proxy.lose("buffer", 0, 3);
  const read = await cache.get("buffer");
  assert.ok(read.kind === "hit" && isEqual(read.bytes, sent));
  assert.equal(read.timings.reconstructed, 1);
  const stream = await cache.getStream("stream");
  assert.ok(stream.kind === "hit" && isEqual(await joined(stream.body), sent));
  const abort = new AbortController();
  const putting = cache.put("never", sent, { signal: abort.signal });
  setImmediate(() => abort.abort());
  await assert.rejects(putting, { code: "ICACHE_ABORTED" });
  const many = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      cache.get("stream", { range: { start: i * MIB, end: (i + 2) * MIB } }),
    ),
  );
  for (const [i, part] of many.entries())
    assert.ok(part.kind === "hit" && isEqual(part.bytes, sent.subarray(i * MIB, (i + 2) * MIB)));
  await cache.close();
  await listener.close("done");
});

test("connect: talks to a proxy in this process, and says what options there are", async () => {
  const proxy = new FakeProxy();
  const cache = connect({
    proxy: {
      connect: () => {
        const [client, server] = connectionPair((task) => void setImmediate(task));
        proxy.serve(server);
        return client;
      },
    },
  });
  assert.equal((await cache.put("k", body(1_000))).kind, "stored");
  const read = await cache.get("k");
  assert.ok(read.kind === "hit" && isEqual(read.bytes, body(1_000)));
  await cache.close();
  assert.throws(() => connect({ url: "h:1", tokn: "x" } as never), {
    code: "ICACHE_INVALID",
    message: /unknown option "tokn"/,
  });
  assert.throws(() => connect({ url: "h:1", token: 12_345 } as never), {
    code: "ICACHE_INVALID",
    message: "token is a string, not a number",
  });
});

test("connect: nothing listens there", async () => {
  const cache = connect({ url: "127.0.0.1:1", unreachableMs: 100 });
  await assert.rejects(cache.get("k"), { code: "ICACHE_UNREACHABLE", message: /ECONNREFUSED/ });
  await cache.close();
});
