// Composes a proxy of this process: the core, the machine's clock and sockets, a durable or forgetful table. It can
// stand alone or live in an application, which then talks to it without a socket.

import { keyHash } from "../checksum/chunk-digest.ts";
import type { Access } from "../core/access.ts";
import { CODE_RULES_DEFAULT, type CodeRule, chunkCount, formatCode } from "../core/code.ts";
import { ClockEviction } from "../core/eviction.ts";
import type { BillingPolicySpec } from "../core/invocation.ts";
import { Ledger } from "../core/ledger.ts";
import { emptyTableImage, MemoryTable } from "../core/memory-table.ts";
import type { Spread } from "../core/placement.ts";
import type { FunctionPlatform, TableStore } from "../core/ports.ts";
import { breakEvenMs, PRICES } from "../core/prices.ts";
import type { ProxyStatus } from "../core/status.ts";
import { termFloor } from "../core/terms.ts";
import { NodeCrypto } from "../host/node-crypto.ts";
import { RingFile } from "../host/ring-file.ts";
import { SqliteTableStore } from "../host/sqlite-table-store.ts";
import { SystemClock } from "../host/system-clock.ts";
import { SystemRandom } from "../host/system-random.ts";
import { SystemWallClock } from "../host/system-wall-clock.ts";
import { TcpDialer } from "../host/tcp-dialer.ts";
import { listenTcp } from "../host/tcp-listener.ts";
import { ProxyCore } from "../proxy/proxy-core.ts";
import { REPAIR_LIMITS_DEFAULT } from "../proxy/repair-budget.ts";
import { RingDuty } from "../proxy/ring-duty.ts";
import { ringPeers } from "../proxy/ring-peers.ts";
import { STAY_GROWTH_MAX } from "../proxy/stay.ts";
import { chunkBudget } from "../runtime/memory.ts";
import type { Connection } from "../wire/connection.ts";
import { connectionPair } from "../wire/pair.ts";

/** What a proxy is started with. */
export interface ProxyOptions {
  /** Name of the pool; part of the node keys. */
  readonly pool: string;
  readonly nodes: number;
  /** Memory configured for each function, in MB of 2^20 bytes. */
  readonly nodeMemoryMb: number;
  readonly host: string;
  /** 0: any free one. */
  readonly clientPort: number;
  /** 0: any free one. */
  readonly functionPort: number;
  /** `host:port` that functions dial; default: the function listener. */
  readonly advertise?: string;
  /** The pool's secret, 16 bytes or more. */
  readonly secret: Uint8Array;
  /** Where the object table is kept; null: in memory only. */
  readonly stateDir: string | null;
  /** The table, opened already, instead of `stateDir`. */
  readonly store?: TableStore;
  readonly platform: FunctionPlatform;
  readonly codeRules?: readonly CodeRule[];
  readonly policy?: BillingPolicySpec;
  /** Whether the stripes (32 MiB) of one object go to nodes of their own, or all to those of the first; default `wide`. */
  readonly spread?: Spread;
  /** Default 60,000; 0: off. */
  readonly warmUpIntervalMs?: number;
  /** How often a function whose store changed is copied to its replica. Default 300,000; 0: off. */
  readonly backupIntervalMs?: number;
  /** What is worth a copy: everything (the default), or what was read since it was stored. */
  readonly backupSelection?: "all" | "hit";
  /** Bytes per second that repairs may read and store; default 64 MiB, 0: no repairs. */
  readonly repairBytesPerSecond?: number;
  /** What repairs may cost within an hour, by the ledger; default 0.1. */
  readonly repairDollarsPerHour?: number;
  /** What the proxy keeps of small objects that were read in its own memory; default 16 MiB, 0: nothing. */
  readonly hotBytes?: number;
  /** Bytes that all chunk transfers may have on their way together: more of it lets many large ones go in larger steps. Default 32 MiB. */
  readonly transferBytes?: number;
  /** The price table of the ledger; default `x86`, as functions are deployed. */
  readonly pricing?: "x86" | "arm";
  /** A file with the membership document that names this pool; absent: this proxy owns every key. */
  readonly ringFile?: string;
  /** What tokens of clients stand for; absent: everybody may do everything. */
  readonly access?: Access;
  /** What this proxy shows to those it shares the keys with. */
  readonly peerToken?: string;
}

/** A proxy at work. */
export interface RunningProxy {
  /** `host:port` for clients. */
  readonly clientAddress: string;
  /** `host:port` for functions. */
  readonly functionAddress: string;
  /** Why an earlier state could not be used and everything begins empty; null when nothing was doubtful. */
  readonly doubt: string | null;
  /** Where clients of the ring dial this proxy; null: it owns every key. */
  readonly memberAddress: string | null;
  /** A client's connection within this process. */
  connect(): Connection;
  /** Resolves with the reason when another proxy has taken over the pool: this one serves nothing more, and is to be closed. */
  readonly superseded: Promise<string>;
  /** Wakes every node once; done when each has said hello. */
  greetAll(): Promise<void>;
  status(): ProxyStatus;
  /** Takes no more work, lets operations end for up to ten seconds and functions return, closes everything. */
  close(): Promise<void>;
}

/** The shortest secret that is not to be guessed. */
const SECRET_BYTES_MIN = 16;
const WARM_UP_MS_DEFAULT = 60_000;
const BACKUP_MS_DEFAULT = 300_000;
/** After its quorum a stripe waits this long for its last chunks. */
const STRAGGLER_MS = 1_000;
/** How long operations under way may take to end when the proxy closes. */
const DRAIN_MS_MAX = 10_000;
const DRAIN_POLL_MS = 20;
/** How long functions that linger may take to return by themselves after that: without their proxy each would look for it for a second. */
const SLEEP_MS_MAX = 1_000;

/** Starts a proxy; rejects with the system's error when a port cannot be had, with RangeError for options that cannot be. */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const codeRules = options.codeRules ?? CODE_RULES_DEFAULT;
  checkOptions(options, codeRules);
  const clock = new SystemClock();
  const wallClock = new SystemWallClock();
  const random = new SystemRandom();
  const prices = PRICES[options.pricing === "arm" ? "lambda-arm" : "lambda-x86"];
  const store = options.store ?? openStore(options.stateDir, random.u32(), wallClock.now());
  const crypto = new NodeCrypto();
  const ring = options.ringFile === undefined ? null : openRing(options, options.ringFile, clock);
  const superseded = Promise.withResolvers<string>();
  const breakEven = Math.round(breakEvenMs(prices, options.nodeMemoryMb));
  const core = new ProxyCore({
    onSuperseded: superseded.resolve,
    ...(ring === null ? {} : { ring }),
    ...(options.access === undefined ? {} : { access: options.access }),
    pool: options.pool,
    nodes: options.nodes,
    nodeBudgetBytes: chunkBudget(options.nodeMemoryMb),
    secret: options.secret,
    codeRules,
    stay:
      options.policy === undefined
        ? { policy: { kind: "linger", lingerMs: breakEven }, growthMax: STAY_GROWTH_MAX }
        : { policy: options.policy, growthMax: 1 },
    warmUpIntervalMs: options.warmUpIntervalMs ?? WARM_UP_MS_DEFAULT,
    backupIntervalMs: options.backupIntervalMs ?? BACKUP_MS_DEFAULT,
    backupSelection: options.backupSelection ?? "all",
    ...(options.spread === undefined ? {} : { spread: options.spread }),
    repair: {
      bytesPerSecond: options.repairBytesPerSecond ?? REPAIR_LIMITS_DEFAULT.bytesPerSecond,
      dollarsPerHour: options.repairDollarsPerHour ?? REPAIR_LIMITS_DEFAULT.dollarsPerHour,
    },
    ...(options.hotBytes === undefined ? {} : { hotBytes: options.hotBytes }),
    ...(options.transferBytes === undefined ? {} : { transferBytes: options.transferBytes }),
    stragglerMs: STRAGGLER_MS,
    ports: {
      clock,
      wallClock,
      random,
      store,
      crypto,
      platform: options.platform,
      eviction: new ClockEviction(),
      ledger: new Ledger(prices, options.nodeMemoryMb),
      hashKey: keyHash,
    },
  });
  const { host, clientPort, functionPort } = options;
  const onWireFault = () => void core.counters.protocolFaults++;
  const functions = await listenTcp({
    host,
    port: functionPort,
    peer: "function",
    onConnection: (connection) => core.acceptFunction(connection),
    onWireFault,
  });
  const clients = await listenTcp({
    host,
    port: clientPort,
    peer: "client",
    onConnection: (connection) => core.acceptClient(connection),
    onWireFault,
  }).catch(async (error: unknown) => {
    await functions.close("the client port cannot be had");
    core.stop("the client port cannot be had");
    throw error;
  });
  core.setFunctionAddress(options.advertise ?? functions.address);
  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    core.drain();
    await cameTrue(clock, DRAIN_MS_MAX, () => core.operationsUnderWay === 0);
    await cameTrue(clock, SLEEP_MS_MAX, () => core.isDrained);
    core.stop("the proxy is closing");
    await Promise.all([
      clients.close("the proxy is closing"),
      functions.close("the proxy is closing"),
    ]);
  };
  return {
    clientAddress: clients.address,
    functionAddress: functions.address,
    doubt: core.doubt,
    memberAddress: ring?.membership?.members.find(({ id }) => id === options.pool)?.address ?? null,
    superseded: superseded.promise,
    connect: () => {
      const [near, far] = connectionPair((task) => clock.nextTurn(task), ["application", "proxy"]);
      core.acceptClient(far, true);
      return near;
    },
    greetAll: () => new Promise((resolve) => core.greetAll(resolve)),
    status: () => core.status(),
    close: () => (closing ??= close()),
  };
}

function openRing(options: ProxyOptions, path: string, clock: SystemClock): RingDuty {
  const file = new RingFile(path);
  const setTimer = (delayMs: number, fire: () => void) => clock.setTimer(delayMs, fire);
  const askEpoch = ringPeers(new TcpDialer(), new NodeCrypto(), setTimer, options.peerToken);
  return new RingDuty({ id: options.pool, clock, read: () => file.read(), askEpoch });
}

/** A table in memory begins a new generation, with a term above those of earlier proxies. */
function openStore(stateDir: string | null, generation: number, wallMs: number): TableStore {
  if (stateDir !== null) return new SqliteTableStore(stateDir);
  return new MemoryTable({ ...emptyTableImage(generation), term: termFloor(wallMs) - 1 });
}

async function cameTrue(clock: SystemClock, msMax: number, claim: () => boolean): Promise<void> {
  const until = clock.now() + msMax;
  while (!claim() && clock.now() < until) {
    await new Promise<void>((resolve) => clock.setTimer(DRAIN_POLL_MS, resolve));
  }
}

function checkOptions(options: ProxyOptions, rules: readonly CodeRule[]): void {
  if (options.secret.length < SECRET_BYTES_MIN)
    throw new RangeError(
      `the pool's secret has ${options.secret.length} bytes; ${SECRET_BYTES_MIN} are the least`,
    );
  const { hotBytes = 0, transferBytes = 0 } = options;
  for (const [name, bytes] of Object.entries({ hotBytes, transferBytes })) {
    if (Number.isSafeInteger(bytes) && bytes >= 0) continue;
    throw new RangeError(`${name} is a whole number of bytes, not ${bytes}`);
  }
  for (const { code } of rules) {
    if (chunkCount(code) <= options.nodes) continue;
    throw new RangeError(
      `a pool of ${options.nodes} nodes is too small for the code ${formatCode(code)}, which puts ${chunkCount(code)} chunks on as many nodes; use more nodes or a smaller code`,
    );
  }
}
