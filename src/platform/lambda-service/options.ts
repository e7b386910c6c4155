// Configuration of the local Lambda service: names, units, defaults. All problems are reported
// together; nothing else in this folder looks at raw options or the environment.

import { availableParallelism } from "node:os";
import type { Bandwidth } from "./bandwidth.ts";
import type { BillingMode } from "./billing.ts";
import { INSTANCE_POLICIES, type InstancePolicy } from "./choice.ts";
import { RECURSION_MAX } from "./lineage.ts";
import type { ReclaimSpec } from "./reclaim.ts";

/** What `startLambdaService` may be told; every member has a default. */
export interface LambdaServiceOptions {
  /** Address to listen on. Default 127.0.0.1: there is no authentication worth the name. */
  readonly host?: string;
  /** Port of the API; default 0, any free one. */
  readonly port?: number;
  readonly region?: string;
  /** Twelve digits, for ARNs. */
  readonly accountId?: string;
  /** Seed of every choice the service makes (which instance, who is reclaimed). Default 1. */
  readonly seed?: number;
  /** How many instances may be between spawn and their first poll at the same time. Default 2 × CPUs. */
  readonly spawnConcurrency?: number;
  /** Invocations at the same time over all functions. Default 1,000, as on AWS. */
  readonly accountConcurrency?: number;
  readonly instancePolicy?: InstancePolicy;
  /** For the policy `cold`. Default 0.1. */
  readonly coldProbability?: number;
  /** `stop`: SIGSTOP. `forwarder`: also the instance's connections pass a forwarder that stops with it. */
  readonly freezeMode?: "stop" | "forwarder";
  /** With `forwarder` only. Default `flat`. */
  readonly bandwidth?: Bandwidth;
  /** With `forwarder`: connections of a reclaimed instance are closed, or left half-open as on AWS. */
  readonly deadConnections?: "close" | "half-open";
  readonly billing?: BillingMode;
  readonly reclaim?: ReclaimSpec;
  /** Added before each invocation is handed to its instance. Default 0. */
  readonly invokeOverheadMs?: number;
  /** Added before each spawn, outside of INIT. Default 0. */
  readonly coldStartDelayMs?: number;
  /** INIT must end within this; default 10 s as on AWS. */
  readonly initTimeoutMs?: number;
  /** Waits before the second and third try of a failed Event invocation. Default one and two minutes. */
  readonly eventRetryMs?: readonly number[];
  /** Event invocations that wait at most; the next is refused with 429. Default 1,000. */
  readonly eventQueueMax?: number;
  /** A process whose resident set passes the function's memory is killed. Default true. */
  readonly enforceMemory?: boolean;
  /** Requests must carry a well-formed SigV4 Authorization header. Default false; nothing is verified. */
  readonly requireSigV4?: boolean;
  /** Refuse a function that stands this often in its own chain of invocations. Default 16. */
  readonly recursionMax?: number;
  /** Extra Node flags of instances. */
  readonly nodeFlags?: readonly string[];
  /** Receives each line that functions and the service log. Default: dropped. */
  readonly onLog?: (functionName: string, line: string) => void;
}

/** Options with defaults filled in; frozen. */
export type ResolvedOptions = Readonly<Required<LambdaServiceOptions>>;

/** The options are contradictory or out of range; `problems` lists all of it. */
export class LambdaServiceOptionsError extends Error {
  override readonly name = "LambdaServiceOptionsError";
  readonly code = "ICACHE_LAMBDA_SERVICE_OPTIONS";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`Options of the local Lambda service: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

/** Fills in defaults and checks ranges. */
export function resolveOptions(options: LambdaServiceOptions): ResolvedOptions {
  const resolved: ResolvedOptions = {
    host: "127.0.0.1",
    port: 0,
    region: "us-east-1",
    accountId: "000000000000",
    seed: 1,
    spawnConcurrency: 2 * availableParallelism(),
    accountConcurrency: 1000,
    instancePolicy: "most-recent",
    coldProbability: 0.1,
    freezeMode: "stop",
    bandwidth: "flat",
    deadConnections: "close",
    billing: "1ms",
    reclaim: { kind: "none" },
    invokeOverheadMs: 0,
    coldStartDelayMs: 0,
    initTimeoutMs: 10_000,
    eventRetryMs: [60_000, 120_000],
    eventQueueMax: 1000,
    enforceMemory: true,
    requireSigV4: false,
    recursionMax: RECURSION_MAX,
    nodeFlags: [],
    onLog: () => {},
    ...options,
  };
  const problems = findProblems(resolved);
  if (problems.length > 0) throw new LambdaServiceOptionsError(problems);
  return Object.freeze(resolved);
}

function findProblems(options: ResolvedOptions): string[] {
  const problems: string[] = [];
  const check = (isRight: boolean, problem: string): void => {
    if (!isRight) problems.push(problem);
  };
  const isCount = (value: number, min: number, max: number): boolean =>
    Number.isInteger(value) && value >= min && value <= max;
  check(isCount(options.port, 0, 65_535), "port must be 0..65535");
  check(/^\d{12}$/.test(options.accountId), "accountId must be 12 digits");
  check(isCount(options.spawnConcurrency, 1, 256), "spawnConcurrency must be 1..256");
  check(isCount(options.accountConcurrency, 1, 100_000), "accountConcurrency must be 1..100000");
  check(INSTANCE_POLICIES.includes(options.instancePolicy), "instancePolicy is unknown");
  check(
    options.coldProbability >= 0 && options.coldProbability <= 1,
    "coldProbability must be 0..1",
  );
  check(isBandwidth(options.bandwidth), "bandwidth must be a name or a positive number");
  check(isDelay(options.invokeOverheadMs), "invokeOverheadMs must be 0..900000");
  check(isDelay(options.coldStartDelayMs), "coldStartDelayMs must be 0..900000");
  check(isCount(options.initTimeoutMs, 1, 900_000), "initTimeoutMs must be 1..900000");
  check(isCount(options.eventQueueMax, 0, 100_000), "eventQueueMax must be 0..100000");
  check(isCount(options.recursionMax, 1, 1000), "recursionMax must be 1..1000");
  return problems;
}

/** True for a delay the service accepts. */
export function isDelay(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= 900_000;
}

/** True for a bandwidth the service accepts. */
export function isBandwidth(value: unknown): value is Bandwidth {
  if (typeof value === "number") return value >= 1 && Number.isFinite(value);
  return value === "unlimited" || value === "flat" || value === "curve-2020";
}
