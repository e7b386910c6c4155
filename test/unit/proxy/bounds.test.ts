// Claims about what bounds the proxy: admission, remembered outcomes, hedges, and credit for clients that do not read.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RETRY_OUTCOMES_MAX, RETRY_WINDOW_MS } from "../../../src/core/limits.ts";
import { HedgeBudget, TransferLatency } from "../../../src/proxy/latency.ts";
import { type GatedPut, PutGate } from "../../../src/proxy/put-gate.ts";
import { RetryWindow } from "../../../src/proxy/retry-window.ts";
import { bodyOf, decoded, first } from "./client.ts";
import { VirtualClock } from "./virtual-clock.ts";
import { World } from "./world.ts";

const MIB = 1_024 * 1_024;

/** A PUT at the gate whose progress the test says. */
class ToldPut implements GatedPut {
  readonly chunks: number;
  readonly #admitted: () => void;
  receivedBytes = 0;
  heldBytes = 0;

  constructor(chunks: number, admitted: () => void = () => {}) {
    this.chunks = chunks;
    this.#admitted = admitted;
  }

  onAdmitted(): void {
    this.#admitted();
  }
}

test("gate: at most 192 chunks are admitted, in the order of coming; a place given up is the next one's", () => {
  const gate = new PutGate(new VirtualClock());
  const begun: number[] = [];
  const slots = Array.from({ length: 20 }, (_, at) =>
    gate.admit(new ToldPut(12, () => begun.push(at))),
  );
  assert.equal(begun.length, 16);
  slots[17]!.release();
  slots[0]!.release();
  slots[0]!.release();
  assert.deepEqual(begun.slice(16), [16]);
  slots[1]!.release();
  assert.deepEqual(begun.slice(16), [16, 18]);
  for (const slot of slots) slot.release();
  gate.admit(new ToldPut(255, () => begun.push(100)));
  assert.equal(begun.at(-1), 100, "a code wider than the gate still passes, alone");
});

test("gate: only so many may wait", () => {
  const gate = new PutGate(new VirtualClock());
  for (let at = 0; at < 10_016; at++) {
    assert.equal(gate.hasRoomToWait, true);
    gate.admit(new ToldPut(12));
  }
  assert.equal(gate.hasRoomToWait, false);
});

test("gate: PUTs whose clients send next to nothing make room within two seconds; others do not", () => {
  const clock = new VirtualClock();
  const gate = new PutGate(clock);
  const puts = Array.from({ length: 16 }, () => new ToldPut(12));
  const slots = puts.map((put) => gate.admit(put));
  clock.advance(60_000); // Nobody waits, so nobody is looked at.
  const [stalled, fast, heldUp] = puts;
  const begun: number[] = [];
  const newcomers = [0, 1].map((at) => new ToldPut(24, () => begun.push(at)));
  const waiting = newcomers.map((put) => gate.admit(put));
  for (const put of newcomers) put.heldBytes = 1;
  for (const put of puts.slice(2)) put.heldBytes = 1; // It is their functions that are slow.
  clock.advance(1_000);
  assert.deepEqual(begun, []);
  fast!.receivedBytes += MIB;
  heldUp!.receivedBytes += 1;
  clock.advance(1_000);
  assert.deepEqual(
    begun,
    [],
    "only one of the sixteen is slow, and it makes room for one of its size",
  );
  fast!.receivedBytes += MIB - 1;
  clock.advance(1_000);
  assert.deepEqual(begun, [0], "now two have stepped aside");
  stalled!.receivedBytes += 100 * MIB;
  clock.advance(10_000);
  assert.deepEqual(begun, [0], "the others hold parts that wait for functions");
  for (const slot of slots) slot.release();
  for (const slot of waiting) slot.release();
  assert.deepEqual(begun, [0, 1]);
});

test("gate: no more than 1,024 chunks of slow PUTs step aside, and one that ends there makes room there", () => {
  const clock = new VirtualClock();
  const gate = new PutGate(clock);
  let begun = 0;
  const slots = Array.from({ length: 200 }, () => gate.admit(new ToldPut(12, () => begun++)));
  clock.advance(60_000);
  assert.equal(begun, 16 + 85, "85 of 12 chunks are 1,020");
  slots[0]!.release();
  clock.advance(60_000);
  assert.equal(begun, 16 + 86);
});

test("put: clients that stop in the middle, as many as are admitted, hold up the next one for two seconds", () => {
  const world = new World();
  const stalled = Array.from({ length: 64 }, (_, at) => world.client(at + 2).openPut(`s${at}`));
  world.clock.until(() => stalled.every(({ messages }) => messages.length > 0));
  const client = world.client();
  const startedAt = world.clock.now();
  const put = client.openPut("k");
  world.clock.until(() => put.messages.length > 0, 5_000);
  assert.ok(world.clock.now() - startedAt <= 2_100, `${world.clock.now() - startedAt} ms`);
});

test("put: more than four stripes under way are refused, whatever the client's good will", () => {
  const world = new World();
  const client = world.client();
  const exchange = client.openPut("k");
  world.clock.until(() => exchange.messages.length > 0);
  for (let stripe = 0; stripe < 4; stripe++)
    client.send(exchange.channel, { kind: "putStripe", stripe, bytes: 100 });
  world.clock.advance(5);
  assert.equal(exchange.messages.length, 1);
  client.send(exchange.channel, { kind: "putStripe", stripe: 4, bytes: 100 });
  world.clock.advance(5);
  const end = exchange.messages.at(-1)!;
  assert.ok(end.kind === "failed" && end.code === "ICACHE_INVALID", JSON.stringify(end));
  world.settle();
  assert.equal(world.proxy.status().chunkBytes, 0);
});

test("retries: an outcome is kept for the window, and only so many are", () => {
  const window = new RetryWindow();
  window.record("a", 1, { kind: "remove", existed: true }, 0);
  assert.deepEqual(window.find("a", 1, RETRY_WINDOW_MS), { kind: "remove", existed: true });
  assert.equal(window.find("a", 1, RETRY_WINDOW_MS + 1), null);
  assert.equal(window.find("b", 1, 0), null);
  for (let at = 0; at <= RETRY_OUTCOMES_MAX; at++)
    window.record("c", at, { kind: "clear", count: at }, 1);
  assert.equal(window.find("c", 0, 1), null, "the oldest goes");
  assert.notEqual(window.find("c", RETRY_OUTCOMES_MAX, 1), null);
});

test("hedges: stay below one in twenty requests but for what was saved up", () => {
  const budget = new HedgeBudget();
  let hedges = 0;
  for (let request = 0; request < 10_000; request++) {
    budget.earn();
    if (budget.spend()) hedges++;
  }
  assert.ok(hedges >= 500 && hedges <= 530, `${hedges}`);
});

test("hedges: are due after twice what nine in ten chunks of the size needed", () => {
  const latency = new TransferLatency();
  const unknown = latency.hedgeAfterMs(1_000);
  for (let ms = 1; ms <= 100; ms++) latency.note(1_000, ms);
  const due = latency.hedgeAfterMs(1_000);
  assert.ok(due > 150 && due < 210, `${due}`);
  assert.equal(latency.hedgeAfterMs(MIB), unknown, "other sizes are not concerned");
});

/** A world that has "k", one chunk of 5 MiB. */
function storedLarge(): { world: World; body: Uint8Array } {
  const world = new World({ nodes: 3, budgetBytes: 40 * MIB });
  const client = world.client();
  const body = bodyOf(5 * MIB);
  const put = client.openPut("k", { code: { dataChunks: 1, parityChunks: 0 } });
  world.clock.until(() => put.messages.length > 0);
  const version = first(put, "putOpened").version;
  client.sendLarge(put, "k", version, body);
  world.clock.until(() => put.messages.some(({ kind }) => kind === "putDone"), 20_000);
  world.settle();
  return { world, body };
}

test("get: of readers that share a transfer, one that does not read holds no more than its credit, and gets all later", () => {
  const { world, body } = storedLarge();
  const [slow, quick, other] = [world.client(2), world.client(3), world.client(4)];
  slow.pause();
  const exchanges = [slow.get("k"), quick.get("k"), other.get("k")] as const;
  const isWhole = (exchange: Parameters<typeof decoded>[0]): boolean =>
    decodedLength(exchange) === body.length;
  world.clock.until(() => isWhole(exchanges[1]) && isWhole(exchanges[2]), 3_000);
  assert.equal(world.proxy.counters.coalesced, 2);
  assert.ok(slow.heldBytes <= 3 * MIB, `${slow.heldBytes} bytes wait for the slow client`);
  world.clock.advance(25_000); // Longer than a function waits for credit.
  assert.ok(slow.heldBytes <= 3 * MIB, `${slow.heldBytes} bytes wait for the slow client`);
  slow.resume();
  world.clock.until(() => isWhole(exchanges[0]), 3_000);
  for (const exchange of exchanges) assert.deepEqual(decoded(exchange, "k"), body);
});

test("get: a client that does not read holds no more of a chunk than its credit, and is not given up", () => {
  const { world, body } = storedLarge();
  const reader = world.client(2);
  reader.pause();
  const exchange = reader.get("k");
  world.clock.advance(25_000); // Longer than a function waits for credit.
  assert.ok(reader.heldBytes <= 2 * MIB, `${reader.heldBytes} bytes wait for the client`);
  reader.resume();
  world.clock.until(
    () =>
      exchange.messages.some(({ kind }) => kind === "miss") ||
      decodedLength(exchange) === body.length,
    3_000,
  );
  assert.deepEqual(decoded(exchange, "k"), body);
});

function decodedLength(exchange: Parameters<typeof decoded>[0]): number {
  return exchange.chunks.get(0)?.bytes.length ?? 0;
}
