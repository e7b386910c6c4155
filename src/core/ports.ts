// The outside world as the cores see it: interfaces only. Implementations: src/host/ and src/platform/
// for real ones, src/sim/ for virtual ones. Everything here is synchronous; what takes time answers
// through a callback, always in a later turn.

import type { NodeIndex } from "./ids.ts";

/** A timer that was set; cancelling one that has fired or was cancelled does nothing. */
export interface Timer {
  cancel(): void;
}

/** Monotonic time of this process, and timers on it. */
export interface Clock {
  /** Milliseconds since an arbitrary start, with fractions; never goes back. */
  now(): number;
  /** Calls `fire` once, `delayMs` or more from now, never within this call. */
  setTimer(delayMs: number, fire: () => void): Timer;
  /** Calls `act` after the input that is already waiting has been handled: what an overdue timer must do first after a thaw. */
  afterInput(act: () => void): void;
}

/** Time of day in milliseconds since 1970. It never goes back: after a backward jump it stands still. */
export interface WallClock {
  now(): number;
}

/** Chance, not for secrets. */
export interface Random {
  /** A uniform integer in [0, 2^32). */
  u32(): number;
  /** A uniform integer in [0, bound), 1 <= bound <= 2^32. */
  below(bound: number): number;
}

/** Secrets and proofs. */
export interface Crypto {
  /** Fresh unpredictable bytes. */
  randomBytes(count: number): Uint8Array;
  /** 32 bytes. */
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array;
  /** Compares in constant time; unequal lengths are unequal. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
}

/** What an invocation is for; every billed millisecond belongs to one of these. */
export type Purpose = "serve" | "warm-up" | "backup" | "repair" | "recover";

/** What the provider reported of one invocation (the REPORT line). */
export interface BillingReport {
  readonly durationMs: number;
  readonly billedMs: number;
  readonly memoryMb: number;
  readonly maxMemoryMb: number;
  /** Only when the invocation started a new environment. */
  readonly initMs: number | null;
}

/** How an Invoke ended. `unknown` is everything that proves neither that it ran nor that it did not. */
export type InvokeOutcome =
  | {
      readonly kind: "notStarted";
      readonly reason: string;
      readonly isThrottle: boolean;
      readonly retryAfterMs: number | null;
    }
  | { readonly kind: "returned"; readonly payload: string; readonly report: BillingReport | null }
  | {
      readonly kind: "crashed";
      readonly errorType: string;
      readonly message: string;
      readonly report: BillingReport | null;
    }
  | { readonly kind: "unknown"; readonly message: string };

/** Invokes the functions of a pool. */
export interface FunctionPlatform {
  /**
   * Invokes the function of `node` synchronously (RequestResponse) with a JSON payload of at most
   * 6 MB; `done` is called exactly once, in a later turn. It never throws.
   */
  invoke(node: NodeIndex, payload: string, done: (outcome: InvokeOutcome) => void): void;
  /** Gives up sockets; running invocations end as `unknown`. */
  close(): void;
}

/** Where one chunk lies: which node, and which instance held it when it was confirmed. */
export interface StoredPlace {
  readonly node: number;
  /** Hex, 32 characters; empty when the chunk was never confirmed (a straggler still to be repaired). */
  readonly instance: string;
}

/** One committed object version as the durable table keeps it. */
export interface StoredObject {
  readonly key: string;
  readonly version: number;
  readonly bytes: number;
  readonly dataChunks: number;
  readonly parityChunks: number;
  readonly stripeCount: number;
  readonly stripeBytes: number;
  readonly lastStripeBytes: number;
  readonly createdAtMs: number;
  /** 0: never. */
  readonly expiresAtMs: number;
  readonly metadata: readonly (readonly [name: string, value: string])[];
  /** Stripe after stripe, d+p places each. */
  readonly places: readonly StoredPlace[];
}

/** A durable change of the object table. */
export type TableChange =
  | { readonly kind: "put"; readonly object: StoredObject }
  | { readonly kind: "remove"; readonly key: string }
  /** Versions below this may have been handed out: a restart begins here. */
  | { readonly kind: "reserveVersions"; readonly below: number }
  | { readonly kind: "ring"; readonly mark: RingMark }
  /** What a client's change came to, recorded together with its effect: a retry after a restart is answered by it. */
  | { readonly kind: "outcome"; readonly outcome: StoredOutcome }
  | { readonly kind: "replica"; readonly replica: StoredReplica };

/** A change that took effect, by the name its client gave it. A store keeps the last RETRY_OUTCOMES_MAX of them. */
export interface StoredOutcome {
  /** Hex, 32 characters. */
  readonly clientId: string;
  readonly sequence: number;
  readonly change: "put" | "remove" | "clear";
  /** The version stored, 1 for what existed and was removed, or how many were cleared. */
  readonly value: number;
}

/** Which instance of a node holds copies, as far as is known after its last backup. */
export interface StoredReplica {
  readonly node: number;
  /** Hex, 32 characters; empty: none any more. */
  readonly instance: string;
  /** It was offered all the node's chunks of lower versions. What it has of them it says itself when it is next awake. */
  readonly below: number;
}

/** By which membership document the table was served last. */
export interface RingMark {
  /** 0: by none. */
  readonly epoch: number;
  /** All others had come to that number. */
  readonly isSettled: boolean;
}

/** What a store held when it was opened. */
export interface LoadedTable {
  readonly generation: number;
  /** Already one above the last one used, and recorded so. */
  readonly term: number;
  /** The first version that was certainly never handed out. */
  readonly nextVersion: number;
  /** Why the state could not be used and a new generation began; null when it was used or there was none. */
  readonly doubt: string | null;
  /** Absent: never by a ring. */
  readonly ring?: RingMark;
  readonly objects: readonly StoredObject[];
  /** The oldest first. */
  readonly outcomes: readonly StoredOutcome[];
  readonly replicas: readonly StoredReplica[];
}

/** Keeps the object table across restarts of the proxy. One process has it open at a time. */
export interface TableStore {
  /** Called once, first. */
  load(): LoadedTable;
  /** All changes or none, durable against the death of the process when this returns. */
  commit(changes: readonly TableChange[]): void;
  close(): void;
}
