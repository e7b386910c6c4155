// The freeze mode `forwarder`: what an instance sends and receives stops with it, keeps to its
// bandwidth, and ends, or does not end, with it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startFixture, startSink, until } from "./lambda-service-fixture.ts";

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

test("forwarder: bytes flow while awake, stop while frozen, and go on after a thaw", async (t) => {
  const sink = await startSink(t);
  const { create, call } = await startFixture(t, { freezeMode: "forwarder" });
  await create("a");
  await call("a", { dial: sink.address });
  await call("a", { sleepMs: 200 });
  const awake = sink.bytes();
  assert.ok(awake >= 8, `${awake} bytes while awake`);
  // What had left the instance before the freeze may still arrive within a moment.
  await pause(100);
  const frozen = sink.bytes();
  await pause(500);
  assert.equal(sink.bytes(), frozen);
  // The far end goes while the instance is frozen; it learns of that only when it is thawed.
  await call("a", { sleepMs: 200 });
  assert.ok(sink.bytes() > frozen);
});

test("forwarder: a transfer keeps to the bandwidth, and the admin can change it", async (t) => {
  const sink = await startSink(t);
  const { create, call, service } = await startFixture(t, {
    freezeMode: "forwarder",
    bandwidth: 10e6,
  });
  await create("a");
  await call("a", { dial: sink.address });
  const send = async (bytes: number): Promise<number> => {
    const from = sink.bytes();
    const begun = performance.now();
    // Awake for the whole transfer: what has not passed by then waits for the next invocation.
    const running = call("a", { send: bytes, sleepMs: 1 });
    const done = until("all has arrived", () => sink.bytes() - from >= bytes, 10_000);
    await running;
    await call("a", { sleepMs: 1 });
    while (sink.bytes() - from < bytes) await call("a", { sleepMs: 50 });
    await done;
    return bytes / ((performance.now() - begun) / 1000);
  };
  const slow = await send(5_000_000);
  assert.ok(slow < 13e6, `${slow} bytes/s at 10 MB/s`);
  service.admin.setBandwidth("unlimited");
  const fast = await send(20_000_000);
  assert.ok(fast > 2 * slow, `${fast} bytes/s unlimited`);
});

test("forwarder: a reclaimed instance's connections close, or stay half-open when told so", async (t) => {
  for (const deadConnections of ["close", "half-open"] as const) {
    const sink = await startSink(t);
    const { create, call, service } = await startFixture(t, {
      freezeMode: "forwarder",
      deadConnections,
    });
    await create("a");
    await call("a", { dial: sink.address });
    const [socket] = sink.sockets;
    let isClosed = false;
    socket?.once("close", () => {
      isClosed = true;
    });
    service.admin.reclaimAll();
    await until("the instance is gone", () => service.admin.instances().length === 0);
    await pause(200);
    assert.equal(isClosed, deadConnections === "close");
  }
});
