// Acceptance: `lambda-service` and `proxy --state` as processes of their own. The proxy is killed at rest and under
// load; afterwards objects hit, and nothing that was overwritten or deleted before comes back.

import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../src/entry/library.ts";
import { makeBytes } from "./support/bytes.ts";
import { History } from "./support/history.ts";
import { LambdaAdmin } from "./support/lambda-admin.ts";
import { startLoad } from "./support/load.ts";
import { freePorts } from "./support/ports.ts";
import { FOLDER, type Serving, serve } from "./support/processes.ts";

const NODES = 16;
const OBJECTS = 40;
const OBJECT_BYTES = 1_000_000;
const KILLS_UNDER_LOAD = 3;
const LOAD_MS = 2_500;
/** What callers are told while the proxy is away for long; what became of a change is never unknown. */
const AWAY: ReadonlySet<string> = new Set(["ICACHE_UNREACHABLE"]);

/** The same ports and state each time, so that clients and functions find the next one where the last one was. */
function proxyArgs(lambda: string, port: number): readonly string[] {
  const state = mkdtempSync(join(FOLDER, "state-"));
  const pool = ["--nodes", String(NODES), "--memory", "256", "--code", "10+2"];
  return ["proxy", "--lambda", lambda, "--port", String(port), "--state", state, ...pool];
}

async function begin(context: TestContext) {
  const service = await serve(["lambda-service", "--port", "0", "--seed", "7"]);
  context.after(() => service.kill());
  const args = proxyArgs(service.ready.lambda, await freePorts());
  let proxy = await serve(args);
  context.after(() => proxy.kill());
  const restart = async (): Promise<Serving> => {
    await proxy.kill();
    proxy = await serve(args);
    return proxy;
  };
  const admin = new LambdaAdmin(service.ready.lambda);
  return { url: proxy.ready.client, restart, admin };
}

test("proxy: killed at rest, its objects hit, and what was overwritten or deleted stays so", async (context) => {
  const { url, restart } = await begin(context);
  let cache = connect({ url });
  for (let index = 0; index < OBJECTS; index++)
    await cache.put(`kept ${index}`, makeBytes(index, OBJECT_BYTES));
  for (let index = 0; index < OBJECTS; index += 4)
    await cache.put(`kept ${index}`, makeBytes(1_000 + index, OBJECT_BYTES));
  for (let index = 1; index < OBJECTS; index += 4) await cache.delete(`kept ${index}`);
  await cache.close();

  await restart();
  cache = connect({ url });
  let hits = 0;
  for (let index = 0; index < OBJECTS; index++) {
    const read = await cache.get(`kept ${index}`);
    if (index % 4 === 1) {
      assert.equal(read.kind, "miss", `kept ${index} was deleted`);
      continue;
    }
    if (read.kind === "miss") continue;
    hits++;
    const seed = index % 4 === 0 ? 1_000 + index : index;
    assert(makeBytes(seed, OBJECT_BYTES).equals(read.bytes), `kept ${index} has other bytes`);
  }
  context.diagnostic(`${hits} of ${(OBJECTS * 3) / 4} hit after kill -9`);
  assert.equal(hits, (OBJECTS * 3) / 4);
  // A PUT after the restart is newer than any before it.
  await cache.put("kept 0", makeBytes(9_999, OBJECT_BYTES));
  const read = await cache.get("kept 0");
  assert(read.kind === "hit" && makeBytes(9_999, OBJECT_BYTES).equals(read.bytes));
  await cache.close();
});

test("proxy: killed under load again and again, no read breaks the order of what was acknowledged", async (context) => {
  const { url, restart, admin } = await begin(context);
  const history = new History();
  const load = startLoad(
    context,
    {
      url,
      ...{ clients: 6, keys: 20, bytesMin: 10_000, bytesMax: 3_000_000 },
      // While the proxy is away calls may fail; what became of them is then unknown.
      isExpected: ({ code }) => AWAY.has(code),
    },
    history,
  );
  for (let kill = 0; kill < KILLS_UNDER_LOAD; kill++) {
    await sleep(LOAD_MS);
    await restart();
  }
  const hitsBefore = load.counts.hits;
  await sleep(LOAD_MS);
  await load.stop();
  context.diagnostic(JSON.stringify(load.counts));
  assert.deepEqual(history.judge(), []);
  assert.deepEqual(load.counts.errors, []);
  // No function has died, so no object may be lost, and no second instance started.
  assert.equal(load.counts.misses.lost, 0);
  assert.equal((await admin.counters()).instancesStarted, NODES);
  assert(load.counts.hits > hitsBefore, "no hit after the last kill");
});
