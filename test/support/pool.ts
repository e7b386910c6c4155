// A pool for fault tests: the local Lambda service and a proxy as processes of their own, at fixed ports so that the
// proxy may come back, with fault proxies before its client port and, by the address it advertises, its function port.

import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProxyStatus } from "../../src/core/status.ts";
import { type Cache, type ClientSettings, connect } from "../../src/entry/library.ts";
import { LambdaAdmin } from "../e2e/support/lambda-admin.ts";
import { freePorts } from "../e2e/support/ports.ts";
import { CLI, FOLDER, type Serving, serve } from "../e2e/support/processes.ts";
import { FaultProxy } from "./fault-proxy.ts";

/** What a pool is like. */
export interface PoolPlan {
  readonly nodes: number;
  readonly code: string;
  readonly memoryMb?: number;
  readonly freeze?: "stop" | "forwarder";
  readonly seed?: number;
  /** How long idle functions stay awake. */
  readonly linger?: string;
  /** Time between backup rounds. */
  readonly backupInterval?: string;
  /** The largest JavaScript heap of the proxy. */
  readonly heapMb?: number;
}

/** A pool at work. */
export interface TestPool {
  readonly plan: PoolPlan;
  readonly service: Serving;
  /** The proxy now running. */
  readonly proxy: Serving;
  /** Where clients reach the proxy itself. */
  readonly url: string;
  readonly admin: LambdaAdmin;
  /** Between clients that dial `clientFaults.address` and the proxy. */
  readonly clientFaults: FaultProxy;
  /** Between all functions and the proxy. */
  readonly functionFaults: FaultProxy;
  readonly stateDir: string;
  /** A client that is closed with the test. */
  client(settings?: ClientSettings & { readonly url?: string }): Cache;
  status(): Promise<ProxyStatus>;
  /** kill -9 and the same again; milliseconds until it serves. */
  restart(): Promise<number>;
}

const LOOPBACK = "127.0.0.1";

/** Starts a pool that ends with the test. */
export async function startPool(context: TestContext, plan: PoolPlan): Promise<TestPool> {
  const freeze = ["--freeze", plan.freeze ?? "stop"];
  const seed = ["--seed", String(plan.seed ?? 1)];
  const service = await serve(["lambda-service", "--port", "0", ...freeze, ...seed]);
  context.after(() => service.kill());
  const port = await freePorts();
  const clientFaults = await FaultProxy.open(`${LOOPBACK}:${port}`);
  context.after(() => clientFaults.close());
  const functionFaults = await FaultProxy.open(`${LOOPBACK}:${port + 1}`);
  context.after(() => functionFaults.close());
  const stateDir = mkdtempSync(join(FOLDER, "state-"));
  const flags = plan.heapMb === undefined ? [] : [`--max-old-space-size=${plan.heapMb}`];
  const launch = {
    command: process.execPath,
    args: ["--disable-warning=ExperimentalWarning", ...flags, CLI],
  };
  const args = [
    ...["proxy", "--lambda", service.ready.lambda, "--port", String(port)],
    ...["--nodes", String(plan.nodes), "--memory", String(plan.memoryMb ?? 192)],
    ...["--code", plan.code, "--state", stateDir, "--advertise", functionFaults.address],
    ...(plan.backupInterval === undefined ? [] : ["--backup-interval", plan.backupInterval]),
    ...(plan.linger === undefined ? [] : ["--linger", plan.linger]),
  ];
  let proxy = await serve(args, launch);
  context.after(() => proxy.kill());
  const pool = {
    ...{ plan, service, admin: new LambdaAdmin(service.ready.lambda) },
    ...{ url: proxy.ready.client, clientFaults, functionFaults, stateDir },
    client: (settings: ClientSettings & { readonly url?: string } = {}): Cache => {
      const cache = connect({ url: proxy.ready.client, ...settings });
      context.after(() => cache.close());
      return cache;
    },
    status: () => statusOf(proxy),
    restart: async (): Promise<number> => {
      await proxy.kill();
      proxy = await serve(args, launch);
      return proxy.readyMs;
    },
  };
  // A getter: after a restart it is another process.
  return Object.defineProperty(pool, "proxy", { get: () => proxy }) as typeof pool & TestPool;
}

async function statusOf(proxy: Serving): Promise<ProxyStatus> {
  const response = await fetch(`${proxy.ready.http}/status`, {
    signal: AbortSignal.timeout(10_000),
  });
  // The proxy is of this package, and reports as core/status.ts says.
  return (await response.json()) as ProxyStatus;
}

/** Waits until `isSo`; fails with `what` after `msMax`. */
export async function until(
  what: string,
  msMax: number,
  isSo: () => Promise<boolean> | boolean,
): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    if (await isSo()) return performance.now() - startedAt;
    if (performance.now() - startedAt > msMax) throw new Error(`not within ${msMax} ms: ${what}`);
    await sleep(50);
  }
}
