// Composes what runs on one machine: the local Lambda service, and a pool (its functions deployed there, its proxy,
// a client in this process, the Redis and HTTP doors on it). Both halves, or each in a process of its own.
// What was started is closed again, last first, when anything after it fails.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type {
  Addresses,
  LambdaOptions,
  PoolOptions,
  RunningLambda,
  RunningPool,
} from "../cli/composition.ts";
import { fromHex, nodeKey, toHex } from "../core/invocation.ts";
import { FUNCTION_TIMEOUT_MS } from "../core/limits.ts";
import { startHttpServer } from "../gateway/http/server.ts";
import { startRespServer } from "../gateway/resp/server.ts";
import { NodeCrypto } from "../host/node-crypto.ts";
import { createHasher } from "../host/node-hash.ts";
import { SystemClock } from "../host/system-clock.ts";
import { SystemWallClock } from "../host/system-wall-clock.ts";
import { openAwsLambda } from "../platform/aws-lambda.ts";
import { deployPool } from "../platform/deploy-pool.ts";
import { startLambdaService } from "../platform/lambda-service/service.ts";
import { withFunctionBundle } from "./function-bundle.ts";
import { connect } from "./library.ts";
import { startProxy } from "./proxy.ts";
import { packageVersion } from "./version.ts";

const SECRET_BYTES = 32;
/** The Lambda service takes the fifth port, after clients, functions, RESP and HTTP. */
const LAMBDA_PORT_OFFSET = 4;

/** Starts the local Lambda service alone. */
export async function startLambda(options: LambdaOptions): Promise<RunningLambda> {
  const { host, port, seed, reclaim, freeze } = options;
  return startLambdaService({ host, port, seed, reclaim: { kind: reclaim }, freezeMode: freeze });
}

/** Starts everything in this process; ready when every function has said hello. */
export async function startLocal(
  options: PoolOptions & Pick<LambdaOptions, "seed" | "reclaim" | "freeze">,
): Promise<RunningPool> {
  const port = portAfter(options.port, LAMBDA_PORT_OFFSET);
  const service = await startLambda({ ...options, port });
  try {
    const pool = await startPool(options, service.url);
    return {
      ...pool,
      close: async () => {
        await pool.close();
        await service.close();
      },
    };
  } catch (error) {
    await service.close();
    throw error;
  }
}

/** Starts a pool with its functions at the Lambda service `lambdaUrl`; ready when every function has said hello. */
export async function startPool(options: PoolOptions, lambdaUrl: string): Promise<RunningPool> {
  const closers: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (;;) {
      const closer = closers.pop();
      if (closer === undefined) return;
      await closer();
    }
  };
  try {
    const secret = await poolSecret(options);
    await deploy(options, lambdaUrl, secret);
    const { pool, nodes, host, port } = options;
    const platform = await openAwsLambda({
      endpoint: lambdaUrl,
      prefix: pool,
      nodes,
      timeoutS: FUNCTION_TIMEOUT_MS / 1_000,
    });
    closers.push(() => platform.close());
    const proxy = await startProxy({
      ...options,
      nodeMemoryMb: options.memoryMb,
      clientPort: port,
      functionPort: portAfter(port, 1),
      secret,
      platform,
    });
    closers.push(() => proxy.close());
    const cache = connect({ proxy });
    closers.push(() => cache.close());
    const door = {
      cache,
      host,
      version: packageVersion(),
      status: () => proxy.status(),
      clock: new SystemClock(),
      wallClock: new SystemWallClock(),
      crypto: new NodeCrypto(),
    };
    const resp = await startRespServer({ ...door, port: portAfter(port, 2) });
    const doors: { close(): Promise<void> }[] = [resp];
    // All at once: each may wait for answers under way.
    closers.push(async () => void (await Promise.all(doors.map((each) => each.close()))));
    let isReady = false;
    const http = await startHttpServer({
      ...door,
      port: portAfter(port, 3),
      isReady: () => isReady,
      createHasher,
    });
    doors.push(http);
    await proxy.greetAll();
    isReady = true;
    const addresses: Addresses = {
      client: proxy.clientAddress,
      functions: proxy.functionAddress,
      lambda: lambdaUrl,
      resp: resp.address,
      http: `http://${http.address}`,
    };
    return { addresses, doubt: proxy.doubt, cache, status: () => proxy.status(), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Port 0 stays 0: any free one. */
function portAfter(port: number, offset: number): number {
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
        // glibc then gives every chunk pages of its own and takes them back: see src/runtime/memory.ts.
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
