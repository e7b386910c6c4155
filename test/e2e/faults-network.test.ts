// Faults of the network: silence without a reset, damaged bytes in flight and at rest, peers that vanish midway.
// A fault proxy of ours stands between functions and proxy, another between clients and proxy.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeOf } from "../support/nodes.ts";
import { startPool, type TestPool, until } from "../support/pool.ts";
import { damageMemory } from "../support/process-memory.ts";
import { makeBytes } from "./support/bytes.ts";
import { CLI, cleanEnvironment } from "./support/processes.ts";

const NODES = 6;
const DATA = 4;
const PARITY = 2;
const BYTES = 8_000_000;
const CHUNK_BYTES = BYTES / DATA;
const PATTERN_BYTES = 64;
const LATE_MS_MAX = 2_000;
const REDIALS_MS_MAX = 20_000;

async function begin(context: TestContext): Promise<TestPool> {
  return startPool(context, { nodes: NODES, code: "4+2" });
}

test("14: a function behind a connection gone silent: the GET is served by others, later ones by it again", async (context) => {
  const pool = await begin(context);
  const cache = pool.client();
  const body = makeBytes(14, BYTES);
  await cache.put("object", body);
  const silent = new Set(pool.functionFaults.links.filter((link) => (nodeOf(link) ?? 0) < PARITY));
  assert(silent.size >= PARITY);
  pool.functionFaults.treat((link) => ({ isSilent: silent.has(link) }));
  for (let round = 0; round < 5; round++) {
    const startedAt = performance.now();
    const read = await cache.get("object", { deadlineMs: 20_000 });
    assert(read.kind === "hit" && body.equals(read.bytes));
    context.diagnostic(`GET ${round}: ${(performance.now() - startedAt).toFixed(0)} ms`);
    await sleep(300);
  }
  // The silent connections stay silent: it is by new ones that the functions come back, as soon as somebody needs them,
  // as a PUT does, which has a chunk for every node.
  const dialled = (): boolean => {
    const again = pool.functionFaults.links.filter((link) => !silent.has(link)).map(nodeOf);
    return again.includes(0) && again.includes(1);
  };
  const endsAt = performance.now() + REDIALS_MS_MAX;
  for (;;) {
    await cache.put("next", body);
    if (dialled()) break;
    assert(performance.now() < endsAt, "the functions have not dialled again");
    await sleep(100);
  }
  const next = await cache.get("next");
  assert(next.kind === "hit" && body.equals(next.bytes));
  assert.equal((await pool.admin.counters()).instancesStarted, NODES);
});

test("16: bits flipped in flight, on the way in and out: equal bytes, and the damage is counted", async (context) => {
  const pool = await begin(context);
  const body = makeBytes(16, BYTES);
  // Rare enough that no stripe is hit more than p times: a PUT moves 12 MB, a GET 8.
  pool.functionFaults.treat(() => ({ flipEveryBytes: 25_000_000 }));
  const cache = pool.client();
  for (let round = 0; round < 16; round++) {
    await cache.put("object", body, { deadlineMs: 30_000 });
    const read = await cache.get("object", { deadlineMs: 30_000 });
    assert(read.kind === "hit" && body.equals(read.bytes), `round ${round}: ${read.kind}`);
  }
  pool.functionFaults.treat(() => ({}));
  const between = pool.functionFaults.flips;
  const url = pool.clientFaults.address;
  pool.clientFaults.treat(() => ({ flipEveryBytes: 25_000_000 }));
  const remote = pool.client({ url });
  for (let round = 0; round < 16; round++) {
    await remote.put("object", body, { deadlineMs: 30_000 });
    const read = await remote.get("object", { deadlineMs: 30_000 });
    assert(read.kind === "hit" && body.equals(read.bytes), `round ${round}: ${read.kind}`);
  }
  const { counters } = await pool.status();
  context.diagnostic(
    `${between} flips behind, ${pool.clientFaults.flips} before the proxy; ${counters.corruptChunks} corrupt chunks, ${counters.resends} sent again, ${counters.redials} re-dials`,
  );
  assert(between > 0 && pool.clientFaults.flips > 0);
  assert(counters.corruptChunks > 0);
});

test("16: a bit flipped at rest: equal bytes, counted, and the chunk is made anew", async (context) => {
  const pool = await begin(context);
  const cache = pool.client();
  const body = makeBytes(160, BYTES);
  await cache.put("object", body);
  assert(await damageChunks(pool, body, [2]));
  const read = await cache.get("object");
  assert(read.kind === "hit" && body.equals(read.bytes));
  await until("repaired", 20_000, async () => (await pool.status()).counters.repairs >= 1);
  const { counters } = await pool.status();
  assert(counters.corruptChunks >= 1);
  const again = await cache.get("object");
  assert(again.kind === "hit" && body.equals(again.bytes) && again.timings.reconstructed === 0);
});

test("17: p+1 chunks damaged at rest: a miss, and a new PUT works", async (context) => {
  const pool = await begin(context);
  const cache = pool.client();
  const body = makeBytes(17, BYTES);
  await cache.put("object", body);
  assert(await damageChunks(pool, body, [0, 1, 3]));
  const read = await cache.get("object", { deadlineMs: 5_000 });
  assert.equal(read.kind, "miss");
  await cache.put("object", body);
  const again = await cache.get("object");
  assert(again.kind === "hit" && body.equals(again.bytes));
});

test("17: everything from p+1 functions damaged in flight: a miss by the deadline, and a hit when it is over", async (context) => {
  const pool = await begin(context);
  const cache = pool.client();
  const body = makeBytes(170, BYTES);
  await cache.put("object", body);
  pool.functionFaults.treat((link) =>
    (nodeOf(link) ?? NODES) <= PARITY ? { flipEveryBytes: 20_000, only: "up" } : {},
  );
  const startedAt = performance.now();
  const read = await cache.get("object", { deadlineMs: 3_000 });
  const ms = performance.now() - startedAt;
  assert.equal(read.kind, "miss", "three of six chunks cannot have come whole");
  assert(ms < 3_000 + LATE_MS_MAX, `${ms} ms`);
  pool.functionFaults.treat(() => ({}));
  const again = await cache.get("object", { deadlineMs: 30_000 });
  context.diagnostic(
    `missed (${JSON.stringify(read)}) after ${ms.toFixed(0)} ms, then ${again.kind}`,
  );
  assert(
    again.kind === "hit" && body.equals(again.bytes),
    "what was only damaged in flight is kept",
  );
});

test("18: 100 clients gone in the middle of a GET, by library and HTTP: nothing of them stays", async (context) => {
  const pool = await begin(context);
  const cache = pool.client();
  const body = makeBytes(18, 40_000_000);
  await cache.put("faults/object", body);
  const countSockets = () => readdirSync(`/proc/${pool.proxy.pid}/fd`).length;
  // The door's own connection to the proxy is opened by its first request.
  await (await fetch(`${pool.proxy.ready.http}/objects/faults/object`)).arrayBuffer();
  const before = countSockets();
  const { clients } = await pool.status();
  for (let round = 0; round < 50; round++) {
    const from = pool.clientFaults.links.length;
    const leaver = pool.client({ url: pool.clientFaults.address });
    const reading = leaver.get("faults/object").catch(() => "gone");
    await until("bytes on their way", 10_000, () =>
      pool.clientFaults.links.slice(from).some(({ bytes }) => bytes.down > 300_000),
    );
    for (const link of pool.clientFaults.links) link.cut();
    await leaver.close();
    await reading;
    const abort = new AbortController();
    const response = await fetch(`${pool.proxy.ready.http}/objects/faults/object`, {
      signal: abort.signal,
    });
    await response.body?.getReader().read();
    abort.abort();
  }
  await until("clients are gone", 10_000, async () => (await pool.status()).clients <= clients);
  await until("sockets are gone", 10_000, () => countSockets() <= before + 4);
  const read = await cache.get("faults/object");
  assert(read.kind === "hit" && body.equals(read.bytes));
  // A version that is still pinned by somebody would keep its memory.
  await cache.delete("faults/object");
  await until("memory is free", 10_000, async () => (await pool.status()).chunkBytes === 0);
  context.diagnostic(`${before} descriptors before, ${countSockets()} after`);
});

test("19: a client killed in the middle of a PUT: the old value stays, and what it had sent is freed", async (context) => {
  const pool = await begin(context);
  const cache = pool.client();
  const body = makeBytes(19, BYTES);
  await cache.put("object", body);
  const { chunkBytes } = await pool.status();
  for (let round = 0; round < 3; round++) {
    const args = ["--disable-warning=ExperimentalWarning", CLI, "put", "object", "-"];
    const writer = spawn(process.execPath, [...args, "--url", pool.url], {
      stdio: ["pipe", "ignore", "ignore"],
      env: cleanEnvironment(),
    });
    const exited = once(writer, "exit");
    writer.stdin.on("error", () => {});
    writer.stdin.write(makeBytes(190 + round, 50_000_000)); // More than a stripe, and never ended.
    await until("chunks of it are stored", 20_000, async () => {
      return (await pool.status()).chunkBytes > chunkBytes + 10_000_000;
    });
    writer.kill("SIGKILL");
    await exited;
    const read = await cache.get("object");
    assert(read.kind === "hit" && body.equals(read.bytes), `round ${round}: ${read.kind}`);
    const ms = await until("orphans are freed", 20_000, async () => {
      return (await pool.status()).chunkBytes === chunkBytes;
    });
    context.diagnostic(`round ${round}: freed after ${ms.toFixed(0)} ms`);
  }
});

/** Flips a bit in these data chunks wherever an instance holds them; false when one was not found. */
async function damageChunks(
  pool: TestPool,
  body: Buffer,
  indexes: readonly number[],
): Promise<boolean> {
  // Long enough for every function to have returned, and so to stand still.
  await sleep(500);
  const rows = await pool.admin.instances();
  return indexes.every((index) => {
    const at = index * CHUNK_BYTES + 1_000;
    const pattern = body.subarray(at, at + PATTERN_BYTES);
    return rows.reduce((sum, { pid }) => sum + damageMemory(pid, pattern), 0) > 0;
  });
}
