// Claims about the machine's clock, time of day, chance and cryptography.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAddress, parseAddress } from "../../../src/host/addresses.ts";
import { NodeCrypto } from "../../../src/host/node-crypto.ts";
import { SystemClock } from "../../../src/host/system-clock.ts";
import { SystemRandom } from "../../../src/host/system-random.ts";
import { SystemWallClock } from "../../../src/host/system-wall-clock.ts";
import { TcpDialer } from "../../../src/host/tcp-dialer.ts";
import { listenTcp } from "../../../src/host/tcp-listener.ts";
import { ENVELOPE, Recorder } from "../wire/recorder.ts";

test("clock: timers fire once, later, and not when cancelled", async () => {
  const clock = new SystemClock();
  const startedAt = clock.now();
  const fired: string[] = [];
  clock.setTimer(1, () => fired.push("cancelled")).cancel();
  await new Promise<void>((resolve) => {
    clock.setTimer(-5, () => fired.push("overdue"));
    const timer = clock.setTimer(10, () => {
      fired.push("due");
      resolve();
    });
    assert.deepEqual(fired, []);
    assert.ok(timer);
  });
  assert.deepEqual(fired, ["overdue", "due"]);
  assert.ok(clock.now() - startedAt >= 9);
});

test("clock: a delay beyond what timers can hold does not fire at once", async () => {
  const clock = new SystemClock();
  let hasFired = false;
  const timer = clock.setTimer(2 ** 40, () => {
    hasFired = true;
  });
  await new Promise((resolve) => clock.setTimer(5, () => resolve(null)));
  timer.cancel();
  assert.equal(hasFired, false);
});

test("clock: an overdue timer that looks after the input sees what was waiting", async () => {
  const clock = new SystemClock();
  const listener = await listenTcp({
    host: "127.0.0.1",
    port: 0,
    peer: "client",
    onConnection: (connection) => {
      const far = new Recorder(connection);
      far.onEach = (message, each) => {
        if (message.kind === "ping") each.send(ENVELOPE, { kind: "pong", nonce: message.nonce });
      };
    },
  });
  const near = await new Promise<Recorder>((resolve) => {
    new TcpDialer().dial(listener.address, 1_000, (connection) => {
      resolve(new Recorder(connection!));
    });
  });
  const seen = await new Promise<number>((resolve) => {
    near.onEach = () => {
      // Within this event the next answer is put into the socket and a timer becomes overdue, as in a freeze.
      near.onEach = () => {};
      clock.setTimer(1, () => clock.afterInput(() => resolve(near.messages.length)));
      near.connection.send(ENVELOPE, { kind: "ping", nonce: 2 });
      setImmediate(() => {
        const blockedUntil = performance.now() + 20;
        while (performance.now() < blockedUntil);
      });
    };
    near.connection.send(ENVELOPE, { kind: "ping", nonce: 1 });
  });
  assert.equal(seen, 2);
  await listener.close("end");
  await near.closed();
});

test("wall clock: it stands still after a jump back until the time has caught up", () => {
  const times = [100, 90, 95, 101, 50, 102];
  const clock = new SystemWallClock(() => times.shift() ?? 0);
  assert.deepEqual(
    Array.from({ length: 6 }, () => clock.now()),
    [100, 100, 100, 101, 101, 102],
  );
  assert.ok(new SystemWallClock().now() > 1_700_000_000_000);
});

test("random: every value below the bound comes, and none else", () => {
  const random = new SystemRandom();
  const seen = new Set(Array.from({ length: 2_000 }, () => random.below(7)));
  assert.deepEqual(seen, new Set([0, 1, 2, 3, 4, 5, 6]));
  assert.equal(random.below(1), 0);
  assert.ok(Array.from({ length: 100 }, () => random.u32()).every((word) => word >>> 0 === word));
});

test("crypto: HMAC-SHA-256 gives the vectors of RFC 4231", () => {
  const crypto = new NodeCrypto();
  const text = new TextEncoder();
  const mac = crypto.hmacSha256(text.encode("Jefe"), text.encode("what do ya want for nothing?"));
  assert.equal(
    Buffer.from(mac).toString("hex"),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
  assert.ok(crypto.equal(mac, Uint8Array.from(mac)));
  assert.ok(!crypto.equal(mac, mac.subarray(1)));
  assert.ok(!crypto.equal(mac, new Uint8Array(32)));
  assert.equal(crypto.randomBytes(32).length, 32);
  assert.notDeepEqual(crypto.randomBytes(32), crypto.randomBytes(32));
});

test("addresses: text and parts", () => {
  assert.deepEqual(parseAddress("localhost:6370"), { host: "localhost", port: 6_370 });
  assert.deepEqual(parseAddress("[::1]:80"), { host: "::1", port: 80 });
  assert.equal(formatAddress("::1", 80), "[::1]:80");
  assert.equal(formatAddress("10.0.0.1", 80), "10.0.0.1:80");
  for (const text of ["::1:80", "host", "host:", ":80", "host:0", "host:70000", "a b:1", "h:1x"]) {
    assert.equal(parseAddress(text), null, text);
  }
});
