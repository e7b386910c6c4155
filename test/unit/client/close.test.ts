// Closing a client while it works: its calls end with a clear error, and nothing is left that would keep the
// application's process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionPair } from "../../../src/wire/pair.ts";
import { body, HandClock, joined, pieces, settle, world } from "./world.ts";

const CLOSED = { code: "ICACHE_CLOSED" };
const BYTES = 20_000_000;

for (const turns of [1, 3, 8]) {
  test(`close: ${turns} turns into transfers, all calls end at once and no timer stays`, async () => {
    const clock = new HandClock();
    const { cache } = world({ clock });
    await cache.put("there", body(BYTES));
    const calls = [
      cache.put("buffer", body(BYTES)),
      cache.put("stream", pieces(body(BYTES), 1_000_000)),
      cache.get("there"),
      cache.getInto("there", new Uint8Array(BYTES)),
      cache.getStream("there").then(async (read) => {
        if (read.kind === "hit") await joined(read.body);
      }),
      cache.stat("there"),
    ].map((call) => assert.rejects(call, CLOSED));
    // One of them may have ended by then: that is no fault of the end.
    calls.pop()?.catch(() => {});
    await settle(turns);
    const closed = cache.close();
    await settle();
    assert.equal(clock.pendingCount, 0, "timers that keep the process");
    await closed;
    await Promise.all(calls);
    await assert.rejects(cache.get("there"), CLOSED);
  });
}

test("close: a proxy that reads nothing holds up the end for no longer than the transport allows", async () => {
  const clock = new HandClock();
  const [near] = connectionPair(() => {}); // Nothing is ever delivered, nor is its end.
  const dialer = {
    dial: (_address: string, _ms: number, opened: (connection: typeof near, why: string) => void) =>
      setImmediate(() => opened(near, "")),
  };
  const { cache } = world({ clock, dialer });
  const call = assert.rejects(cache.put("key", body(BYTES)), CLOSED);
  await settle();
  void cache.close();
  await settle();
  assert.equal(clock.pendingCount, 0);
  await call;
});
