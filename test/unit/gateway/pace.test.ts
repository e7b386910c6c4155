// The minimum pace of slow peers, and the bounds on waits and memory, in virtual time.
// No real socket: a stuck one stands in.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../../src/core/ports.ts";
import { ByteBudget } from "../../../src/gateway/budget.ts";
import type { ByteSocket } from "../../../src/gateway/byte-socket.ts";
import { Gone } from "../../../src/gateway/gone.ts";
import { BODY_PACE, Pace } from "../../../src/gateway/pace.ts";
import { CURSORS_MAX, CursorTable } from "../../../src/gateway/resp/cursors.ts";
import { RespSession } from "../../../src/gateway/resp/session.ts";
import { ReplyWriter } from "../../../src/gateway/resp/writer.ts";
import { doorOptions } from "./doors.ts";
import { FakeCache } from "./fake-cache.ts";

/** A clock that stands until it is moved. */
class HandClock implements Clock {
  #now = 0;
  #timers = new Set<{ at: number; fire: () => void }>();

  now(): number {
    return this.#now;
  }

  setTimer(delayMs: number, fire: () => void) {
    const timer = { at: this.#now + delayMs, fire };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  afterInput(act: () => void): void {
    setImmediate(act);
  }

  async advance(ms: number): Promise<void> {
    this.#now += ms;
    for (const timer of [...this.#timers].filter(({ at }) => at <= this.#now)) {
      this.#timers.delete(timer);
      timer.fire();
    }
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  }
}

/** A socket whose peer takes nothing and sends what the test says. */
class StuckSocket implements ByteSocket {
  isClosed = false;
  readonly unsentBytes = 0;
  sent = "";
  #reader: ((bytes: Uint8Array | null) => void) | null = null;

  async read(): Promise<Uint8Array | null> {
    if (this.isClosed) return null;
    return await new Promise((resolve) => {
      this.#reader = resolve;
    });
  }

  receive(text: string | null): void {
    this.#reader?.(text === null ? null : Buffer.from(text));
  }

  stopReading(): void {
    this.#reader?.(null);
  }

  send(bytes: Uint8Array): void {
    this.sent += Buffer.from(bytes).toString();
  }

  async write(): Promise<boolean> {
    return await new Promise(() => {});
  }

  async flushed(): Promise<boolean> {
    return true;
  }

  end(): void {
    this.isClosed = true;
  }

  destroy(): void {
    this.isClosed = true;
    this.#reader?.(null);
  }
}

test("pace: 256 KiB in 30 s of waiting keep a connection, less do not", () => {
  const pace = new Pace(BODY_PACE);
  for (let second = 0; second < 29; second += 1) pace.moved(1_024, 1_000);
  assert.equal(pace.patienceMs, 1_000);
  pace.moved(256 * 1_024, 500);
  assert.equal(pace.patienceMs, 30_000);
});

test("writer: a reader that takes nothing is cut off after 30 s, and its stream is closed", async () => {
  const clock = new HandClock();
  const cache = new FakeCache();
  await cache.put("k", Buffer.alloc(3_000_000));
  const read = await cache.getStream("k");
  assert.ok(read.kind === "hit");
  const socket = new StuckSocket();
  const writer = new ReplyWriter(socket, clock);
  writer.push({ kind: "stream", bytes: 3_000_000, body: read.body }, 2);
  await clock.advance(0);
  await clock.advance(29_000);
  assert.equal(socket.isClosed, false);
  await clock.advance(1_001);
  assert.equal(socket.isClosed, true);
  assert.equal(cache.openStreams, 0);
});

function session(clock: Clock): StuckSocket {
  const cache = new FakeCache();
  const socket = new StuckSocket();
  const counters = { connections: 0, commands: 0, clients: 0, startedAtMs: 0 };
  const server = {
    ...doorOptions(cache),
    clock,
    counters,
    access: null,
    namespace: null,
    cursors: new CursorTable(),
  };
  const connection = {
    socket,
    id: 1,
    address: "peer:1",
    budget: new ByteBudget(1),
    bulkBytesMax: 1e9,
  };
  void new RespSession(server, connection).run();
  return socket;
}

test("session: a command that trickles is cut off 30 s after its first byte; an idle connection is not", async () => {
  const clock = new HandClock();
  const socket = session(clock);
  await clock.advance(3_600_000);
  assert.equal(socket.isClosed, false);
  for (const byte of ["*", "1", "\r"]) {
    socket.receive(byte);
    await clock.advance(0);
    await clock.advance(9_000);
    assert.equal(socket.isClosed, false);
  }
  await clock.advance(3_001);
  assert.equal(socket.isClosed, true);
});

test("session: a body that trickles is cut off by its pace", async () => {
  const clock = new HandClock();
  const socket = session(clock);
  await clock.advance(0);
  socket.receive("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n");
  await clock.advance(0);
  for (let round = 0; round < 3; round += 1) {
    await clock.advance(9_000);
    assert.equal(socket.isClosed, false);
    socket.receive("x");
    await clock.advance(0);
  }
  await clock.advance(3_001);
  assert.equal(socket.isClosed, true);
});

test("gone: what was handed back is left alone, what is lent is aborted, later loans are born aborted", () => {
  const gone = new Gone();
  const ended = gone.lend();
  const current = gone.lend();
  gone.release(ended);
  gone.abort();
  const later = gone.lend();
  assert.deepEqual(
    [ended, current, later].map(({ signal }) => signal.aborted),
    [false, true, true],
  );
  assert.ok(gone.signal.aborted);
});

test("budget: taken whole or not at all; cursors: the oldest are forgotten", () => {
  const budget = new ByteBudget(10);
  assert.deepEqual([budget.take(7), budget.take(4), budget.take(3)], [true, false, true]);
  budget.give(7);
  assert.equal(budget.take(8), false);
  const cursors = new CursorTable();
  const first = cursors.open("a");
  for (let count = 1; count < CURSORS_MAX; count += 1) cursors.open("b");
  assert.equal(cursors.after(first), "a");
  cursors.open("c");
  assert.equal(cursors.after(first), undefined);
});
