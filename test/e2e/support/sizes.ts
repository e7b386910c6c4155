// The acceptance claim about large objects, as one run: a body goes through pipes into the command line and back, and
// through the library as a stream, with checksums on both ends and the peak memory of client and proxy beside them.
// `lambda-service` and `proxy` are processes of their own, so that the proxy's memory is the proxy's alone.

import { createHash } from "node:crypto";
import { connect } from "../../../src/entry/library.ts";
import { hashBytes, streamBytes } from "./bytes.ts";
import { peakMemory, runCommand, type Serving, serve } from "./processes.ts";

/** One body, and a pool with room for it and its parity. */
export interface SizePlan {
  readonly bytes: number;
  readonly nodes: number;
  readonly memoryMb: number;
}

/** What was seen. */
export interface SizeReport {
  readonly bytes: number;
  readonly putMs: number;
  readonly getMs: number;
  readonly libraryPutMs: number;
  readonly libraryGetMs: number;
  readonly putPeakBytes: number;
  readonly getPeakBytes: number;
  readonly proxyPeakBytes: number;
  /** Empty when everything came back equal. */
  readonly faults: readonly string[];
}

const DEADLINE_MS = 600_000;

/** Starts the two halves, runs the body through them, and ends them. */
export async function runSize(plan: SizePlan): Promise<SizeReport> {
  const service = await serve(["lambda-service", "--port", "0"]);
  try {
    const pool = ["--nodes", String(plan.nodes), "--memory", String(plan.memoryMb)];
    const proxy = await serve(["proxy", "--lambda", service.ready.lambda, "--port", "0", ...pool]);
    try {
      return await runThrough(proxy, plan.bytes);
    } finally {
      await proxy.kill();
    }
  } finally {
    await service.kill();
  }
}

async function runThrough(proxy: Serving, bytes: number): Promise<SizeReport> {
  const faults: string[] = [];
  const expect = (what: string, isSo: boolean) => {
    if (!isSo) faults.push(what);
  };
  const url = proxy.ready.client;
  const wanted = hashBytes(1, bytes);
  const key = ["large", "--url", url];
  const [put, putMs] = await timed(
    runCommand(["put", "large", "-", "--url", url], { input: streamBytes(1, bytes) }),
  );
  expect(`put ended with ${put.code}: ${put.stderr}`, put.code === 0);
  const hash = createHash("sha256");
  const [get, getMs] = await timed(
    runCommand(["get", ...key], { output: (part) => hash.update(part) }),
  );
  expect(`get ended with ${get.code}: ${get.stderr}`, get.code === 0);
  expect("other bytes came by the command line", hash.digest("hex") === wanted);
  const proxyPeakBytes = peakMemory(proxy.pid);
  // The same key: the pool need not hold both, for what is superseded makes room.
  const library = await throughLibrary(url, bytes, wanted);
  expect(library.fault, library.fault === "");
  const { libraryPutMs, libraryGetMs } = library;
  const peaks = { putPeakBytes: put.peakBytes, getPeakBytes: get.peakBytes, proxyPeakBytes };
  return { bytes, putMs, getMs, libraryPutMs, libraryGetMs, ...peaks, faults };
}

async function throughLibrary(url: string, bytes: number, wanted: string) {
  const cache = connect({ url, deadlineMs: DEADLINE_MS });
  try {
    await cache.delete("large");
    const [, libraryPutMs] = await timed(cache.put("large", streamBytes(1, bytes)));
    const [hash, libraryGetMs] = await timed(readHash());
    const fault = hash === wanted ? "" : `by the library: ${hash}`;
    return { libraryPutMs, libraryGetMs, fault };
  } finally {
    await cache.close();
  }

  async function readHash(): Promise<string> {
    const read = await cache.getStream("large");
    if (read.kind === "miss") return `a miss (${read.reason})`;
    const hash = createHash("sha256");
    for await (const part of read.body) hash.update(part);
    return hash.digest("hex");
  }
}

async function timed<Result>(promise: Promise<Result>): Promise<[Result, number]> {
  const startedAt = performance.now();
  return [await promise, performance.now() - startedAt];
}
