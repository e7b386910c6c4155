// Who takes part in the suite `speed`: this cache through a proxy in a process of its own, past that proxy, and embedded
// in this process, with a pool for each proxy at one local Lambda service in a third process; and, of what is installed, redis-server
// and memcached by raw sockets and redis-server by ioredis. It starts and ends them; it measures nothing.

import { memcachedTarget, redisTarget, type TargetClient } from "../src/cli/bench/targets.ts";
import { LambdaAdminClient } from "../src/cli/lambda-admin.ts";
import type { Cache } from "../src/client/api.ts";
import { connect } from "../src/entry/library.ts";
import { openPool } from "../src/entry/pool.ts";
import { openIoredis } from "./contestants.ts";
import { startLambda, startMemcached, startProxy, startRedis } from "./servers.ts";

/** The ways in which this cache takes part. */
export const WAYS = ["proxy", "direct", "embedded"] as const;

/** One of them. */
export type Way = (typeof WAYS)[number];

/** This cache by one way. */
export interface OwnCache {
  readonly cache: Cache;
  /** The same, but what it finds lost stays lost, so that reads of it can be repeated. */
  readonly notRepairing: Cache;
  /** Ends every instance of a node of the pool. */
  kill(node: number): Promise<void>;
}

/** Everybody, and the process ids by role; the clients and the embedded proxy are this process. */
export interface SpeedContest {
  readonly own: Readonly<Record<Way, OwnCache>>;
  /** By name: `redis`, `ioredis`, `memcached`; as far as they are installed. */
  readonly others: ReadonlyMap<string, TargetClient>;
  readonly absent: readonly string[];
  readonly pids: { readonly proxy: number; readonly service: number };
  close(): Promise<void>;
}

/** How the pools are made. */
export interface PoolShape {
  readonly nodes: number;
  readonly memoryMb: number;
}

const POOLS: Readonly<Record<Way, string>> = {
  proxy: "by-proxy",
  direct: "by-proxy",
  embedded: "by-embedding",
};

/** Starts everybody, one after the other; `withOthers` false: only this cache. */
export async function openSpeedContest(
  shape: PoolShape,
  bytesMax: number,
  withOthers: boolean,
): Promise<SpeedContest> {
  const closers: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const service = await startLambda();
    closers.push(() => service.stop());
    const admin = new LambdaAdminClient(service.url);
    closers.push(() => admin.close());
    const proxy = await startProxy(service.url, flagsOf(shape));
    closers.push(() => proxy.stop());
    const pool = await openPool(embeddedOptions(shape), service.url);
    closers.push(() => pool.close());
    await pool.proxy.greetAll();
    const url = `${proxy.host}:${proxy.port}`;
    const opened = (way: Way, options: Parameters<typeof connect>[0]): OwnCache => {
      const cache = connect(options);
      const notRepairing = connect({ ...options, repairs: false });
      closers.push(async () => void (await Promise.all([cache.close(), notRepairing.close()])));
      const kill = async (node: number): Promise<void> =>
        void (await admin.kill({ function: `${POOLS[way]}-${node}` }));
      return { cache, notRepairing, kill };
    };
    const own = {
      proxy: opened("proxy", { url }),
      direct: opened("direct", { url, direct: { host: proxy.host } }),
      embedded: opened("embedded", { proxy: pool.proxy, direct: { host: "127.0.0.1" } }),
    };
    const others = new Map<string, TargetClient>();
    const absent = withOthers ? await openOthers(bytesMax, others, closers) : [];
    return { own, others, absent, pids: { proxy: proxy.pid, service: service.pid }, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openOthers(
  bytesMax: number,
  others: Map<string, TargetClient>,
  closers: (() => Promise<void> | void)[],
): Promise<readonly string[]> {
  const absent: string[] = [];
  const add = (name: string, client: TargetClient): void => {
    others.set(name, client);
    closers.push(() => client.close());
  };
  const redis = await startRedis();
  if (redis === null) absent.push("redis-server (apt-get install redis-server)");
  else {
    closers.push(() => redis.stop());
    add("redis", await redisTarget(redis.host, redis.port));
    const ioredis = await openIoredis(redis.port);
    if (ioredis === null) absent.push("ioredis (npm ci in test/clients)");
    else add("ioredis", ioredis);
  }
  const memcached = await startMemcached(bytesMax);
  if (memcached === null) absent.push("memcached (apt-get install memcached)");
  else {
    closers.push(() => memcached.stop());
    add("memcached", await memcachedTarget(memcached.host, memcached.port));
  }
  return absent;
}

/** No backups and no repairs: they would fall on some rounds and not on others, and what was lost is to stay so. */
function flagsOf({ nodes, memoryMb }: PoolShape): readonly string[] {
  const size = ["--nodes", String(nodes), "--memory", String(memoryMb)];
  return ["--pool", POOLS.proxy, "--backup-interval", "0", "--repair-rate", "0", ...size];
}

function embeddedOptions({ nodes, memoryMb }: PoolShape): Parameters<typeof openPool>[0] {
  return {
    host: "127.0.0.1",
    port: 0,
    pool: POOLS.embedded,
    nodes,
    memoryMb,
    stateDir: null,
    secretHex: "",
    warmUpIntervalMs: 60_000,
    backupIntervalMs: 0,
    backupSelection: "all",
    repairBytesPerSecond: 0,
    repairDollarsPerHour: 0,
    pricing: "x86",
  };
}
