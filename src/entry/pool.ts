// A pool with its client and no doors: the functions are deployed at a Lambda service, the proxy runs in this
// process, and a client talks to it without a socket. What was started is closed again when a later step fails.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PoolOptions } from "../cli/composition.ts";
import type { LeasingCache } from "../client/api.ts";
import { fromHex, nodeKey, toHex } from "../core/invocation.ts";
import { FUNCTION_TIMEOUT_MS } from "../core/limits.ts";
import type { TableStore } from "../core/ports.ts";
import { NodeCrypto } from "../host/node-crypto.ts";
import { SqliteTableStore } from "../host/sqlite-table-store.ts";
import { isAwsEndpoint, openAwsLambda } from "../platform/aws-lambda.ts";
import { deployPool } from "../platform/deploy-pool.ts";
import { ANY_HOST, type DialOptions, dial } from "./dial.ts";
import { withFunctionBundle } from "./function-bundle.ts";
import { type RunningProxy, startProxy } from "./proxy.ts";
import { startRepairer } from "./repairer.ts";

const SECRET_BYTES = 32;

/** A pool without doors. */
export interface OpenPool {
  readonly proxy: RunningProxy;
  readonly cache: LeasingCache;
  /** Closes the client, then the proxy, then the way to the Lambda service. */
  close(): Promise<void>;
}

/** Deploys what is missing and starts the proxy; no function has said hello yet. */
export async function openPool(options: PoolOptions, lambdaUrl: string): Promise<OpenPool> {
  // First of all: whoever may not have the state must not change the functions of the one who has it.
  const store = options.stateDir === null ? null : new SqliteTableStore(options.stateDir);
  try {
    return await openWith(store, options, lambdaUrl);
  } catch (error) {
    store?.close();
    throw error;
  }
}

async function openWith(
  store: TableStore | null,
  options: PoolOptions,
  lambdaUrl: string,
): Promise<OpenPool> {
  const { pool, nodes, port } = options;
  const secret = await poolSecret(options);
  await deploy(options, lambdaUrl, secret);
  const platform = await openAwsLambda({
    endpoint: lambdaUrl,
    prefix: pool,
    nodes,
    timeoutS: FUNCTION_TIMEOUT_MS / 1_000,
  });
  try {
    const proxy = await startProxy({
      ...options,
      ...(store === null ? {} : { store }),
      nodeMemoryMb: options.memoryMb,
      clientPort: port,
      functionPort: portAfter(port, 1),
      spread: options.spread ?? (isAwsEndpoint(lambdaUrl) ? "wide" : "narrow"),
      secret,
      platform,
    });
    const near = options.near === undefined ? {} : { near: options.near };
    const settings = { token: options.peerToken ?? "", ...directOf(options), ...near };
    const cache = dial({ proxy, ...settings });
    const repairer = startRepairer(proxy);
    const close = async (): Promise<void> => {
      await repairer.close();
      await cache.close();
      await proxy.close();
      platform.close();
    };
    return { proxy, cache, close };
  } catch (error) {
    platform.close();
    throw error;
  }
}

/** Functions that reach the proxy where it listens reach a second port there, too; what they reach otherwise nobody knows. */
function directOf({ host, advertise }: PoolOptions): Pick<DialOptions, "direct"> {
  return advertise === undefined && !ANY_HOST.has(host) ? { direct: { host } } : {};
}

/** Port 0 stays 0: any free one. */
export function portAfter(port: number, offset: number): number {
  return port === 0 ? 0 : port + offset;
}

async function deploy(options: PoolOptions, endpoint: string, secret: Uint8Array): Promise<void> {
  const crypto = new NodeCrypto();
  const { pool, nodes, memoryMb } = options;
  await withFunctionBundle((bundle) =>
    deployPool({
      endpoint,
      prefix: pool,
      nodes,
      memoryMb,
      timeoutS: FUNCTION_TIMEOUT_MS / 1_000,
      bundle,
      environment: (node) => ({
        INFINICACHE_POOL: pool,
        INFINICACHE_NODE: String(node),
        INFINICACHE_NODE_KEY: toHex(nodeKey(crypto, secret, pool, node)),
        // glibc then gives every block pages of its own and takes them back: see src/runtime/memory.ts.
        MALLOC_MMAP_THRESHOLD_: "65536",
        MALLOC_ARENA_MAX: "1",
      }),
    }),
  );
}

/**
 * As given; else the one in the state folder; else drawn anew and kept there. It must outlive the proxy together
 * with the table: a new one would change the functions' configuration, and with that discard what they hold.
 */
async function poolSecret({ secretHex, stateDir }: PoolOptions): Promise<Uint8Array> {
  const drawn = new NodeCrypto().randomBytes(SECRET_BYTES);
  if (secretHex !== "") return fromHex(secretHex.toLowerCase()) ?? drawn;
  if (stateDir === null) return drawn;
  const path = join(stateDir, "pool-secret");
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  try {
    const kept = fromHex((await readFile(path, "utf8")).trim());
    if (kept === null)
      throw new Error(`${path} does not hold a secret in hex; remove it to begin anew`);
    return kept;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    await writeFile(path, `${toHex(drawn)}\n`, { mode: 0o600, flag: "wx" });
    return drawn;
  }
}
