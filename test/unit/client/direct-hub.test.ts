// The client's door and the function's dial, against each other and against impostors on either side.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DirectHub,
  GRACE_MS,
  LINES_MAX,
  PROOF_MS_MAX,
  STRANGERS_MAX,
} from "../../../src/client/direct-hub.ts";
import { directProof, pairKey } from "../../../src/core/direct.ts";
import { NodeCrypto } from "../../../src/host/node-crypto.ts";
import { DIAL_MS_MAX, DirectLines } from "../../../src/runtime/direct-lines.ts";
import type { Connection, Dialer, Door } from "../../../src/wire/connection.ts";
import type { Message } from "../../../src/wire/messages.ts";
import { connectionPair } from "../../../src/wire/pair.ts";
import { VirtualClock } from "../proxy/virtual-clock.ts";

const crypto = new NodeCrypto();
const ZERO = { channel: 0, term: 0, invocation: 0 };
assert(GRACE_MS > 0 && LINES_MAX > STRANGERS_MAX);

function world() {
  const clock = new VirtualClock();
  let accept: (connection: Connection) => void = () => {};
  const door: Door = {
    open: (taker, opened) => {
      accept = taker;
      clock.soon(() => opened("client:1", ""));
    },
    close: (closed) => closed(),
  };
  const hub = new DirectHub({ door, clock, crypto, onOpened: () => {} });
  clock.advance(1);
  const knock = (): Connection => {
    const [near, far] = connectionPair(clock.soon);
    clock.soon(() => accept(far));
    return near;
  };
  const dialer: Dialer = {
    dial: (address, _deadlineMs, opened) => {
      if (address === "client:1") return clock.soon(() => opened(knock(), ""));
      if (address === "nobody:1") clock.soon(() => opened(null, "refused"));
    },
  };
  const secret = hub.listen?.secret ?? new Uint8Array(0);
  const instanceOf = (n: number): Uint8Array => new Uint8Array(16).fill(n);
  const order = (n: number, peer = 1, address = "client:1") => ({
    ...({ kind: "directDial", peer, address } as const),
    pairKey: pairKey(crypto, secret, instanceOf(n)),
  });
  const functionOf = (n: number): DirectLines => {
    const lines = new DirectLines({ clock, crypto, dialer }, instanceOf(n));
    return lines;
  };
  return { clock, hub, knock, secret, instanceOf, order, functionOf };
}

/** A stranger: what it is answered, and whether it was closed. */
function listen(connection: Connection) {
  const heard: Message[] = [];
  const state = { heard, isClosed: false };
  connection.setHandler({
    bodyPlace: () => null,
    onMessage: (_envelope, message) => void heard.push(message),
    onClose: () => {
      state.isClosed = true;
    },
  });
  return state;
}

test("direct: a function that has the key gets a line, and tickets go both ways on it", () => {
  const { clock, hub, instanceOf, order, functionOf } = world();
  const lines = functionOf(5);
  const answers: boolean[] = [];
  lines.dial(order(5), (isUp) => answers.push(isUp));
  clock.advance(10);
  assert.deepEqual(answers, [true]);
  assert.equal(hub.counts.lines, 1);
  lines.dial(order(5), (isUp) => answers.push(isUp));
  assert.deepEqual(answers, [true, true], "there is one already");
  const seen: string[] = [];
  const owner = (name: string) => ({
    ...{ place: () => null, onHold: () => {}, onClosed: () => void seen.push(`${name} closed`) },
    onMessage: (message: Message) => void seen.push(`${name} ${message.kind}`),
    onRedeemed: (channel: { send(message: Message): void }) => channel.send({ kind: "cancel" }),
  });
  const ticket = instanceOf(77);
  assert(lines.offer(1, ticket, owner("function")));
  assert(hub.redeem(instanceOf(5), ticket, owner("client")) !== null);
  assert(hub.offer(instanceOf(5), instanceOf(78), owner("client")));
  assert(lines.redeem(1, instanceOf(78), owner("function")) !== null);
  clock.advance(10);
  assert.deepEqual(seen, ["client cancel", "function cancel"]);
  assert.equal(hub.redeem(instanceOf(6), ticket, owner("nobody")), null);
});

test("direct: a stranger gets no byte in answer and is closed", () => {
  const { clock, hub, knock, instanceOf } = world();
  const frames: Message[] = [
    {
      kind: "directHello",
      instance: instanceOf(1),
      nonce: new Uint8Array(32),
      proof: new Uint8Array(32),
    },
    { kind: "directProof", proof: new Uint8Array(32) },
    { kind: "redeem", ticket: instanceOf(1) },
    { kind: "taken" },
  ];
  for (const frame of frames) {
    const connection = knock();
    const stranger = listen(connection);
    connection.send(ZERO, frame);
    clock.advance(10);
    assert.deepEqual(stranger, { heard: [], isClosed: true }, frame.kind);
  }
  assert.equal(hub.counts.refused, frames.length);
  assert.equal(hub.counts.lines, 0);
});

test("direct: a hello that was overheard gets no line", () => {
  const { clock, hub, knock, secret, instanceOf } = world();
  const nonce = new Uint8Array(32).fill(3);
  const proof = directProof(crypto, pairKey(crypto, secret, instanceOf(1)), "hello", nonce);
  const connection = knock();
  const replay = listen(connection);
  connection.send(ZERO, { kind: "directHello", instance: instanceOf(1), nonce, proof });
  clock.advance(10);
  assert.deepEqual(
    replay.heard.map(({ kind }) => kind),
    ["directChallenge"],
  );
  connection.send(ZERO, { kind: "directProof", proof });
  clock.advance(10);
  assert(replay.isClosed);
  assert.equal(hub.counts.lines, 0);
});

test("direct: who says nothing is closed in time, and more strangers than may wait at once", () => {
  const { clock, hub, knock } = world();
  const strangers = Array.from({ length: STRANGERS_MAX + 1 }, () => listen(knock()));
  clock.advance(10);
  assert.equal(strangers.filter(({ isClosed }) => isClosed).length, 1);
  clock.advance(PROOF_MS_MAX);
  assert(strangers.every(({ isClosed }) => isClosed));
  assert.equal(hub.counts.refused, STRANGERS_MAX + 1);
});

test("direct: a listener that is not the client is sent nothing but the hello", () => {
  const clock = new VirtualClock();
  const heard: Message[] = [];
  let isClosed = false;
  const dialer: Dialer = {
    dial: (_address, _deadlineMs, opened) => {
      const [near, far] = connectionPair(clock.soon);
      far.setHandler({
        bodyPlace: () => null,
        onMessage: (_envelope, message) => {
          heard.push(message);
          far.send(ZERO, {
            kind: "directChallenge",
            nonce: new Uint8Array(32),
            proof: new Uint8Array(32),
          });
          far.send(ZERO, { kind: "directWelcome" });
        },
        onClose: () => {
          isClosed = true;
        },
      });
      clock.soon(() => opened(near, ""));
    },
  };
  const lines = new DirectLines({ clock, crypto, dialer }, new Uint8Array(16));
  const answers: boolean[] = [];
  const dial = {
    kind: "directDial",
    peer: 1,
    address: "x:1",
    pairKey: new Uint8Array(32),
  } as const;
  lines.dial(dial, (isUp) => answers.push(isUp));
  clock.advance(10);
  assert.deepEqual(
    heard.map(({ kind }) => kind),
    ["directHello"],
  );
  assert.deepEqual([answers, isClosed, lines.count], [[false], true, 0]);
});

test("direct: a client that is not reached, or does not answer, is told so within a second, once to everybody who asked", () => {
  const { clock, order, functionOf } = world();
  const lines = functionOf(1);
  const answers: string[] = [];
  lines.dial(order(1, 1, "nobody:1"), (isUp) => answers.push(`refused ${isUp}`));
  lines.dial(order(1, 2, "silence:1"), (isUp) => answers.push(`silent ${isUp}`));
  lines.dial(order(1, 2, "silence:1"), (isUp) => answers.push(`again ${isUp}`));
  clock.advance(10);
  assert.deepEqual(answers, ["refused false"]);
  clock.advance(DIAL_MS_MAX);
  assert.deepEqual(answers, ["refused false", "silent false", "again false"]);
});

test("direct: another proxy ends the lines of the one before, and an instance's new line replaces its old one", () => {
  const { clock, hub, order, functionOf } = world();
  const lines = functionOf(1);
  lines.dial(order(1, 1), () => {});
  lines.dial(order(1, 2), () => {});
  clock.advance(10);
  assert.equal(hub.counts.lines, 1, "one for each instance");
  assert.equal(lines.count, 1);
  lines.clear();
  clock.advance(10);
  assert.equal(hub.counts.lines, 0);
});
