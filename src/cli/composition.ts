// What the commands need from the rest of the system, as an interface: the composition roots of src/entry hand it
// in, each part loaded only when a command asks for it. Types only.

import type { Cache, NearOptions } from "../client/api.ts";
import type { Access } from "../core/access.ts";
import type { CodeRule } from "../core/code.ts";
import type { BillingPolicySpec } from "../core/invocation.ts";
import type { Spread } from "../core/placement.ts";
import type { ProxyStatus } from "../core/status.ts";

/** The addresses of a running pool, as `up --json` prints them. */
export interface Addresses {
  /** host:port for clients. */
  readonly client: string;
  /** host:port that functions dial. */
  readonly functions: string;
  /** URL of the Lambda service. */
  readonly lambda: string;
  readonly resp: string;
  /** URL of the HTTP door. */
  readonly http: string;
}

/** Options of a local Lambda service. */
export interface LambdaOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly seed: number;
  readonly reclaim: "none" | "idle" | "poisson";
  readonly freeze: "stop" | "forwarder";
}

/** What stands behind the doors. */
export interface OriginOptions {
  /** dir:PATH or s3://BUCKET/PREFIX. */
  readonly url: string;
  /** Of a store that speaks like S3; empty: what the environment says, or AWS. */
  readonly endpoint: string;
  readonly mode: "read-through" | "write-through" | "write-behind";
  /** Of write-behind. */
  readonly journal: { readonly folder: string; readonly bytesMax: number };
  readonly absentMs: number;
}

/** Options of a pool: its proxy, its functions at a Lambda service, and its doors. */
export interface PoolOptions {
  readonly host: string;
  /** Clients; functions, RESP and HTTP take the next three. 0: any free ones. */
  readonly port: number;
  readonly pool: string;
  readonly nodes: number;
  readonly memoryMb: number;
  /** Absent: the default rules. */
  readonly codeRules?: readonly CodeRule[];
  /** Null: the table is kept in memory only. */
  readonly stateDir: string | null;
  /** A file with the membership document; absent: this proxy owns every key. */
  readonly ringFile?: string;
  /** What tokens stand for; absent: everybody may do everything. */
  readonly access?: Access;
  /** What the proxy shows to those it shares the keys with. */
  readonly peerToken?: string;
  /** A near cache of the pool's own client. Absent: none, as for the doors, whose readers would each pay for a copy. */
  readonly near?: NearOptions;
  /** Hex; empty: drawn at random, and kept in the state folder when there is one. */
  readonly secretHex: string;
  /** Absent: linger as long as costs one invoke fee, longer where requests keep coming. */
  readonly policy?: BillingPolicySpec;
  /** Absent: wide at AWS, narrow at a local Lambda service. */
  readonly spread?: Spread;
  readonly warmUpIntervalMs: number;
  readonly backupIntervalMs: number;
  readonly backupSelection: "all" | "hit";
  /** 0: no repairs. */
  readonly repairBytesPerSecond: number;
  readonly repairDollarsPerHour: number;
  /** What the proxy keeps of small objects in its own memory; absent: 16 MiB, 0: nothing. */
  readonly hotBytes?: number;
  /** What all chunk transfers may have on their way together; absent: 32 MiB. */
  readonly transferBytes?: number;
  readonly pricing: "x86" | "arm";
  /** host:port that functions dial instead of the listener's. */
  readonly advertise?: string;
  /** Absent: nothing stands behind the doors. */
  readonly origin?: OriginOptions;
  /** Called when all that is left is to wait for the functions; `greeted` tells how many have said hello. */
  readonly onGreeting?: (greeted: () => number) => void;
}

/** A local Lambda service that runs. */
export interface RunningLambda {
  readonly url: string;
  close(): Promise<void>;
}

/** A pool that runs: every function has said hello once. */
export interface RunningPool {
  readonly addresses: Addresses;
  /** Why an earlier state could not be used and everything begins empty; null when nothing was doubtful. */
  readonly doubt: string | null;
  /** Resolves with the reason when another proxy has taken over: nothing is served any more. */
  readonly superseded: Promise<string>;
  /** A client in this process, without a socket between. Closing the pool closes it. */
  readonly cache: Cache;
  status(): ProxyStatus;
  /** Stops taking work, lets what is under way finish, then ends everything it started. */
  close(): Promise<void>;
}

/** The roots, as src/entry provides them. */
export interface Composition {
  connect(url: string, token: string): Promise<Cache>;
  startLambda(options: LambdaOptions): Promise<RunningLambda>;
  /** The proxy and its doors, with functions at the Lambda service `lambdaUrl`. */
  startPool(options: PoolOptions, lambdaUrl: string): Promise<RunningPool>;
  /** All of it in this process. */
  startLocal(
    options: PoolOptions & Pick<LambdaOptions, "seed" | "reclaim" | "freeze">,
  ): Promise<RunningPool>;
}
