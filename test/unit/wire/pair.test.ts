// Claims about two connections of one process, run by a scheduler that the test turns by hand.
// No time passes in it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionPair } from "../../../src/wire/pair.ts";
import { WireFault } from "../../../src/wire/schema.ts";
import { dataAt, ENVELOPE, Recorder } from "./recorder.ts";

function pairByHand(): {
  near: Recorder;
  far: Recorder;
  turn: () => void;
  run: () => number;
} {
  const tasks: (() => void)[] = [];
  const [a, b] = connectionPair((task) => tasks.push(task));
  const turn = (): void => tasks.shift()?.();
  const run = (): number => {
    let turns = 0;
    for (; tasks.length > 0; turns++) turn();
    return turns;
  };
  return { near: new Recorder(a), far: new Recorder(b), turn, run };
}

test("pair: nothing comes within the call, everything in order later, by reference", () => {
  const { near, far, run } = pairByHand();
  const ping = { kind: "ping", nonce: 1 } as const;
  near.connection.send(ENVELOPE, ping);
  near.connection.send(ENVELOPE, { kind: "ping", nonce: 2 });
  assert.equal(far.messages.length, 0);
  assert.ok(near.connection.queuedBytes > 0);
  run();
  assert.equal(far.messages[0], ping);
  assert.deepEqual(
    far.messages.map((each) => (each.kind === "ping" ? each.nonce : -1)),
    [1, 2],
  );
  assert.equal(near.connection.queuedBytes, 0);
});

test("pair: a body is copied once and given back after it was delivered", () => {
  const { near, far, run } = pairByHand();
  const body = new Uint8Array([1, 2, 3]);
  let sent = 0;
  near.connection.send(ENVELOPE, dataAt(0), body, () => {
    sent += 1;
    body.fill(9);
  });
  assert.equal(sent, 0);
  run();
  assert.equal(sent, 1);
  assert.deepEqual(far.bodies, [new Uint8Array([1, 2, 3])]);
});

test("pair: a ping overtakes bodies, and a turn delivers a bounded batch", () => {
  const { near, far, turn, run } = pairByHand();
  const body = new Uint8Array(1_048_576);
  for (let part = 0; part < 40; part++) near.connection.send(ENVELOPE, dataAt(part), body);
  turn();
  assert.ok(far.bodies.length <= 3);
  near.connection.send({ ...ENVELOPE, channel: 0 }, { kind: "ping", nonce: 1 });
  turn();
  assert.equal(far.messages.filter((each) => each.kind === "ping").length, 1);
  assert.ok(far.bodies.length <= 6);
  assert.ok(run() >= 16);
  assert.equal(far.bodies.length, 40);
});

test("pair: dropped bodies are given back and never come", () => {
  const { near, far, run } = pairByHand();
  let sent = 0;
  for (let part = 0; part < 3; part++) {
    near.connection.send(ENVELOPE, dataAt(part), new Uint8Array(10), () => {
      sent += 1;
    });
  }
  near.connection.send(ENVELOPE, { kind: "cancel" });
  near.connection.dropQueued(ENVELOPE.channel);
  assert.equal(sent, 0);
  run();
  assert.equal(sent, 3);
  assert.deepEqual(far.messages, [{ kind: "cancel" }]);
});

test("pair: closing delivers what was queued, then ends both sides once, and gives every body back", () => {
  const { near, far, run } = pairByHand();
  let sent = 0;
  const count = (): void => {
    sent += 1;
  };
  far.connection.send(ENVELOPE, dataAt(0), new Uint8Array(5_000_000 >>> 3), count);
  near.connection.send(ENVELOPE, { kind: "ping", nonce: 1 });
  near.connection.close("enough");
  near.connection.close("again");
  near.connection.send(ENVELOPE, dataAt(1), new Uint8Array(1), count);
  run();
  assert.deepEqual(far.messages, [{ kind: "ping", nonce: 1 }]);
  assert.deepEqual(near.closeReasons, ["enough"]);
  assert.deepEqual(far.closeReasons, ["closed by the other side"]);
  assert.equal(near.messages.length, 0);
  far.connection.send(ENVELOPE, dataAt(2), new Uint8Array(1), count);
  far.connection.close("late");
  run();
  assert.equal(sent, 3);
  assert.equal(far.closeReasons.length, 1);
});

test("pair: a handler's WireFault closes both; anything else also comes out of the scheduler", () => {
  const first = pairByHand();
  first.far.onEach = () => {
    throw new WireFault("odd");
  };
  first.near.connection.send(ENVELOPE, { kind: "ping", nonce: 1 });
  first.run();
  assert.deepEqual(first.far.closeReasons, ["odd"]);
  assert.equal(first.near.closeReasons.length, 1);
  const second = pairByHand();
  let sent = 0;
  second.far.onEach = () => {
    throw new TypeError("a bug");
  };
  for (let part = 0; part < 2; part++) {
    second.near.connection.send(ENVELOPE, dataAt(part), new Uint8Array(1), () => {
      sent += 1;
    });
  }
  assert.throws(() => second.run(), /a bug/);
  second.run();
  assert.equal(sent, 2);
  assert.equal(second.near.closeReasons.length, 1);
});
