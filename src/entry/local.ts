// Composes what runs on one machine: the local Lambda service, and a pool (its functions deployed there, its proxy,
// a client in this process, the Redis and HTTP doors on it). Both halves, or each in a process of its own.
// What was started is closed again, last first, when anything after it fails.

import type {
  Addresses,
  LambdaOptions,
  PoolOptions,
  RunningLambda,
  RunningPool,
} from "../cli/composition.ts";
import { CacheError } from "../core/errors.ts";
import type { ProxyStatus } from "../core/status.ts";
import { startHttpServer } from "../gateway/http/server.ts";
import { startRespServer } from "../gateway/resp/server.ts";
import { createHasher } from "../host/node-hash.ts";
import { SystemClock } from "../host/system-clock.ts";
import { SystemWallClock } from "../host/system-wall-clock.ts";
import { startLambdaService } from "../platform/lambda-service/service.ts";
import { openOrigin } from "./open-origin.ts";
import { openPool, portAfter } from "./pool.ts";
import { packageVersion } from "./version.ts";

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

function supersededAtStart(reason: string): never {
  throw new CacheError("ICACHE_SUPERSEDED", reason);
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
    const { host, port } = options;
    const opened = await openPool(options, lambdaUrl);
    closers.push(() => opened.close());
    const { proxy } = opened;
    const tier =
      options.origin === undefined ? null : await openOrigin(opened.cache, options.origin);
    if (tier !== null) closers.push(() => tier.close());
    const cache = tier ?? opened.cache;
    const status = (): ProxyStatus =>
      tier === null ? proxy.status() : { ...proxy.status(), origin: tier.originStatus() };
    const door = {
      cache,
      host,
      version: packageVersion(),
      status,
      clock: new SystemClock(),
      wallClock: new SystemWallClock(),
      ...(options.access === undefined ? {} : { access: options.access }),
    };
    const resp = await startRespServer({ ...door, port: portAfter(port, 2) });
    const doors: { close(): Promise<void> }[] = [resp];
    // All at once: each may wait for answers under way.
    closers.push(async () => void (await Promise.all(doors.map((each) => each.close()))));
    let isReady = false;
    const http = await startHttpServer({
      ...door,
      port: portAfter(port, 3),
      isReady: () => isReady && proxy.status().superseded === null,
      createHasher,
    });
    doors.push(http);
    options.onGreeting?.(() => proxy.status().nodes.greeted);
    await Promise.race([proxy.greetAll(), proxy.superseded.then(supersededAtStart)]);
    isReady = true;
    const addresses: Addresses = {
      client: proxy.clientAddress,
      functions: proxy.functionAddress,
      lambda: lambdaUrl,
      resp: resp.address,
      http: `http://${http.address}`,
    };
    const { doubt, superseded } = proxy;
    return { addresses, doubt, superseded, cache, status, close };
  } catch (error) {
    await close();
    throw error;
  }
}
