// The admin operations over HTTP, under /infinicache/admin/. Loopback only: they kill processes, and
// nothing authenticates the caller. Requests of web pages are refused by their Origin and Host.

import type { IncomingMessage } from "node:http";
import type { FaultSettings, InstanceSelection, LambdaAdmin } from "./admin.ts";
import { INSTANCE_POLICIES } from "./choice.ts";
import { invalidParameter, type ThrottleReason } from "./errors.ts";
import { isBandwidth, isDelay } from "./options.ts";
import type { ReclaimSpec } from "./reclaim.ts";

/** Everything below this prefix is ours, not AWS's. */
export const ADMIN_PREFIX = "/infinicache/admin/";

type Fields = Readonly<Record<string, unknown>>;
type Operation = (admin: LambdaAdmin, fields: Fields, query: URLSearchParams) => unknown;

const THROTTLE_REASONS: readonly ThrottleReason[] = [
  "ConcurrentInvocationLimitExceeded",
  "ReservedFunctionConcurrentInvocationLimitExceeded",
  "FunctionInvocationRateLimitExceeded",
  "ReservedFunctionInvocationRateLimitExceeded",
  "CallerRateLimitExceeded",
];
const RECLAIM_KINDS = ["none", "idle", "poisson", "heavy-tailed", "mass"];
/** A fault that outlives a day is a configuration. */
const FAULT_MS_MAX = 86_400_000;

/** Method and path below the prefix. */
export const ADMIN_OPERATIONS: Readonly<Record<string, Operation>> = {
  "GET instances": (admin, _fields, query) => ({
    instances: admin.instances(query.get("function")),
  }),
  "GET counters": (admin) => admin.counters(),
  "POST kill": (admin, fields) => ({ killed: admin.kill(parseSelection(fields, true)) }),
  "POST reclaim-all": (admin) => ({ killed: admin.reclaimAll() }),
  "POST freeze": (admin, fields) => ({ frozen: admin.freeze(parseSelection(fields, true)) }),
  "POST thaw": (admin, fields) => ({ thawed: admin.thaw(parseSelection(fields, false)) }),
  "POST bandwidth": (admin, fields) => {
    const bandwidth = fields["bandwidth"];
    if (!isBandwidth(bandwidth)) {
      throw invalidParameter("bandwidth must be unlimited, flat, curve-2020 or bytes per second.");
    }
    admin.setBandwidth(bandwidth, optionalText(fields, "function") ?? null);
    return { bandwidth };
  },
  "POST reclaim-model": (admin, fields) => {
    const reclaim = parseReclaim(fields);
    admin.setReclaim(reclaim);
    return { reclaim };
  },
  "POST faults": (admin, fields) => {
    const faults = parseFaults(fields);
    admin.setFaults(faults);
    return { faults };
  },
};

/** True when the request comes from this machine, by its own will. */
export function isLocalRequest(request: IncomingMessage): boolean {
  const from = request.socket.remoteAddress ?? "";
  const isLoopback = /^(::ffff:)?127\./.test(from) || from === "::1";
  const host = (request.headers.host ?? "").replace(/:\d+$/, "");
  const isNamedLocally = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(host);
  return isLoopback && isNamedLocally && request.headers.origin === undefined;
}

function parseSelection(fields: Fields, mustSelect: boolean): InstanceSelection {
  const instance = optionalText(fields, "instance");
  const functionName = optionalText(fields, "function");
  const count = fields["count"];
  if (count !== undefined && !(Number.isInteger(count) && Number(count) >= 0)) {
    throw invalidParameter("count must be a whole number from 0 on.");
  }
  if (mustSelect && instance === undefined && functionName === undefined && count === undefined) {
    throw invalidParameter("Name an instance, a function or a count.");
  }
  return {
    ...(instance === undefined ? {} : { instance }),
    ...(functionName === undefined ? {} : { function: functionName }),
    ...(count === undefined ? {} : { count: Number(count) }),
  };
}

function parseReclaim(fields: Fields): ReclaimSpec {
  const { kind } = fields;
  if (typeof kind !== "string" || !RECLAIM_KINDS.includes(kind)) {
    throw invalidParameter(`kind must be one of ${RECLAIM_KINDS.join(", ")}.`);
  }
  const isPositive = (name: string): boolean => {
    const value = fields[name];
    return value === undefined || (typeof value === "number" && value > 0);
  };
  for (const name of ["halvingS", "perInstanceHour", "everyH", "from", "to"]) {
    if (!isPositive(name)) throw invalidParameter(`${name} must be a positive number.`);
  }
  // Proof of the cast: the kind is known, and every optional member is absent or a positive number.
  return { ...fields, kind } as ReclaimSpec;
}

function parseFaults(fields: Fields): FaultSettings {
  const checks: Readonly<Record<keyof FaultSettings, (value: unknown) => boolean>> = {
    invokeOverheadMs: isDelay,
    coldStartDelayMs: isDelay,
    throttleMs: isFaultTime,
    unavailableMs: isFaultTime,
    throttleReason: (value) => THROTTLE_REASONS.some((reason) => reason === value),
    instancePolicy: (value) => INSTANCE_POLICIES.some((policy) => policy === value),
    coldProbability: (value) => typeof value === "number" && value >= 0 && value <= 1,
  };
  for (const [name, value] of Object.entries(fields)) {
    if (!(name in checks)) throw invalidParameter(`Unknown field ${name}.`);
    // Proof of the cast: `in` has just found the name among the keys.
    if (!checks[name as keyof FaultSettings](value))
      throw invalidParameter(`${name} is not valid.`);
  }
  return fields;
}

function isFaultTime(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && value <= FAULT_MS_MAX;
}

function optionalText(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || typeof value === "string") return value;
  throw invalidParameter(`${name} must be a string.`);
}
