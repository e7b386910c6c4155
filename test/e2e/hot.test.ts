// Small objects that the proxy answers from its own memory, with real processes: no function is asked or woken for a second
// read, what others store is seen at once, and an object whose functions are all dead is there until the proxy knows.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProxyStatus } from "../../src/core/status.ts";
import { connect } from "../../src/entry/library.ts";
import { makeBytes } from "./support/bytes.ts";
import { LambdaAdmin } from "./support/lambda-admin.ts";
import { runCommand, serve } from "./support/processes.ts";

const NODES = 6;
const BYTES = 1_000;
const READS = 50;
const POOL = ["--code", "1+2", "--nodes", String(NODES), "--memory", "128"];
const ALONE = [...POOL, "--backup-interval", "0"];
const UNASKED = [...ALONE, "--warm-up", "0", "--repair-rate", "0"];
/** For a machine that others use, too. */
const WAIT_MS_MAX = 60_000;
const LOOK_MS = 50;

test("hot: what was read once is read again without a function, also when all are dead; an overwrite by another client is seen at once", async (context) => {
  const { reader, writer, admin, status, url } = await begin(context, UNASKED);
  const body = makeBytes(1, BYTES);
  await writer.put("k", body);
  const isRead = async (expected: Buffer): Promise<void> => {
    const read = await reader.get("k");
    assert.ok(read.kind === "hit" && expected.equals(read.bytes), read.kind);
  };
  await isRead(body);
  const before = await until(status, areAsleep);
  const { invocations } = await admin.counters();
  for (let reads = 0; reads < READS; reads++) await isRead(body);
  const after = await status();
  assert.equal(after.counters.hitsHot, before.counters.hitsHot + READS);
  assert.equal(after.counters.chunkGets, before.counters.chunkGets);
  assert.equal((await admin.counters()).invocations, invocations);
  assert.ok(areAsleep(after));
  const range = await reader.get("k", { range: { start: 10, end: 20 } });
  assert.ok(range.kind === "hit" && body.subarray(10, 20).equals(range.bytes));
  const shown = await runCommand(["status", "--url", url]);
  assert.match(
    shown.stdout.toString(),
    /^hot +1 small objects in 1\.\d+ KB .* 51 hits from there/m,
  );

  assert.ok((await killAll(admin)) >= NODES);
  await isRead(body);
  const newer = makeBytes(2, BYTES);
  await writer.put("k", newer);
  for (let reads = 0; reads < 3; reads++) await isRead(newer);
  assert.equal(
    (await status()).counters.hitsHot,
    after.counters.hitsHot + 4,
    "the range, one, two",
  );
  await writer.delete("k");
  assert.equal((await reader.get("k")).kind, "miss");
  assert.deepEqual((await status()).hot, { objects: 0, bytes: 0 });
});

test("hot: an object whose functions are all dead is a miss as soon as the proxy knows of it", async (context) => {
  const { reader, writer, admin, status } = await begin(context, [...ALONE, "--warm-up", "1s"]);
  await writer.put("k", makeBytes(1, BYTES));
  for (let reads = 0; reads < 2; reads++) assert.equal((await reader.get("k")).kind, "hit");
  assert.equal((await status()).counters.hitsHot, 1);
  await killAll(admin);
  await until(status, ({ hot }) => hot.objects === 0);
  assert.equal((await reader.get("k")).kind, "miss");
});

test("hot: with --hot-bytes 0 every read asks a function", async (context) => {
  const args = [...UNASKED, "--hot-bytes", "0"];
  const { reader, writer, status } = await begin(context, args);
  const body = makeBytes(1, BYTES);
  await writer.put("k", body);
  for (let reads = 0; reads < 3; reads++) {
    const read = await reader.get("k");
    assert.ok(read.kind === "hit" && body.equals(read.bytes));
  }
  const { counters, hot } = await status();
  assert.deepEqual([counters.hits, counters.hitsHot, hot.objects], [3, 0, 0]);
  assert.ok(counters.chunkGets >= 3, `${counters.chunkGets}`);
});

function areAsleep({ nodes }: ProxyStatus): boolean {
  return nodes.byState["asleep"] === NODES;
}

/** Every instance there is; how many. */
async function killAll(admin: LambdaAdmin): Promise<number> {
  let count = 0;
  for (let node = 0; node < NODES; node++)
    count += (await admin.kill({ function: `infinicache-${node}` })).length;
  return count;
}

async function begin(context: TestContext, args: readonly string[]) {
  const up = await serve(["up", "--port", "0", ...args]);
  context.after(() => up.kill());
  const url = up.ready.client;
  const [reader, writer] = [connect({ url }), connect({ url })];
  context.after(async () => {
    await reader.close();
    await writer.close();
  });
  // The proxy is of this package, and reports as core/status.ts says.
  const status = async (): Promise<ProxyStatus> => (await writer.status()) as ProxyStatus;
  return { reader, writer, status, url, admin: new LambdaAdmin(up.ready.lambda) };
}

async function until(
  status: () => Promise<ProxyStatus>,
  claim: (status: ProxyStatus) => boolean,
): Promise<ProxyStatus> {
  const endsAt = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const now = await status();
    if (claim(now)) return now;
    assert.ok(performance.now() < endsAt, `not in time: ${JSON.stringify(now)}`);
    await sleep(LOOK_MS);
  }
}
