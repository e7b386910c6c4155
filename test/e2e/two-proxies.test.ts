// Two proxies by mistake on one pool, as processes of their own over one local Lambda service: the older one leaves with
// a clear word and a code of its own, nothing wrong is served by either, and the newer one serves on.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startEmbedded } from "../../src/entry/embedded.ts";
import { CacheError, connect } from "../../src/entry/library.ts";
import { makeBytes } from "./support/bytes.ts";
import { History } from "./support/history.ts";
import { LambdaAdmin } from "./support/lambda-admin.ts";
import { startLoad } from "./support/load.ts";
import { FOLDER, runCommand, type Serving, serve } from "./support/processes.ts";

const NODES = 8;
const SECRET = "5a".repeat(32);
const LOAD_MS = 2_000;
const LEAVES_MS_MAX = 20_000;
/**
 * Under a load without pauses no function sleeps, and so neither proxy invokes one that the other one holds: they meet
 * at the instances of their backup rounds.
 */
const BACKUP_EVERY = "2s";
const EXIT_SUPERSEDED = 8;
const EXIT_REFUSED = 4;
/** What a client may be told by the proxy that leaves: why, and then that nobody is there any more. */
const LEAVING: ReadonlySet<string> = new Set(["ICACHE_SUPERSEDED", "ICACHE_UNREACHABLE"]);

async function service(context: TestContext): Promise<string> {
  const started = await serve(["lambda-service", "--port", "0", "--seed", "11"]);
  context.after(() => started.kill());
  return started.ready.lambda;
}

async function proxy(
  context: TestContext,
  lambda: string,
  more: readonly string[],
): Promise<Serving> {
  const pool = ["--nodes", String(NODES), "--memory", "128", "--code", "4+2"];
  const started = await serve(["proxy", "--lambda", lambda, "--port", "0", ...pool, ...more]);
  context.after(() => started.kill());
  return started;
}

/** A state folder of its own; with `secret` in it if one is given, as when somebody has copied that. */
function stateFolder(secret?: string): string {
  const folder = mkdtempSync(join(FOLDER, "state-"));
  if (secret !== undefined) writeFileSync(join(folder, "pool-secret"), `${secret}\n`);
  return folder;
}

const KINDS: readonly {
  readonly name: string;
  readonly older: () => readonly string[];
  readonly newer: () => readonly string[];
}[] = [
  {
    name: "with states of their own and one secret",
    older: () => ["--state", stateFolder(SECRET)],
    newer: () => ["--state", stateFolder(SECRET)],
  },
  { name: "without state, each with a secret of its own", older: () => [], newer: () => [] },
];

for (const { name, older, newer } of KINDS) {
  test(`two proxies ${name}: the older leaves under load, neither serves anything wrong, the newer serves on`, async (context) => {
    const lambda = await service(context);
    const plan = { clients: 3, keys: 10, bytesMin: 10_000, bytesMax: 2_000_000 };
    const isExpected = ({ code }: CacheError): boolean => LEAVING.has(code);
    const first = await proxy(context, lambda, [...older(), "--backup-interval", BACKUP_EVERY]);
    const ofFirst = new History();
    const firstLoad = startLoad(context, { url: first.ready.client, ...plan, isExpected }, ofFirst);
    await sleep(LOAD_MS);
    assert(firstLoad.counts.hits > 0);
    const exited = once(first.child, "exit");

    const second = await proxy(context, lambda, [...newer(), "--backup-interval", BACKUP_EVERY]);
    const begunAt = performance.now();
    const ofSecond = new History();
    const secondLoad = startLoad(context, { url: second.ready.client, ...plan }, ofSecond);
    const ended = await Promise.race([exited, sleep(LEAVES_MS_MAX, null)]);
    assert(ended !== null, `the older one has not left:\n${first.errors()}`);
    context.diagnostic(`it had left ${Math.round(performance.now() - begunAt)} ms after the start`);
    assert.equal(ended[0], EXIT_SUPERSEDED, first.errors());
    assert.match(first.errors(), /another proxy .*\n.*one proxy serves a pool/);

    await sleep(LOAD_MS);
    await Promise.all([firstLoad.stop(), secondLoad.stop()]);
    context.diagnostic(JSON.stringify({ first: firstLoad.counts, second: secondLoad.counts }));
    assert.deepEqual([...ofFirst.judge(), ...ofSecond.judge()], []);
    assert.deepEqual(firstLoad.counts.errors, []);
    assert.deepEqual(secondLoad.counts.errors, []);
    assert(secondLoad.counts.hits > 0);
    assert.equal(second.child.exitCode, null);
    // Nobody fights for the nodes any more: what is stored now stays.
    const cache = connect({ url: second.ready.client });
    for (let index = 0; index < 20; index++)
      await cache.put(`k${index}`, makeBytes(index, 100_000));
    for (let index = 0; index < 20; index++) {
      const read = await cache.get(`k${index}`);
      assert(read.kind === "hit" && makeBytes(index, 100_000).equals(read.bytes), `k${index}`);
    }
    await cache.close();
  });
}

test("two proxies, the older one idle: it learns of the other by its first Invoke, and says so instead of missing", async (context) => {
  const lambda = await service(context);
  const first = await proxy(context, lambda, ["--state", stateFolder(SECRET)]);
  const cache = connect({ url: first.ready.client });
  context.after(() => cache.close());
  await cache.put("k", makeBytes(1, 100_000));
  await sleep(200); // Every function sleeps.
  const second = await proxy(context, lambda, ["--state", stateFolder(SECRET)]);
  const exited = once(first.child, "exit");
  await assert.rejects(cache.get("k"), (error: unknown) => {
    assert(error instanceof CacheError, String(error));
    assert.equal(error.code, "ICACHE_SUPERSEDED", error.message);
    return true;
  });
  const late = connect({ url: first.ready.client });
  await assert.rejects(late.put("k", makeBytes(2, 100_000)), { code: "ICACHE_SUPERSEDED" });
  await late.close();
  const ready = await fetch(`${first.ready.http}/readyz`);
  assert.equal(ready.status, 503);
  assert.equal((await exited)[0], EXIT_SUPERSEDED);
  const { invocations } = await new LambdaAdmin(lambda).counters();
  assert(invocations > 0 && second.child.exitCode === null);
});

test("two proxies, the older one in an application: it stands aside, and its calls end with a clear error", async (context) => {
  const lambda = await service(context);
  const code = { dataChunks: 4, parityChunks: 2 };
  const options = { lambda, nodes: NODES, memoryMb: 128, secretHex: SECRET, code };
  const first = await startEmbedded(options);
  context.after(() => first.close());
  await first.cache.put("k", makeBytes(1, 100_000));
  await sleep(1_100); // Terms are seconds: the second one's is higher for certain.
  const second = await startEmbedded(options);
  context.after(() => second.close());
  await assert.rejects(first.cache.get("k"), { code: "ICACHE_SUPERSEDED" });
  await assert.rejects(first.cache.put("k", makeBytes(1, 100)), { code: "ICACHE_SUPERSEDED" });
  assert.match(first.status().superseded ?? "", /another proxy/);
  await second.cache.put("k", makeBytes(2, 100_000));
  const read = await second.cache.get("k");
  assert(read.kind === "hit" && makeBytes(2, 100_000).equals(read.bytes));
});

test("two proxies with one state folder: the second is refused at once, in words, and the first serves on", async (context) => {
  const lambda = await service(context);
  const state = ["--state", stateFolder()];
  const first = await proxy(context, lambda, state);
  const cache = connect({ url: first.ready.client });
  context.after(() => cache.close());
  await cache.put("k", makeBytes(1, 100_000));
  const pool = ["--nodes", String(NODES), "--memory", "128", "--code", "4+2"];
  const args = ["proxy", "--lambda", lambda, "--port", "0", ...pool, ...state];
  const second = await runCommand(args);
  assert.equal(second.code, EXIT_REFUSED, second.stderr);
  assert.match(second.stderr, new RegExp(`in use by process ${first.pid}: stop that one`));
  assert.equal((await cache.get("k")).kind, "hit");
});
