// Instances as processes: frozen between invocations, kept, multiplied when busy, killed, stopped by
// hand, seen through the admin API, and never outliving their service.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { InstanceInfo } from "../../src/platform/lambda-service/admin.ts";
import { Background } from "../../src/platform/lambda-service/background.ts";
import { Watchdog } from "../../src/platform/lambda-service/watchdog.ts";
import { isAlive, isRefused, payloadOf, startFixture, until } from "./lambda-service-fixture.ts";

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

test("freeze: a timer in the function stands still between invocations, and state is kept", async (t) => {
  const { create, call, service } = await startFixture(t);
  await create("a");
  const first = await call("a", { sleepMs: 300 });
  assert.ok(first.ticks >= 5, `${first.ticks} ticks while awake`);
  await pause(1000);
  assert.equal(service.admin.instances()[0]?.state, "idle-frozen");
  const second = await call("a");
  assert.equal(second.instance, first.instance);
  assert.equal(second.count, 2);
  // 1000 ms are 50 ticks; an overdue interval fires once, and a few may fall into the waking time.
  assert.ok(second.ticks - first.ticks <= 5, `${second.ticks - first.ticks} ticks while frozen`);
});

test("freeze: the system says the process is stopped", {
  skip: !existsSync("/proc/self/stat"),
}, async (t) => {
  const { create, call, invoke, service } = await startFixture(t);
  await create("a");
  const { pid } = await call("a");
  const stateOf = (): string | undefined =>
    /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
  await until("it is stopped", () => stateOf() === "T");
  const running = invoke("a", { sleepMs: 300 });
  await until("it runs again", () => stateOf() === "S");
  assert.equal(service.admin.instances()[0]?.state, "busy");
  await running;
  await until("it is stopped again", () => stateOf() === "T");
});

test("background: an instance and its scheduling group give way to others", async (t) => {
  const { create, call } = await startFixture(t);
  await create("a");
  const { pid } = await call("a");
  const { nice } = new Background();
  assert.equal(getPriority(pid), nice);
  const group = `/proc/${pid}/autogroup`;
  if (!existsSync(group)) return;
  // Not at once where the system was asked too often.
  await until("the group is told", () => readFileSync(group, "utf8").endsWith(`nice ${nice}\n`));
});

test("concurrency: a busy function gets another instance; one after the other shares one", async (t) => {
  const { create, call, service } = await startFixture(t);
  await create("a");
  const both = await Promise.all([call("a", { sleepMs: 300 }), call("a", { sleepMs: 300 })]);
  assert.notEqual(both[0]?.instance, both[1]?.instance);
  for (let round = 0; round < 20; round++) await call("a");
  assert.equal(service.admin.counters().instancesStarted, 2);
});

test("compiled code: what the first instance writes the next one takes, and does not write again", async (t) => {
  const { create, call } = await startFixture(t);
  await create("a");
  const [first, second] = await Promise.all([call("a", { sleepMs: 300 }), call("a")]);
  assert.notEqual(first.instance, second.instance);
  const files = (): string[] =>
    readdirSync(first.compiled).map(
      (name) => `${name} ${statSync(join(first.compiled, name)).mtimeMs}`,
    );
  const written = files();
  assert.equal(written.length, 1, "the function's one file");
  await Promise.all([1, 2, 3].map(() => call("a", { sleepMs: 300 })));
  assert.deepEqual(files(), written);
});

test("back to back: a hundred invocations as fast as they return never start a second instance", async (t) => {
  const { create, call, service } = await startFixture(t);
  await create("a");
  for (let round = 1; round <= 100; round++) assert.equal((await call("a")).count, round);
  assert.equal(service.admin.counters().instancesStarted, 1);
});

test("policies: least recent takes turns, most recent stays, cold always starts anew", async (t) => {
  const { create, call, service } = await startFixture(t, { instancePolicy: "least-recent" });
  await create("a");
  await Promise.all([call("a", { sleepMs: 200 }), call("a", { sleepMs: 200 })]);
  const pids = [(await call("a")).pid, (await call("a")).pid, (await call("a")).pid];
  assert.notEqual(pids[0], pids[1]);
  assert.equal(pids[0], pids[2]);
  service.admin.setFaults({ instancePolicy: "most-recent" });
  assert.equal((await call("a")).pid, pids[2]);
  service.admin.setFaults({ instancePolicy: "cold", coldProbability: 1 });
  assert.equal((await call("a")).count, 1);
});

test("kill: the next invocation is a cold start with a new identity; a busy one is a crash", async (t) => {
  const { create, call, invoke, service } = await startFixture(t);
  await create("a");
  const first = await call("a");
  // The next invocation may come before the process is gone; a killed instance is not chosen.
  assert.equal(service.admin.kill({ function: "a" }).length, 1);
  const second = await call("a");
  assert.notEqual(second.instance, first.instance);
  assert.equal(second.count, 1);
  await until("the first is gone", () => !isAlive(first.pid));
  const running = invoke("a", { sleepMs: 5000 });
  await until("it is busy", () => service.admin.instances()[0]?.state === "busy");
  service.admin.reclaimAll();
  const output = await running;
  assert.equal(output.FunctionError, "Unhandled");
  assert.match(payloadOf(output), /Runtime.ExitError.*signal: killed/);
  assert.equal(service.admin.counters().reclaims, 2);
  assert.equal((await call("a")).count, 1);
});

test("kill: at once after an invocation was sent, the function is started anew or reported dead", async (t) => {
  const { create, invoke, service } = await startFixture(t);
  await create("a");
  await invoke("a");
  for (let round = 0; round < 20; round++) {
    const running = invoke("a");
    if (round % 2 === 0) await new Promise(setImmediate);
    service.admin.reclaimAll();
    const output = await running;
    if (output.FunctionError !== undefined) assert.match(payloadOf(output), /Runtime.ExitError/);
  }
});

test("freeze by hand: no invocation thaws it, it times out unless thawed by hand", async (t) => {
  const { create, call, invoke, service } = await startFixture(t);
  await create("a", { Timeout: 1 });
  const first = await call("a");
  const [frozen] = service.admin.freeze({ count: 1 });
  assert.equal(service.admin.instances()[0]?.id, frozen);
  assert.equal(service.admin.instances()[0]?.isHeld, true);
  const output = await invoke("a");
  assert.match(payloadOf(output), /Sandbox.Timedout/);
  const second = await call("a");
  assert.notEqual(second.instance, first.instance);
  const running = invoke("a", { sleepMs: 300 });
  await until("it is busy", () => service.admin.instances()[0]?.state === "busy");
  service.admin.freeze({ function: "a" });
  await pause(300);
  assert.equal(service.admin.thaw().length, 1);
  assert.equal((await running).FunctionError, undefined);
});

test("reclaim model: idle instances go while the service runs", async (t) => {
  const { create, call, service } = await startFixture(t, {
    reclaim: { kind: "poisson", perInstanceHour: 36_000 },
  });
  await create("a");
  await call("a");
  await until("it was reclaimed", () => service.admin.counters().reclaims === 1);
});

test("cold starts: 24 functions within two seconds, never more at a time than allowed", async (t) => {
  const { create, call, service } = await startFixture(t, { spawnConcurrency: 4 });
  const names = Array.from({ length: 24 }, (_, index) => `node-${index}`);
  await Promise.all(names.map((name) => create(name)));
  let startingMax = 0;
  const watch = setInterval(() => {
    const starting = service.admin.instances().filter(({ state }) => state === "starting");
    startingMax = Math.max(startingMax, starting.length);
  }, 5);
  const begun = performance.now();
  await Promise.all(names.map((name) => call(name)));
  const tookMs = performance.now() - begun;
  clearInterval(watch);
  t.diagnostic(`24 cold starts took ${tookMs.toFixed(0)} ms`);
  assert.ok(startingMax <= 4, `${startingMax} at a time`);
  // The goal is 2 s on an idle machine; this bound only catches a change of kind.
  assert.ok(tookMs < 8000, `${tookMs} ms`);
});

test("admin over HTTP: lists, kills, refuses nonsense, and refuses web pages", async (t) => {
  const { create, call, service } = await startFixture(t);
  await create("a");
  const { pid } = await call("a");
  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${service.url}/infinicache/admin/${path}`, init);
  const post = (path: string, body: object): Promise<Response> =>
    ask(path, { method: "POST", body: JSON.stringify(body) });
  const listed = (await (await ask("instances")).json()) as { instances: InstanceInfo[] };
  assert.equal(listed.instances[0]?.pid, pid);
  assert.equal(listed.instances[0]?.function, "a");
  // Where there is no /proc the first answer is not known yet.
  await until("memory is told", () => (service.admin.instances()[0]?.rssBytes ?? 0) > 10e6);
  const counters = (await (await ask("counters")).json()) as { invocations: number };
  assert.equal(counters.invocations, 1);
  assert.equal((await post("kill", {})).status, 400);
  assert.equal((await post("faults", { throttleMs: "long" })).status, 400);
  assert.equal((await post("bandwidth", { bandwidth: -1 })).status, 400);
  assert.equal((await post("reclaim-model", { kind: "sometimes" })).status, 400);
  assert.equal((await post("nothing", {})).status, 404);
  assert.equal((await ask("counters", { headers: { origin: "http://evil.example" } })).status, 403);
  const killed = (await (await post("kill", { count: 5 })).json()) as { killed: string[] };
  assert.deepEqual(killed.killed, [listed.instances[0]?.id]);
  assert.equal((await post("faults", { unavailableMs: 60_000 })).status, 200);
  await assert.rejects(call("a"), { name: "ServiceException" });
});

test("death: kill -9 of the service leaves nothing alive, frozen and held instances included", async () => {
  const host = fileURLToPath(new URL("./lambda-service-host.ts", import.meta.url));
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", host], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<string>((done, fail) => {
    child.stdout.once("data", (bytes: Buffer) => done(bytes.toString("utf8")));
    child.once("exit", () => fail(new Error("The host ended early.")));
  });
  const { url, instances } = JSON.parse(line) as {
    url: string;
    instances: { pid: number; state: string }[];
  };
  assert.deepEqual(instances.map(({ state }) => state).sort(), [
    "busy",
    "idle-frozen",
    "idle-frozen",
    "idle-frozen",
    "idle-frozen",
  ]);
  assert.ok(instances.every(({ pid }) => isAlive(pid)));
  const killedAt = performance.now();
  child.kill("SIGKILL");
  await until("all are gone", () => instances.every(({ pid }) => !isAlive(pid)), 5000);
  assert.ok(performance.now() - killedAt < 5000);
  assert.ok(await isRefused(Number(new URL(url).port)));
});

test("watchdog: alone kills stopped groups at the end of its input, but not forgotten ones", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "infinicache-test-"));
  const watchdog = new Watchdog(directory);
  const [guarded, stopped, forgotten] = [0, 1, 2].map(() => {
    const child = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
    t.after(() => child.kill("SIGKILL"));
    watchdog.add(child.pid ?? 0);
    return child;
  });
  assert.ok(guarded && stopped && forgotten);
  stopped.kill("SIGSTOP");
  watchdog.remove(forgotten.pid ?? 0);
  const ended = [guarded, stopped].map((child) => once(child, "exit"));
  await watchdog.close();
  for (const [, signal] of await Promise.all(ended)) assert.equal(signal, "SIGKILL");
  assert.equal(forgotten.exitCode, null);
  assert.equal(forgotten.signalCode, null);
  assert.ok(!existsSync(directory));
});

test("storm: kills at any moment of many invocations lose no slot and leak no instance", async (t) => {
  const { create, invoke, service } = await startFixture(t, { spawnConcurrency: 2 });
  const names = ["a", "b", "c", "d"];
  await Promise.all(names.map((name) => create(name)));
  const end = performance.now() + 2500;
  const outcomes = { returned: 0, crashed: 0 };
  // On a busy machine an instance takes longer to start than it is left to live: then it is left alone until some return.
  const killer = setInterval(() => {
    if (outcomes.crashed <= 20 + 4 * outcomes.returned) service.admin.kill({ count: 1 });
  }, 15);
  const work = async (name: string): Promise<void> => {
    while (performance.now() < end || outcomes.returned === 0) {
      const output = await invoke(name, { sleepMs: 3 });
      if (output.FunctionError === undefined) outcomes.returned += 1;
      else outcomes.crashed += 1;
    }
  };
  await Promise.all([...names, ...names].map(work));
  clearInterval(killer);
  t.diagnostic(JSON.stringify(outcomes));
  for (const name of names) assert.equal((await invoke(name)).FunctionError, undefined);
  assert.ok(outcomes.returned > 0 && outcomes.crashed > 0);
  const { instancesStarted, reclaims } = service.admin.counters();
  // The books balance: what was started and not killed is there.
  assert.equal(service.admin.instances().length, instancesStarted - reclaims);
});

test("kill: an instance that ended leaves none of the service's files open", {
  skip: !existsSync("/proc/self/fd"),
}, async (t) => {
  const { create, call, service } = await startFixture(t);
  await create("a");
  const openOf = (pid: number): readonly string[] =>
    readdirSync("/proc/self/fd").filter((fd) => targetOf(fd) === `/proc/${pid}/statm`);
  for (let round = 0; round < 3; round++) {
    const { pid } = await call("a");
    // Its memory was asked for within the invocation: what is counted below was there.
    assert.equal(openOf(pid).length, 1);
    service.admin.kill({ function: "a" });
    await until("it has ended", () => !isAlive(pid) && openOf(pid).length === 0);
  }
});

/** What a file descriptor of this process stands for; null: it was closed meanwhile. */
function targetOf(fd: string): string | null {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
}

test("close: ends every instance and may be called twice", async (t) => {
  const { create, call, invoke, service } = await startFixture(t);
  await create("a");
  await create("b");
  const { pid } = await call("a");
  const running = invoke("b", { sleepMs: 5000 }).catch((error: unknown) => error);
  await until("b runs", () => service.admin.instances("b")[0]?.state === "busy");
  await Promise.all([service.close(), service.close()]);
  assert.ok(!isAlive(pid));
  await running;
});
