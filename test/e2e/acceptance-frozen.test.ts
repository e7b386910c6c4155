// Acceptance: functions that stand still although they were invoked. What p of them hold is not needed, what more of
// them hold is a miss by the deadline and not forgotten, and once they go on it is read again.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { connect } from "../../src/entry/library.ts";
import { makeBytes } from "./support/bytes.ts";
import { LambdaAdmin } from "./support/lambda-admin.ts";
import { serve } from "./support/processes.ts";

/** As many nodes as chunks: every node holds one chunk of every object. */
const NODES = 6;
const PARITY = 2;
const OBJECT_BYTES = 8_000_000;
const DEADLINE_MS = 3_000;
/** What a GET may take beyond its deadline on a busy machine. */
const LATE_MS_MAX = 1_500;

test("frozen: p stopped functions cost time and nothing else", async (context) => {
  const { cache, admin, body } = await begin(context);
  for (let node = 0; node < PARITY; node++) await admin.freeze({ function: `infinicache-${node}` });
  const startedAt = performance.now();
  const read = await cache.get("object");
  const ms = performance.now() - startedAt;
  assert(read.kind === "hit" && body.equals(read.bytes));
  context.diagnostic(`a hit after ${ms.toFixed(0)} ms with ${PARITY} of ${NODES} stopped`);
});

test("frozen: with p+1 stopped a GET misses by its deadline, forgets nothing, and hits after the thaw", async (context) => {
  const { cache, admin, body } = await begin(context);
  for (let node = 0; node <= PARITY; node++)
    await admin.freeze({ function: `infinicache-${node}` });
  const startedAt = performance.now();
  const read = await cache.get("object", { deadlineMs: DEADLINE_MS });
  const ms = performance.now() - startedAt;
  assert.deepEqual(read, { kind: "miss", reason: "unreachable" });
  assert(ms <= DEADLINE_MS + LATE_MS_MAX, `${ms} ms`);
  assert.equal((await admin.thaw()).length, PARITY + 1);
  const thawedAt = performance.now();
  const again = await cache.get("object", { deadlineMs: 20_000 });
  const afterThawMs = performance.now() - thawedAt;
  context.diagnostic(
    `a miss after ${ms.toFixed(0)} ms, a hit ${afterThawMs.toFixed(0)} ms after the thaw`,
  );
  assert(again.kind === "hit" && body.equals(again.bytes), again.kind);
  const instances = await admin.instances();
  assert.equal(instances.length, NODES, "no second instance was started for one that stood still");
});

async function begin(context: TestContext) {
  const up = await serve(["up", "--port", "0", "--nodes", String(NODES), "--code", "4+2"]);
  context.after(() => up.kill());
  const cache = connect({ url: up.ready.client });
  context.after(() => cache.close());
  const body = makeBytes(1, OBJECT_BYTES);
  await cache.put("object", body);
  return { cache, admin: new LambdaAdmin(up.ready.lambda), body };
}
