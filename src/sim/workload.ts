// What callers of a simulated client do: one operation after the other on a few keys, with pauses; drawn by chance, or
// as a script says. A call is plain JSON, so that a failing run can be written down and made smaller.

import type { CodeSpec } from "../core/code.ts";
import { DIRECT_CHUNK_BYTES_MIN } from "../core/direct.ts";
import type { Habit, Scenario } from "./scenario.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { Ended, SimClient } from "./sim-client.ts";

interface CallBase {
  /** How long the caller waits before it. */
  readonly pauseMs: number;
  /** When it begins, if the call before has ended by then; then there is no pause. So a call left out delays no other. */
  readonly atMs?: number;
  readonly deadlineMs: number;
  readonly key: number;
}

/** One operation. */
export type Call =
  | (CallBase & {
      readonly kind: "put";
      readonly bytes: number;
      readonly stripeBytes: number;
      readonly code: CodeSpec | null;
      readonly ttlMs: number;
      readonly ifAbsent: boolean;
    })
  | (CallBase & {
      readonly kind: "get";
      readonly start: number;
      readonly end: number;
      readonly wantAll: boolean;
    })
  | (CallBase & { readonly kind: "stat" | "remove" })
  /** Of all keys. */
  | (CallBase & { readonly kind: "list" });

/** The name of a key; none of one prefix begins with another. */
export const keyOf = (index: number, prefix: string = KEYS): string => `${prefix}${index}`;

/** What the names of keys begin with. */
export const KEYS = "key-";

/** Where a caller has its calls from, and who is told when one begins. */
export interface CallSource {
  next(): Call | null;
  onBegun(call: Call): void;
}

/** Keeps a client busy with one call after the other until there is none, or `mayGoOn` says no. */
export function callAgainAndAgain(
  client: SimClient,
  source: CallSource,
  mayGoOn: () => boolean,
): void {
  const { clock } = client.machine;
  const next = (): void => {
    const call = mayGoOn() ? source.next() : null;
    if (call === null) return;
    const { pauseMs, atMs } = call;
    clock.setTimer(atMs === undefined ? pauseMs : Math.max(0, atMs - clock.now()), () => {
      if (!mayGoOn()) return;
      source.onBegun({ ...call, atMs: clock.now() });
      perform(client, call, next);
    });
  };
  next();
}

function perform(client: SimClient, call: Call, ended: (how: Ended) => void): void {
  const key = keyOf(call.key, client.keys);
  const { deadlineMs } = call;
  switch (call.kind) {
    case "put":
      return client.put(key, call.bytes, call.stripeBytes, call.code, call, ended);
    case "get":
      return client.get(key, call, call.wantAll, deadlineMs, ended);
    case "stat":
      return client.stat(key, deadlineMs, ended);
    case "remove":
      return client.remove(key, deadlineMs, ended);
    case "list":
      return client.list(client.keys, deadlineMs, ended);
  }
}

/** Shares of operations in percent; what is left over are GETs. */
const SHARES: Readonly<
  Record<
    Habit,
    {
      readonly put: number;
      readonly stat: number;
      readonly remove: number;
      readonly list: number;
      /** Of the PUTs. */
      readonly ifAbsent: number;
      readonly ttl: number;
    }
  >
> = {
  mixed: { put: 35, stat: 6, remove: 7, list: 2, ifAbsent: 10, ttl: 15 },
  races: { put: 45, stat: 5, remove: 15, list: 2, ifAbsent: 70, ttl: 10 },
  reads: { put: 6, stat: 2, remove: 2, list: 1, ifAbsent: 10, ttl: 10 },
  removals: { put: 30, stat: 5, remove: 20, list: 5, ifAbsent: 10, ttl: 50 },
};

/** One call by chance. */
export function drawCall(scenario: Scenario, random: SeededRandom): Call {
  const shares = SHARES[scenario.habit];
  const common = {
    pauseMs: Math.round(100 * random.exponential(scenario.pauseMs)) / 100,
    deadlineMs: random.pick([500, 5_000, 20_000, 20_000]),
    key: random.below(scenario.keys),
  };
  let choice = random.below(100);
  const falls = (share: number): boolean => {
    choice -= share;
    return choice < 0;
  };
  if (falls(shares.put)) {
    const isLarge = scenario.hasDoors && random.chance(0.1);
    const isHot = scenario.habit === "reads" && random.chance(0.8);
    const usual = USUAL_BYTES[isHot ? 0 : common.key % 3] ?? 0;
    const drawn = isHot || random.chance(0.5) ? usual : drawBytes(random);
    const bytes = isLarge ? DIRECT_CHUNK_BYTES_MIN * (1 + random.below(8)) : drawn;
    return {
      kind: "put",
      ...common,
      bytes,
      stripeBytes: Math.max(1, Math.ceil(bytes / random.pick([1, 1, 1, 2, 3, 7]))),
      code: random.chance(0.1)
        ? { dataChunks: 1 + random.below(3), parityChunks: random.below(3) }
        : null,
      ttlMs: random.chance(shares.ttl / 100) ? 1 + random.below(10_000) : 0,
      ifAbsent: random.chance(shares.ifAbsent / 100),
    };
  }
  if (falls(shares.stat)) return { kind: "stat", ...common };
  if (falls(shares.remove)) return { kind: "remove", ...common };
  if (falls(shares.list)) return { kind: "list", ...common };
  return { kind: "get", ...common, ...drawRange(random), wantAll: random.chance(0.2) };
}

/** Versions of a key are often equally long: else every mix of two would show by its length alone. */
const USUAL_BYTES = [100, 5_000, 30_000];

/** Mostly small, since bytes cost real time and small objects meet the same transitions; a few of several parts. */
function drawBytes(random: SeededRandom): number {
  const choice = random.below(100);
  if (choice < 5) return random.below(3);
  if (choice < 60) return 1 + random.below(6_000);
  if (choice < 96) return 1 + random.below(100_000);
  return 1 + random.below(3_500_000);
}

function drawRange(random: SeededRandom): { readonly start: number; readonly end: number } {
  if (random.chance(0.8)) return { start: 0, end: Number.MAX_SAFE_INTEGER };
  const start = random.below(5_000);
  return { start, end: start + 1 + random.below(20_000) };
}
