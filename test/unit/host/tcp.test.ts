// Claims about connections over TCP, on loopback in one process: both ways of receiving, order, limits, ends.
// Every test closes its listener, and thereby shows that nothing is left open.

import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { TcpDialer } from "../../../src/host/tcp-dialer.ts";
import { listenTcp, type TcpListenerOptions } from "../../../src/host/tcp-listener.ts";
import type { Connection } from "../../../src/wire/connection.ts";
import { FrameEncoder } from "../../../src/wire/message-codec.ts";
import type { Message } from "../../../src/wire/messages.ts";
import { WireFault } from "../../../src/wire/schema.ts";
import { dataAt, ENVELOPE, Recorder } from "../wire/recorder.ts";

const WELCOME: Message = {
  kind: "welcome",
  generation: 1,
  term: 1,
  epoch: 1,
  poolNodes: 6,
  codeRules: [],
};
const CHANNEL_0 = { ...ENVELOPE, channel: 0 };

function dial(address: string, dialer = new TcpDialer()): Promise<Recorder> {
  return new Promise((resolve, reject) => {
    dialer.dial(address, 2_000, (connection, reason) => {
      if (connection === null) reject(new Error(reason));
      else resolve(new Recorder(connection));
    });
  });
}

/** A listener, and the accepted connections' recorders; with `welcome` it welcomes at once. */
async function listen(
  options: Partial<TcpListenerOptions> & { readonly isWelcoming?: boolean } = {},
) {
  const accepted: Recorder[] = [];
  const waiting: ((recorder: Recorder) => void)[] = [];
  const listener = await listenTcp({
    host: "127.0.0.1",
    port: 0,
    peer: "client",
    onConnection: (connection: Connection) => {
      const recorder = new Recorder(connection);
      accepted.push(recorder);
      if (options.isWelcoming !== false) connection.send(CHANNEL_0, WELCOME);
      waiting.shift()?.(recorder);
    },
    ...options,
  });
  const next = (): Promise<Recorder> => new Promise((resolve) => waiting.push(resolve));
  return { listener, accepted, next };
}

async function joined(options: Partial<TcpListenerOptions> = {}) {
  const { listener, next } = await listen(options);
  const coming = next();
  const near = await dial(listener.address);
  const far = await coming;
  await near.received("welcome");
  return { listener, near, far };
}

for (const isInPlace of [true, false]) {
  const way = isInPlace ? "in place" : "by data events";

  test(`tcp: parts of all sizes arrive whole in both directions, accepted sockets receiving ${way}`, async () => {
    const { listener, near, far } = await joined({ isInPlace });
    const sizes = [1, 31, 4_096, 4_097, 65_535, 300_000, 1_048_576];
    let sent = 0;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      const bodies = sizes.map((size) => new Uint8Array(size).map((_, at) => at * size));
      for (const body of bodies) {
        from.connection.send(ENVELOPE, dataAt(body.length), body, () => {
          sent += 1;
        });
      }
      await to.received("data", sizes.length);
      assert.deepEqual(to.bodies, bodies);
    }
    assert.equal(sent, 2 * sizes.length);
    assert.equal(near.connection.queuedBytes, 0);
    near.connection.close("done");
    assert.equal(await near.closed(), "done");
    assert.equal(await far.closed(), "closed by the other side");
    assert.equal(listener.counts.open, 0);
    await listener.close("end");
  });

  test(`tcp: bodies that nobody wants are skipped, receiving ${way}`, async () => {
    const { listener, near, far } = await joined({ isInPlace });
    far.wantsBodies = false;
    near.connection.send(ENVELOPE, dataAt(0), new Uint8Array(200_000));
    near.connection.send(ENVELOPE, { kind: "ping", nonce: 5 });
    await far.received("ping");
    assert.deepEqual(far.bodies, [null]);
    await listener.close("end");
    assert.equal(await far.closed(), "end");
    await near.closed();
  });

  test(`tcp: garbage is refused with the reason and counted, receiving ${way}`, async () => {
    const { listener, next } = await listen({ isInPlace, isWelcoming: false });
    const coming = next();
    const raw = connect(listener.port, "127.0.0.1");
    raw.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const answer: Buffer[] = [];
    raw.on("data", (chunk) => answer.push(chunk));
    await new Promise((resolve) => raw.once("close", resolve));
    assert.match(Buffer.concat(answer).toString("latin1"), /ICACHE_PROTOCOL/);
    assert.match(await (await coming).closed(), /broke the protocol: what came is no frame/);
    assert.equal(listener.counts.wireFaults, 1);
    await listener.close("end");
  });
}

test("tcp: a ping sent behind 200 MB of queued bodies overtakes most of them", async () => {
  const { listener, near, far } = await joined();
  const body = new Uint8Array(1_048_576);
  for (let part = 0; part < 200; part++) near.connection.send(ENVELOPE, dataAt(part), body);
  near.connection.send(CHANNEL_0, { kind: "ping", nonce: 1 });
  await far.received("ping");
  assert.ok(far.bodies.length < 20, `${far.bodies.length} bodies came first`);
  await far.received("data", 200);
  await listener.close("end");
});

test("tcp: of twelve connections with much to send none is far ahead of the others, and all of it comes", async () => {
  const { listener, next } = await listen({ isInPlace: true });
  const pairs: { readonly near: Recorder; readonly far: Recorder }[] = [];
  while (pairs.length < 12) {
    const coming = next();
    pairs.push({ near: await dial(listener.address), far: await coming });
  }
  const parts = 24;
  const body = new Uint8Array(1_048_576);
  for (let part = 0; part < parts; part++)
    for (const { near } of pairs) near.connection.send(ENVELOPE, dataAt(part), body);
  await Promise.race(pairs.map(({ far }) => far.received("data", parts)));
  for (const { far } of pairs)
    assert.ok(far.bodies.length >= parts / 2, `${far.bodies.length} of ${parts} came to one`);
  await Promise.all(pairs.map(({ far }) => far.received("data", parts)));
  await listener.close("end");
});

test("tcp: dropped bodies never come and are given back", async () => {
  const { listener, near, far } = await joined();
  let sent = 0;
  for (let part = 0; part < 50; part++) {
    near.connection.send(ENVELOPE, dataAt(part), new Uint8Array(1_048_576), () => {
      sent += 1;
    });
  }
  near.connection.dropQueued(ENVELOPE.channel);
  near.connection.send(ENVELOPE, { kind: "cancel" });
  await far.received("cancel");
  assert.equal(sent, 50);
  assert.equal(far.bodies.length, 0);
  await listener.close("end");
});

test("tcp: closing sends what is queued first", async () => {
  const { listener, near, far } = await joined();
  for (let part = 0; part < 20; part++) {
    near.connection.send(ENVELOPE, dataAt(part), new Uint8Array(1_048_576));
  }
  near.connection.close("done");
  await far.closed();
  assert.equal(far.bodies.length, 20);
  await listener.close("end");
});

test("tcp: a peer that reads nothing cannot hold a close for more than a second", async () => {
  const { listener, next } = await listen();
  const coming = next();
  const raw = connect(listener.port, "127.0.0.1");
  raw.pause();
  const far = await coming;
  let sent = 0;
  for (let part = 0; part < 40; part++) {
    far.connection.send(ENVELOPE, dataAt(part), new Uint8Array(1_048_576), () => {
      sent += 1;
    });
  }
  const startedAt = performance.now();
  far.connection.close("enough");
  assert.equal(await far.closed(), "enough");
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs > 900 && tookMs < 2_000, `${tookMs} ms`);
  assert.equal(sent, 40);
  raw.on("error", () => {});
  raw.destroy();
  await listener.close("end");
});

test("tcp: a peer that never reads its answers is cut off", async () => {
  const { listener, next } = await listen();
  const coming = next();
  const raw = connect(listener.port, "127.0.0.1");
  raw.pause();
  const far = await coming;
  const json = "x".repeat(60_000);
  for (let count = 0; count < 600 && far.closeReasons.length === 0; count++) {
    far.connection.send(ENVELOPE, { kind: "statusReport", json, isLast: false });
    if (count % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(await far.closed(), "the other side does not read");
  raw.on("error", () => {});
  raw.destroy();
  await listener.close("end");
});

test("tcp: a connection with 200,000 messages to send ends like any other", async () => {
  const { listener, next } = await listen();
  const coming = next();
  const raw = connect(listener.port, "127.0.0.1");
  raw.pause();
  const far = await coming;
  const body = new Uint8Array(1);
  let sent = 0;
  for (let count = 0; count < 200_000; count++)
    far.connection.send(ENVELOPE, dataAt(0), body, () => {
      sent += 1;
    });
  far.connection.abort("enough");
  assert.equal(await far.closed(), "enough");
  assert.equal(sent, 200_000);
  raw.on("error", () => {});
  raw.destroy();
  await listener.close("end");
});

test("tcp: connections that are not welcomed in time are closed, a byte now and then or not", async () => {
  const { listener } = await listen({ isWelcoming: false, welcomeMsMax: 150 });
  const raws = Array.from({ length: 20 }, () => connect(listener.port, "127.0.0.1"));
  const gone = raws.map((raw) => new Promise((resolve) => raw.once("close", resolve)));
  for (const raw of raws) raw.resume().write("C");
  await Promise.all(gone);
  assert.equal(listener.counts.timedOut, 20);
  await listener.close("end");
  assert.equal(listener.counts.open, 0);
});

test("tcp: before the welcome little is accepted; afterwards bodies come", async () => {
  const { listener, next } = await listen({ isWelcoming: false });
  const coming = next();
  const early = await dial(listener.address);
  early.connection.send(ENVELOPE, dataAt(0), new Uint8Array(1));
  assert.match(await (await coming).closed(), /before the connection was authenticated/);
  const refused = await early.received("refused");
  assert.equal(refused.kind === "refused" && refused.code, "ICACHE_PROTOCOL");
  await listener.close("end");
});

test("tcp: more connections than the limit are turned away", async () => {
  const { listener } = await listen({ connectionsMax: 2 });
  const kept = [await dial(listener.address), await dial(listener.address)];
  await Promise.all(kept.map((each) => each.received("welcome")));
  const third = await dial(listener.address);
  await third.closed();
  assert.equal(listener.counts.turnedAway, 1);
  await listener.close("end");
});

test("tcp: a lost connection ends once on both sides, without leaking a socket", async () => {
  const { listener, accepted } = await listen();
  for (let round = 0; round < 100; round++) {
    const near = await dial(listener.address);
    await near.received("welcome");
    const far = accepted[round]!;
    far.connection.send(ENVELOPE, dataAt(0), new Uint8Array(1_048_576));
    near.connection.close("gone");
    await Promise.all([near.closed(), far.closed()]);
    assert.equal(near.closeReasons.length, 1);
    assert.equal(far.closeReasons.length, 1);
  }
  assert.equal(listener.counts.open, 0);
  await listener.close("end");
});

test("tcp: an end in the middle of a body closes the connection", async () => {
  const { listener, next } = await listen();
  const coming = next();
  const raw = connect(listener.port, "127.0.0.1");
  const far = await coming;
  const frame = new FrameEncoder().encode(ENVELOPE, dataAt(0), 1_000);
  raw.write(Buffer.concat([frame, new Uint8Array(10)]));
  await new Promise((resolve) => raw.once("data", resolve));
  raw.end();
  assert.equal(await far.closed(), "closed in the middle of a frame");
  assert.equal(far.messages.length, 0);
  raw.destroy();
  await listener.close("end");
});

test("tcp: a handler's WireFault refuses the peer; another fault is reported and closes only that connection", async () => {
  const faults: unknown[] = [];
  const { listener, next } = await listen({ onFault: (error) => faults.push(error) });
  const comings = [next(), next(), next()];
  const nears = [
    await dial(listener.address),
    await dial(listener.address),
    await dial(listener.address),
  ];
  const [first, second, third] = await Promise.all(comings);
  first!.onEach = () => {
    throw new WireFault("odd");
  };
  second!.onEach = () => {
    throw new TypeError("a bug");
  };
  for (const near of nears) near.connection.send(ENVELOPE, { kind: "ping", nonce: 1 });
  assert.match(await first!.closed(), /odd/);
  assert.match(await second!.closed(), /a bug/);
  await third!.received("ping");
  assert.equal(faults.length, 1);
  assert.ok(faults[0] instanceof TypeError);
  await listener.close("end");
});

test("tcp: dialling reports what went wrong, once and later", async () => {
  const taken = await listen();
  const { port } = taken.listener;
  await taken.listener.close("end");
  await assert.rejects(dial(`127.0.0.1:${port}`), /ECONNREFUSED/);
  for (const address of ["nowhere", "host:", "host:0", "host:65536", "::1:80", ""]) {
    await assert.rejects(dial(address), /not an address/);
  }
});

test("tcp: a port that is taken rejects with the system's code", async () => {
  const { listener } = await listen();
  await assert.rejects(listen({ port: listener.port }), { code: "EADDRINUSE" });
  await listener.close("end");
});

/** A forwarder that reads a line, answers, and passes bytes on. */
async function forwarder(answer: string): Promise<{ address: string; close: () => void }> {
  const sockets: Socket[] = [];
  const server = createServer((inner) => {
    sockets.push(inner);
    inner.on("error", () => {});
    inner.once("data", (line) => {
      const [, port] = /^CONNECT 127\.0\.0\.1:(\d+)\n$/.exec(line.toString()) ?? [];
      const outer = connect(Number(port), "127.0.0.1");
      outer.on("error", () => {});
      sockets.push(outer);
      outer.once("connect", () => {
        inner.write(answer);
        inner.pipe(outer).pipe(inner);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  return {
    address: `127.0.0.1:${typeof bound === "object" ? bound?.port : 0}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

test("tcp: a dialer with a forwarder asks it for the way, and loses nothing that comes with the answer", async () => {
  const { listener, accepted } = await listen();
  const way = await forwarder("OK\n");
  const near = await dial(listener.address, new TcpDialer({ forwarder: way.address }));
  await near.received("welcome");
  near.connection.send(ENVELOPE, dataAt(0), new Uint8Array(500_000).fill(3));
  await accepted[0]!.received("data");
  assert.deepEqual(accepted[0]!.bodies[0], new Uint8Array(500_000).fill(3));
  near.connection.close("done");
  await Promise.all([near.closed(), accepted[0]!.closed()]);
  way.close();
  const closed = await forwarder("NO such host\n");
  const refused = dial(listener.address, new TcpDialer({ forwarder: closed.address }));
  await assert.rejects(refused, /the forwarder refused: NO such host/);
  closed.close();
  await listener.close("end");
});

test("tcp: dialling a silent forwarder ends at the deadline", async () => {
  const server = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  const address = `127.0.0.1:${typeof bound === "object" ? bound?.port : 0}`;
  const reason = await new Promise<string>((resolve) => {
    new TcpDialer({ forwarder: address }).dial("127.0.0.1:1", 50, (connection, why) => {
      assert.equal(connection, null);
      resolve(why);
    });
  });
  assert.match(reason, /did not answer in 50 ms/);
  await new Promise((resolve) => server.close(resolve));
});
