// A pool as the suites of figures want it: the local Lambda service and a proxy as processes of their own, no backups
// and no repairs, with what can be done to its functions and what the proxy says of itself.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProxyStatus } from "../src/core/status.ts";
import { LambdaAdmin } from "../test/e2e/support/lambda-admin.ts";
import { freePorts } from "../test/e2e/support/ports.ts";
import { type RoleServer, startLambda, startProxy } from "./servers.ts";

/** How a pool is made. */
export interface SiteShape {
  readonly nodes: number;
  readonly memoryMb: number;
  /** Of the Lambda service; `forwarder` can cap bandwidth. */
  readonly freeze?: "stop" | "forwarder";
  /** Proxies that share the keys, each with `nodes` functions of its own. */
  readonly proxies?: number;
  readonly flags?: readonly string[];
}

/** A proxy at work. */
export interface SiteProxy {
  readonly name: string;
  readonly url: string;
  readonly resp: string;
  readonly pid: number;
  status(): Promise<ProxyStatus>;
  /** What it has resident now, in bytes. */
  residentBytes(): number;
}

/** A pool, or several. */
export interface Site {
  readonly admin: LambdaAdmin;
  /** The first is where clients connect. */
  readonly proxies: readonly [SiteProxy, ...SiteProxy[]];
  readonly servicePid: number;
  close(): Promise<void>;
}

const ANSWER_MS_MAX = 10_000;
const KIB = 1_024;

/** Starts it all. */
export async function openSite(shape: SiteShape): Promise<Site> {
  const closers: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const service = await startLambda(["--freeze", shape.freeze ?? "stop"]);
    closers.push(() => service.stop());
    const places = await placesOf(shape.proxies ?? 1, closers);
    const proxies: SiteProxy[] = [];
    for (const { name, flags } of places) {
      const proxy = await startProxy(service.url, [
        ...["--pool", name, "--nodes", String(shape.nodes), "--memory", String(shape.memoryMb)],
        ...["--backup-interval", "0", "--repair-rate", "0", ...flags, ...(shape.flags ?? [])],
      ]);
      closers.push(() => proxy.stop());
      proxies.push(siteProxy(name, proxy));
    }
    const [first, ...others] = proxies;
    if (first === undefined) throw new Error("a site has a proxy");
    const admin = new LambdaAdmin(service.url);
    return { admin, proxies: [first, ...others], servicePid: service.pid, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Names of pools, and what their proxies need to know of each other. */
async function placesOf(
  count: number,
  closers: (() => void)[],
): Promise<readonly { readonly name: string; readonly flags: readonly string[] }[]> {
  if (count === 1) return [{ name: "bench", flags: [] }];
  const folder = mkdtempSync(join(tmpdir(), "infinicache-bench-"));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  const ring = join(folder, "ring.json");
  const members: { id: string; address: string; port: number }[] = [];
  let from: number | undefined;
  for (let index = 0; index < count; index++) {
    const port = await freePorts(from);
    from = port + 5;
    members.push({ id: `bench-${index}`, address: `127.0.0.1:${port}`, port });
  }
  const listed = members.map(({ id, address }) => ({ id, address, weight: 1 }));
  writeFileSync(ring, JSON.stringify({ epoch: 1, members: listed, virtualNodes: 128 }));
  return members.map(({ id, port }) => ({
    name: id,
    flags: ["--port", String(port), "--ring", ring],
  }));
}

function siteProxy(name: string, { ready, pid }: RoleServer): SiteProxy {
  const status = async (): Promise<ProxyStatus> => {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const response = await fetch(`${ready["http"]}/status`, { signal });
    // The proxy is of this package, and reports as core/status.ts says.
    return (await response.json()) as ProxyStatus;
  };
  const doors = { url: ready["client"] ?? "", resp: ready["resp"] ?? "" };
  return { name, ...doors, pid, status, residentBytes: () => residentBytes(pid) };
}

function residentBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * KIB;
}
