// Repairs on real processes: functions are killed and nobody reads; the status says when all is whole again.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProxyStatus } from "../../src/core/status.ts";
import { connect } from "../../src/entry/library.ts";
import { makeBytes } from "./support/bytes.ts";
import { LambdaAdmin } from "./support/lambda-admin.ts";
import { serve } from "./support/processes.ts";

const MIB = 1_024 * 1_024;
const WARM_UP = ["--warm-up", "1s"];
const NO_BACKUP = ["--backup-interval", "0"];
/** For a machine that others use, too. */
const WAIT_MS_MAX = 60_000;
const LOOK_MS = 50;

test("repair: p functions of a 4+2 object are killed, again and again, and nobody reads: every time it becomes whole by itself", async (context) => {
  const args = ["--nodes", "10", "--memory", "128", "--code", "4+2", ...WARM_UP, ...NO_BACKUP];
  const { cache, admin, status } = await begin(context, args);
  const body = makeBytes(1, 3 * MIB);
  await cache.put("object", body);
  for (let round = 1; round <= 3; round++) {
    const nodes = holders(await status());
    assert.equal(nodes.length, 6);
    await kill(admin, nodes.slice(0, 2));
    const after = await until(status, ({ counters, repair }) => {
      return counters.repairs >= 2 * round && repair.degradedStripes === 0;
    });
    assert.equal(after.counters.gets, 0, "nobody has read");
    assert.equal(holders(after).length, 6);
  }
  // Sleeping nodes are woken for repair; an invocation is counted when it has returned.
  await until(status, ({ cost }) => cost.byPurpose.repair.invocations > 0);
  const read = await cache.get("object");
  assert.equal(read.kind, "hit");
  assert.ok(read.kind === "hit" && body.equals(read.bytes));
  const { counters } = await status();
  assert.equal(counters.repairs, 6);
  assert.equal(counters.repairsFailed, 0);
  // Four chunks are read for two that are stored; or for each, where the second loss is proven later.
  const chunks = counters.repairBytes / (body.length / 4);
  assert.ok(chunks >= 18 && chunks <= 30, `${chunks} chunks moved`);
});

test("repair: with backups the replica takes the place of a killed primary, and nothing is re-created", async (context) => {
  const args = ["--nodes", "8", "--memory", "128", "--code", "4+2", ...WARM_UP];
  const { cache, admin, status } = await begin(context, [...args, "--backup-interval", "1s"]);
  const body = makeBytes(2, 2 * MIB);
  await cache.put("object", body);
  await until(status, ({ nodes }) =>
    nodes.rows.every(({ chunks, copies, isInRound }) => copies === chunks && !isInRound),
  );
  const primaries = (await status()).nodes.rows.filter(({ chunks }) => chunks > 0);
  // Both instances of a node idle: the primary is the one that was there before the first round.
  const idle = await admin.instances();
  for (const { node } of primaries.slice(0, 2)) {
    const [oldest] = idle.filter((row) => row.function === `infinicache-${node}`);
    await admin.kill({ instance: oldest?.id ?? "none" });
  }
  const after = await until(status, ({ counters, repair }) => {
    return counters.failovers >= 2 && repair.degradedStripes === 0;
  });
  assert.deepEqual([after.counters.repairs, after.counters.repairBytes], [0, 0]);
  const read = await cache.get("object");
  assert.ok(read.kind === "hit" && body.equals(read.bytes));
});

test("repair: no more bytes per second are moved than the budget allows, and all is whole in the end", async (context) => {
  const ratePerS = 4 * MIB;
  const args = ["--nodes", "8", "--memory", "192", "--code", "4+2", ...WARM_UP, ...NO_BACKUP];
  const { cache, admin, status } = await begin(context, [...args, "--repair-rate", "4"]);
  const objects = 24;
  for (let index = 0; index < objects; index++)
    await cache.put(`object ${index}`, makeBytes(index, MIB));
  await kill(admin, richest(await status()).slice(0, 2));
  const from = await until(status, ({ repair }) => repair.degradedStripes > 0);
  const startedAt = performance.now();
  const to = await until(status, ({ repair }) => repair.degradedStripes === 0);
  const seconds = (performance.now() - startedAt) / 1_000;
  const moved = to.counters.repairBytes - from.counters.repairBytes;
  context.diagnostic(`${moved} bytes in ${seconds.toFixed(2)} s`);
  assert.ok(moved > 3 * ratePerS, "enough to tell");
  // One second's bytes may have been saved up, and one stripe is owed.
  assert.ok(moved <= ratePerS * (seconds + 1) + 2 * MIB, `${moved} bytes in ${seconds} s`);
  for (let index = 0; index < objects; index++) {
    const read = await cache.get(`object ${index}`);
    assert.ok(read.kind === "hit" && makeBytes(index, MIB).equals(read.bytes), `object ${index}`);
  }
});

test("repair: without money nothing is repaired before somebody reads, nor after", async (context) => {
  const args = ["--nodes", "8", "--memory", "128", "--code", "4+2", ...WARM_UP, ...NO_BACKUP];
  const { cache, admin, status } = await begin(context, [...args, "--repair-money", "0"]);
  await cache.put("object", makeBytes(3, MIB));
  await kill(admin, holders(await status()).slice(0, 1));
  await until(status, ({ repair }) => repair.degradedStripes === 1);
  const read = await cache.get("object");
  assert.equal(read.kind, "hit");
  const { repair, counters } = await status();
  assert.deepEqual([repair.degradedStripes, counters.repairs], [1, 0]);
});

function holders({ nodes }: ProxyStatus): number[] {
  return nodes.rows.filter(({ chunks }) => chunks > 0).map(({ node }) => node);
}

/** Objects put in a row lie on the nodes that were awake: some hold much more than others. */
function richest({ nodes }: ProxyStatus): number[] {
  return nodes.rows.toSorted((a, b) => b.chunks - a.chunks).map(({ node }) => node);
}

/** All instances of these nodes: strangers that a search has started idle beside the one that holds. */
async function kill(admin: LambdaAdmin, nodes: readonly number[]): Promise<void> {
  for (const node of nodes)
    assert.ok((await admin.kill({ function: `infinicache-${node}` })).length >= 1);
}

async function begin(context: TestContext, args: readonly string[]) {
  const up = await serve(["up", "--port", "0", ...args]);
  context.after(() => up.kill());
  const cache = connect({ url: up.ready.client });
  context.after(() => cache.close());
  // The proxy is of this package, and reports as core/status.ts says.
  const status = async (): Promise<ProxyStatus> => (await cache.status()) as ProxyStatus;
  return { cache, status, admin: new LambdaAdmin(up.ready.lambda) };
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
