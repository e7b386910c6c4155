// The link of a proxy to one node, as data: its states, what can happen to it, and what it asks to be
// done. The transitions stand in link-table.ts; timers, sockets and queues stand in node-link.ts.
//
// The life of the Invoke call decides what is believed of a function; a ping never does. An *open* call
// is one whose outcome has not come.

import type { InstanceId, InvocationId } from "../core/ids.ts";
import { DETACHED_MARGIN_MS, FUNCTION_TIMEOUT_MS } from "../core/limits.ts";

/** Whether the outcome of the Invoke call is still to come, or will never be known. */
export type CallFate = "open" | "unknown";

/** An instance that answered a wake in the primary's place and is kept awake, so that a further invocation reaches another. */
export interface HeldInstance {
  readonly invocation: InvocationId;
  readonly instance: InstanceId;
  readonly call: CallFate;
  /** The provider started it for this invocation. */
  readonly isFresh: boolean;
}

/** What the proxy believes of a node. */
export type LinkState =
  /** No invocation is under way. */
  | { readonly kind: "asleep" }
  /** The last wake failed; the next one is not before `until`. */
  | { readonly kind: "backoff"; readonly attempts: number; readonly until: number }
  /** Invoked, and not yet heard of. */
  | { readonly kind: "waking"; readonly invocation: InvocationId; readonly attempts: number }
  /** Somebody else answered; invoked once more to see whether the primary lives. All that were met and still wait are `held`. */
  | {
      readonly kind: "searching";
      readonly invocation: InvocationId;
      readonly held: readonly HeldInstance[];
      readonly tries: number;
    }
  /** The instance has said hello and takes requests. It need not be the primary: see `settle` of the table. */
  | {
      readonly kind: "awake";
      readonly invocation: InvocationId;
      readonly instance: InstanceId;
      readonly call: CallFate;
      /** When a call of unknown fate has certainly ended; null while its outcome is still to come. */
      readonly endsBy: number | null;
    }
  /** As awake, but its connection is gone; it will dial again or return. */
  | {
      readonly kind: "severed";
      readonly invocation: InvocationId;
      readonly instance: InstanceId;
      readonly call: CallFate;
    }
  /** The BYE handshake is over; its Invoke is about to return. */
  | { readonly kind: "leaving"; readonly invocation: InvocationId; readonly instance: InstanceId }
  /** An invocation of unknown fate: another one before `until` might start a second instance. */
  | { readonly kind: "detached"; readonly invocation: InvocationId; readonly until: number };

/** What can happen to a link. Events that name an invocation the state does not are dropped before the table. */
export type LinkEvent =
  /** There is work for the node, or it is to be kept warm. */
  | { readonly kind: "need" }
  /** An instance has proven itself for an invocation. */
  | {
      readonly kind: "hello";
      readonly invocation: InvocationId;
      readonly instance: InstanceId;
      readonly isFresh: boolean;
    }
  /** The instance wants to return, and no request is on its way to it. */
  | { readonly kind: "bye"; readonly invocation: InvocationId }
  /** The connection over which this invocation spoke has closed. */
  | { readonly kind: "disconnected"; readonly invocation: InvocationId }
  | { readonly kind: "returned"; readonly invocation: InvocationId }
  | { readonly kind: "crashed"; readonly invocation: InvocationId }
  | {
      readonly kind: "notStarted";
      readonly invocation: InvocationId;
      readonly retryAfterMs: number | null;
    }
  | { readonly kind: "unknown"; readonly invocation: InvocationId }
  /** The time the state named has come. */
  | { readonly kind: "tick" };

/** What the shell of a link must do, in order. */
export type LinkEffect =
  | { readonly kind: "invoke"; readonly invocation: InvocationId }
  /** Keep this instance awake while the primary is looked for. */
  | { readonly kind: "hold"; readonly invocation: InvocationId; readonly forMs: number }
  | { readonly kind: "byeOk"; readonly invocation: InvocationId }
  /** End the running exchanges: they did not finish in this invocation. */
  | { readonly kind: "interrupt" }
  /** Proven: this instance and all it stored is gone. */
  | { readonly kind: "lost"; readonly instance: InstanceId }
  /** The side invocation is the link's own from now on. */
  | { readonly kind: "takeOver" }
  /** From now on this instance is the node's primary. */
  | { readonly kind: "adopt"; readonly instance: InstanceId }
  /** The waiting exchanges cannot be served now. */
  | { readonly kind: "giveUp" };

/** How far a side invocation is, as the link's table looks at it. */
export type SideFact =
  /** Nobody has spoken for it yet. */
  | { readonly stage: "invited"; readonly invocation: InvocationId }
  /** The instance takes requests. */
  | {
      readonly stage: "greeted";
      readonly invocation: InvocationId;
      readonly instance: InstanceId;
    }
  /** Its connection is gone: it dials again, or is about to return. */
  | {
      readonly stage: "severed";
      readonly invocation: InvocationId;
      readonly instance: InstanceId;
    }
  /** It takes no more requests, and is about to return. */
  | {
      readonly stage: "leaving";
      readonly invocation: InvocationId;
      readonly instance: InstanceId;
    }
  /** Nobody will say how it ended. */
  | { readonly stage: "unknown"; readonly invocation: InvocationId; readonly until: number };

/** What a transition may look at beside state and event. */
export interface LinkFacts {
  readonly now: number;
  /** The instance whose store the object table counts on; null when nothing was ever stored. */
  readonly primary: InstanceId | null;
  /** True while the primary holds chunks that somebody may read. */
  readonly isPrimaryWorthFinding: boolean;
  /** What the primary still serves although the state speaks of it no more: it lost its connection while it was held. */
  readonly primaryAtWork: InvocationId | null;
  /** When an invocation that is or may be under way was begun. */
  begunAt(invocation: InvocationId): number;
  /** How many chunks that somebody may read an instance holds. */
  chunksOf(instance: InstanceId): number;
  /** True while exchanges wait. */
  readonly isWanted: boolean;
  /** A second invocation of the node that is under way beside this one: a backup to the replica. */
  readonly side: SideFact | null;
  /** The number the next Invoke will have. */
  readonly nextInvocation: InvocationId;
  /** A jittered factor between 0.5 and 1.5 for back-off. */
  readonly jitter: number;
}

/** The next state and what to do. */
export interface LinkStep {
  readonly state: LinkState;
  readonly effects: readonly LinkEffect[];
}

/** After its beginning nobody runs an invocation any more, whatever became of it. */
export const INVOCATION_LIFE_MS = FUNCTION_TIMEOUT_MS + DETACHED_MARGIN_MS;
/** After this many wakes in a row without an answer the waiting exchanges are given up. */
export const WAKE_ATTEMPTS_MAX = 4;
/** How many further invocations look for a primary that did not answer … */
export const SEARCH_TRIES_MAX = 2;
/** … and how many while every stranger met was there before: the provider chooses among several that idle, replicas among them. */
export const SEARCH_TRIES_MAX_KNOWN = 7;
/** First back-off; doubles with each attempt. */
export const BACKOFF_MS_MIN = 50;
/** Longest back-off. */
export const BACKOFF_MS_MAX = 5_000;
/** How long a held instance is asked to stay while the primary is looked for. */
export const SEARCH_HOLD_MS = 15_000;
/** After a BYE handshake whose Invoke will never report, the instance has certainly returned by then. */
export const LEAVE_MARGIN_MS = 1_500;
/** How long a proxy with an earlier state waits before its first Invoke: the functions of the one before return within a second of its death. */
export const TAKEOVER_WAIT_MS = 1_500;
