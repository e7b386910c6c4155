// Who is compared: this cache by its library, and others by a raw socket and by the client most people use, each
// with one operation at a time. Absent software is named and left out.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import {
  cacheTarget,
  memcachedTarget,
  redisTarget,
  type TargetClient,
} from "../src/cli/bench/targets.ts";
import { connect } from "../src/entry/library.ts";
import { startInfiniCache, startMemcached, startRedis } from "./servers.ts";

/** A client of a server, under the name in the table. */
export interface Contestant {
  readonly name: string;
  readonly client: TargetClient;
}

/** All contestants, and the way to end what was started for them. */
export interface Contest {
  readonly contestants: readonly Contestant[];
  readonly absent: readonly string[];
  close(): Promise<void>;
}

/** Starts all servers that there are, one after the other. */
export async function openContest(flags: readonly string[], bytesMax: number): Promise<Contest> {
  const closers: (() => Promise<void>)[] = [];
  const contestants: Contestant[] = [];
  const absent: string[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.reverse()) await closer();
  };
  const add = (name: string, client: TargetClient) => {
    contestants.push({ name, client });
    closers.push(() => client.close());
  };
  try {
    const own = await startInfiniCache(flags);
    closers.push(() => own.stop());
    const cache = connect({ url: `${own.host}:${own.port}` });
    closers.push(() => cache.close());
    add("infinicache", freshTarget(cache));
    add("infinicache, getInto", cacheTarget(cache, null));
    const direct = connect({ url: `${own.host}:${own.port}`, direct: { host: own.host } });
    closers.push(() => direct.close());
    add("infinicache direct, getInto", cacheTarget(direct, null));
    const redis = await startRedis();
    if (redis === null) absent.push("redis-server (apt-get install redis-server)");
    else {
      closers.push(() => redis.stop());
      add("redis, raw socket", await redisTarget(redis.host, redis.port));
      const ioredis = await openIoredis(redis.port);
      if (ioredis === null) absent.push("ioredis (npm ci in test/clients)");
      else add("redis, ioredis", ioredis);
    }
    const memcached = await startMemcached(bytesMax);
    if (memcached === null) absent.push("memcached (apt-get install memcached)");
    else {
      closers.push(() => memcached.stop());
      add("memcached, raw socket", await memcachedTarget(memcached.host, memcached.port));
    }
    return { contestants, absent, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** This cache, each GET into memory of its own, as most applications do it. */
export function freshTarget(cache: ReturnType<typeof connect>): TargetClient {
  return {
    async put(key, body) {
      await cache.put(key, body);
    },
    async get(key) {
      const found = await cache.get(key);
      return found.kind === "miss" ? null : found.bytes;
    },
    async close() {},
  };
}

/** A dependency of the client tests, not of this package. */
const IOREDIS = "ioredis";

/** As much of ioredis as is used here. */
interface Ioredis {
  set(key: string, body: Buffer): Promise<unknown>;
  getBuffer(key: string): Promise<Buffer | null>;
  disconnect(): void;
}

/** The client most people use; null when it is not installed. */
export async function openIoredis(port: number): Promise<TargetClient | null> {
  const require = createRequire(new URL("../test/clients/package.json", import.meta.url));
  let path: string;
  try {
    path = require.resolve(IOREDIS);
  } catch {
    return null;
  }
  const { Redis }: { readonly Redis: new (port: number, host: string) => Ioredis } = await import(
    pathToFileURL(path).href
  );
  const client = new Redis(port, "127.0.0.1");
  return {
    async put(key, body) {
      await client.set(key, Buffer.from(body.buffer, body.byteOffset, body.byteLength));
    },
    get: (key) => client.getBuffer(key),
    async close() {
      client.disconnect();
    },
  };
}
