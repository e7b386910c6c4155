// The steps of the demo: make a real file, store it, kill functions that hold it, fetch it, compare. Each is timed
// and told as it happens. It works on any running pool and changes nothing but what it stores.

import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Cache, PutResult } from "../client/api.ts";
import type { Clock, Random } from "../core/ports.ts";
import type { ProxyStatus } from "../core/status.ts";
import { NodeCrypto } from "../host/node-crypto.ts";
import { CommandError } from "./exit-codes.ts";
import { LambdaAdminClient } from "./lambda-admin.ts";

const BLOCK_BYTES = 1_048_576;
/** How long the pool may take to notice and repair what the demo broke, before we stop looking. */
const REPAIR_MS_MAX = 5_000;
const LOOK_EVERY_MS = 50;

/** Writes `bytes` random bytes to a new file in `folder`; its path. */
export async function makeFile(folder: string, bytes: number): Promise<string> {
  const path = join(folder, "original.bin");
  const crypto = new NodeCrypto();
  const file = await open(path, "w");
  try {
    for (let written = 0; written < bytes; written += BLOCK_BYTES) {
      await file.write(crypto.randomBytes(Math.min(BLOCK_BYTES, bytes - written)));
    }
  } finally {
    await file.close();
  }
  return path;
}

/** Stores the file as a stream. */
export async function storeFile(
  cache: Cache,
  key: string,
  path: string,
  signal: AbortSignal,
): Promise<Extract<PutResult, { readonly kind: "stored" }>> {
  const body = createReadStream(path, { highWaterMark: BLOCK_BYTES });
  const result = await cache.put(key, body, { signal });
  if (result.kind !== "stored") throw new CommandError("refused", `${key} exists already`);
  return result;
}

/** Fetches the object into a file; its path. */
export async function fetchFile(
  cache: Cache,
  key: string,
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  const found = await cache.getStream(key, { signal });
  if (found.kind === "miss") throw new CommandError("absent", `${key} is a miss: ${found.reason}`);
  const path = join(folder, "copy.bin");
  const file = await open(path, "w");
  try {
    for await (const part of found.body) await file.writeFile(part);
  } finally {
    await file.close();
  }
  return path;
}

/** Kills `count` random functions among those that hold chunks; which nodes. */
export async function killHolders(
  lambdaUrl: string,
  status: ProxyStatus,
  count: number,
  random: Random,
): Promise<readonly number[]> {
  const holders = status.nodes.rows.filter((row) => row.chunks > 0).map((row) => row.node);
  const admin = new LambdaAdminClient(lambdaUrl);
  const killed: number[] = [];
  try {
    while (killed.length < count && holders.length > 0) {
      const [node = 0] = holders.splice(random.below(holders.length), 1);
      await admin.kill({ function: `${status.pool}-${node}` });
      killed.push(node);
    }
  } finally {
    admin.close();
  }
  return killed.sort((a, b) => a - b);
}

/** True when both files have the same bytes; reads both in step, in little memory. */
export async function areEqual(pathA: string, pathB: string): Promise<boolean> {
  const [a, b] = [await open(pathA), await open(pathB)];
  const [bufferA, bufferB] = [Buffer.alloc(BLOCK_BYTES), Buffer.alloc(BLOCK_BYTES)];
  try {
    for (;;) {
      const { bytesRead } = await a.read(bufferA, 0, BLOCK_BYTES);
      const other = await b.read(bufferB, 0, BLOCK_BYTES);
      if (bytesRead !== other.bytesRead) return false;
      if (bytesRead === 0) return true;
      if (!bufferA.subarray(0, bytesRead).equals(bufferB.subarray(0, bytesRead))) return false;
    }
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
}

/** Waits until no chunk was repaired for a while, or it takes too long; how many were. */
export async function waitForRepair(
  status: () => ProxyStatus,
  clock: Clock,
  wait: (ms: number) => Promise<void>,
): Promise<number> {
  const until = clock.now() + REPAIR_MS_MAX;
  let before = -1;
  let quietMs = 0;
  while (clock.now() < until && quietMs < 10 * LOOK_EVERY_MS) {
    const { repairs } = status().counters;
    quietMs = repairs === before ? quietMs + LOOK_EVERY_MS : 0;
    before = repairs;
    await wait(LOOK_EVERY_MS);
  }
  return Math.max(0, before);
}
