// The embedded proxy's front door, `infinicache/proxy`: a pool whose proxy lives in the application's process, so
// that there is no hop and no other machine to pay. Importing it starts nothing; it opens no Redis or HTTP door.

import type { Cache, NearOptions } from "../client/api.ts";
import { checkNear } from "../client/validate.ts";
import { type CodeSpec, chunkCount, codeFault, formatCode } from "../core/code.ts";
import { CacheError } from "../core/errors.ts";
import type { Spread } from "../core/placement.ts";
import type { Timer } from "../core/ports.ts";
import type { ProxyStatus } from "../core/status.ts";
import { SystemClock } from "../host/system-clock.ts";
import { startLambdaService } from "../platform/lambda-service/service.ts";
import { REPAIR_LIMITS_DEFAULT } from "../proxy/repair-budget.ts";
import { type OpenPool, openPool } from "./pool.ts";

export type { NearOptions } from "../client/api.ts";
export type { ProxyStatus } from "../core/status.ts";

const READY_MS_DEFAULT = 60_000;

/** What an embedded pool is made by; everything has a default. */
export interface EmbeddedOptions {
  /** URL of the Lambda service that runs the functions. Absent: a local one of this process, for development. */
  readonly lambda?: string;
  /** Name of the pool; its functions are NAME-0, NAME-1, … Default `infinicache`. */
  readonly pool?: string;
  /** Functions; default 24. */
  readonly nodes?: number;
  /** Memory of each function in MB; default 512. Nothing compares the sum with what the machine has. */
  readonly memoryMb?: number;
  /** Code of every object that names none; absent: by size (1+2, 4+2, 10+2). */
  readonly code?: CodeSpec;
  /**
   * Whether the stripes (32 MiB) of a large object go to functions of their own, which brings more bandwidth, or all to the
   * same, of which fewer must be woken; absent: wide at AWS, narrow at a local Lambda service.
   */
  readonly spread?: Spread;
  /** Where this process listens; default `127.0.0.1`. The functions must reach it. */
  readonly host?: string;
  /** Other clients; functions dial the port after it. Default 0: any free ones. */
  readonly port?: number;
  /** `host:port` that functions dial, when that is not where this process listens. */
  readonly advertise?: string;
  /** Folder that keeps the object table over restarts; absent: in memory. */
  readonly stateDir?: string;
  /** The pool's secret in hex, 16 to 64 bytes; absent: drawn at random, and kept in the state folder. */
  readonly secretHex?: string;
  /** How often a function that holds data is invoked to keep it; default 60,000, 0: never. */
  readonly warmUpIntervalMs?: number;
  /** How often a function whose store changed is copied to its replica; default 300,000, 0: never. */
  readonly backupIntervalMs?: number;
  /** Bytes per second that repairs may read and store; default 64 MiB, 0: no repairs. */
  readonly repairBytesPerSecond?: number;
  /** What repairs may cost within an hour, in dollars; default 0.1. */
  readonly repairDollarsPerHour?: number;
  /** Memory in which the proxy keeps small objects (up to 64 KiB) that were read: who reads one again asks no function. Default 16 MiB, 0: none. */
  readonly hotBytes?: number;
  /** Bytes that all chunk transfers may have on their way together: more of it lets many large ones go in larger steps. Default 32 MiB. */
  readonly transferBytes?: number;
  /** How long the functions may take until each has said hello; default 60,000. */
  readonly readyMs?: number;
  /** Objects kept in this process besides, for reads of the same again; as `near` of `connect`. Absent: none. */
  readonly near?: NearOptions;
  /** The price table of the costs in `status`; default `x86`. */
  readonly pricing?: "x86" | "arm";
}

/** A proxy in this process, at work. */
export interface EmbeddedPool {
  /** A client without a socket between. Closing the pool closes it. */
  readonly cache: Cache;
  /** `host:port` for clients in other processes: `connect({ url })`. */
  readonly clientAddress: string;
  /** Nodes, objects, counters, and costs by purpose. */
  status(): ProxyStatus;
  /** Lets what is under way finish for up to ten seconds, then ends everything that was started. */
  close(): Promise<void>;
}

/**
 * Starts a pool in this process; ready when every function has said hello. It rejects with `ICACHE_INVALID` for a
 * code wider than the pool, with `ICACHE_UNREACHABLE` when functions cannot dial back within `readyMs`, and with the
 * system's error when the Lambda service or a port cannot be had.
 *
 * @example
 * const pool = await startEmbedded({ nodes: 24 });
 * await pool.cache.put("greeting", new TextEncoder().encode("hello"));
 * await pool.close();
 */
export async function startEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedPool> {
  const { code, lambda, host = "127.0.0.1", nodes = 24, stateDir = null } = options;
  if (code !== undefined) checkCode(code, nodes);
  if (options.near !== undefined) checkNear(options.near);
  const service = lambda === undefined ? await startLambdaService({ host, port: 0 }) : null;
  const url = lambda ?? service?.url ?? "";
  try {
    const pool = await openPool(
      {
        host,
        port: options.port ?? 0,
        pool: options.pool ?? "infinicache",
        nodes,
        memoryMb: options.memoryMb ?? 512,
        ...(code === undefined
          ? {}
          : { codeRules: [{ bytesBelow: Number.POSITIVE_INFINITY, code }] }),
        stateDir,
        secretHex: options.secretHex ?? "",
        warmUpIntervalMs: options.warmUpIntervalMs ?? 60_000,
        backupIntervalMs: options.backupIntervalMs ?? 300_000,
        backupSelection: "all",
        repairBytesPerSecond: options.repairBytesPerSecond ?? REPAIR_LIMITS_DEFAULT.bytesPerSecond,
        repairDollarsPerHour: options.repairDollarsPerHour ?? REPAIR_LIMITS_DEFAULT.dollarsPerHour,
        pricing: options.pricing ?? "x86",
        ...(options.spread === undefined ? {} : { spread: options.spread }),
        ...(options.hotBytes === undefined ? {} : { hotBytes: options.hotBytes }),
        ...(options.transferBytes === undefined ? {} : { transferBytes: options.transferBytes }),
        ...(options.near === undefined ? {} : { near: options.near }),
        ...(options.advertise === undefined ? {} : { advertise: options.advertise }),
      },
      url,
    );
    await greeted(pool, options.readyMs ?? READY_MS_DEFAULT);
    return {
      cache: pool.cache,
      clientAddress: pool.proxy.clientAddress,
      status: () => pool.proxy.status(),
      close: async () => {
        await pool.close();
        await service?.close();
      },
    };
  } catch (error) {
    await service?.close();
    throw error;
  }
}

async function greeted(pool: OpenPool, readyMs: number): Promise<void> {
  let late: Timer | null = null;
  const deadline = new Promise<never>((_, reject) => {
    late = new SystemClock().setTimer(readyMs, () => {
      const { greeted, count } = pool.proxy.status().nodes;
      const text = `${greeted} of ${count} functions said hello within ${readyMs} ms; they must reach ${pool.proxy.functionAddress}, or the address in "advertise"`;
      reject(new CacheError("ICACHE_UNREACHABLE", text));
    });
  });
  try {
    await Promise.race([pool.proxy.greetAll(), deadline]);
  } catch (error) {
    await pool.close();
    throw error;
  } finally {
    (late as Timer | null)?.cancel();
  }
}

function checkCode(code: CodeSpec, nodes: number): void {
  const fault = codeFault(code);
  if (fault !== null) throw new CacheError("ICACHE_INVALID", fault);
  if (chunkCount(code) <= nodes) return;
  throw new CacheError(
    "ICACHE_INVALID",
    `the code ${formatCode(code)} needs ${chunkCount(code)} nodes; the pool has ${nodes}`,
  );
}
