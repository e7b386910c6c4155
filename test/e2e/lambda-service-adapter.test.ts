// The FunctionPlatform port on the local service through the AWS SDK, and the deployment of a pool.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nodeIndex } from "../../src/core/ids.ts";
import type { FunctionPlatform, InvokeOutcome } from "../../src/core/ports.ts";
import { openAwsLambda } from "../../src/platform/aws-lambda.ts";
import { type DeployPoolOptions, deployPool } from "../../src/platform/deploy-pool.ts";
import { FUNCTION_SOURCE, startFixture, until } from "./lambda-service-fixture.ts";

const invoke = (
  platform: FunctionPlatform,
  node: number,
  event: object = {},
): Promise<InvokeOutcome> =>
  new Promise((done) => platform.invoke(nodeIndex(node), JSON.stringify(event), done));

test("deploy: creates a pool, then changes nothing, then only what differs", async (t) => {
  const { service } = await startFixture(t);
  const directory = mkdtempSync(join(tmpdir(), "infinicache-test-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const bundle = join(directory, "any-name.cjs");
  writeFileSync(bundle, FUNCTION_SOURCE);
  const options: DeployPoolOptions = {
    endpoint: service.url,
    prefix: "pool",
    nodes: 20,
    memoryMb: 256,
    timeoutS: 2,
    bundle,
    environment: (node) => ({ MINE: `key-${node}` }),
  };
  assert.deepEqual(await deployPool(options), { created: 20, updated: 0, unchanged: 0 });
  const platform = await openAwsLambda({ ...options, nodes: 20 });
  t.after(() => platform.close());
  const first = await invoke(platform, 7);
  assert.ok(first.kind === "returned");
  assert.equal(JSON.parse(first.payload).mine, "key-7");
  assert.deepEqual(await deployPool(options), { created: 0, updated: 0, unchanged: 20 });
  const warm = await invoke(platform, 7);
  assert.ok(warm.kind === "returned" && JSON.parse(warm.payload).count === 2);
  const larger = { ...options, nodes: 21, memoryMb: 512 };
  assert.deepEqual(await deployPool(larger), { created: 1, updated: 20, unchanged: 0 });
  writeFileSync(bundle, `${FUNCTION_SOURCE}// changed`);
  assert.deepEqual(await deployPool(larger), { created: 0, updated: 21, unchanged: 0 });
  const cold = await invoke(platform, 7);
  assert.ok(cold.kind === "returned" && JSON.parse(cold.payload).count === 1);
});

for (const transport of ["signed", "sdk"] as const) {
  test(`adapter: every kind of outcome, ${transport}`, async (t) => {
    const { service, create } = await startFixture(t);
    await create("p-0", { Timeout: 1 });
    const options = { endpoint: service.url, prefix: "p", nodes: 2, timeoutS: 1, transport };
    const platform = await openAwsLambda(options);
    const cold = await invoke(platform, 0);
    assert.ok(cold.kind === "returned" && cold.report !== null);
    assert.ok((cold.report.initMs ?? 0) > 0);
    assert.ok(cold.report.billedMs >= cold.report.durationMs + (cold.report.initMs ?? 0));
    assert.equal(cold.report.memoryMb, 256);
    const warm = await invoke(platform, 0);
    assert.ok(warm.kind === "returned" && warm.report?.initMs === null);
    const thrown = await invoke(platform, 0, { throw: "x" });
    assert.ok(thrown.kind === "crashed" && thrown.errorType === "RangeError");
    const late = await invoke(platform, 0, { sleepMs: 3000 });
    assert.ok(late.kind === "crashed" && late.errorType === "Sandbox.Timedout");
    assert.equal(late.report?.billedMs, 1000);
    const absent = await invoke(platform, 1);
    assert.ok(absent.kind === "notStarted" && !absent.isThrottle);
    service.admin.setFaults({ throttleMs: 60_000 });
    const throttled = await invoke(platform, 0);
    assert.ok(throttled.kind === "notStarted" && throttled.isThrottle);
    assert.equal(throttled.retryAfterMs, 1000);
    service.admin.setFaults({ throttleMs: 0, unavailableMs: 60_000 });
    assert.equal((await invoke(platform, 0)).kind, "unknown");
    service.admin.setFaults({ unavailableMs: 0 });
    const running = invoke(platform, 0, { sleepMs: 800 });
    await until("it runs", () => service.admin.instances().some(({ state }) => state === "busy"));
    platform.close();
    assert.equal((await running).kind, "unknown");
    assert.equal((await invoke(platform, 0)).kind, "notStarted");
    await service.close();
    const orphan = await openAwsLambda(options);
    assert.equal((await invoke(orphan, 0)).kind, "notStarted");
    orphan.close();
  });
}

test("adapter: a service that dies in the middle proves nothing", async (t) => {
  const { service, create } = await startFixture(t);
  await create("p-0");
  const platform = await openAwsLambda({
    endpoint: service.url,
    prefix: "p",
    nodes: 1,
    timeoutS: 5,
  });
  t.after(() => platform.close());
  const running = invoke(platform, 0, { sleepMs: 5000 });
  await until("it runs", () => service.admin.instances()[0]?.state === "busy");
  await service.close();
  assert.equal((await running).kind, "unknown");
});
