// What a soak's clients tell the process that judges them, and the clock that all of them read: types and one function.

import type { BodyBounds } from "../../e2e/support/bytes.ts";

/** What one client does; given to it as JSON. */
export interface ClientPlan extends BodyBounds {
  readonly url: string;
  /** From 0; its bodies have numbers of their own. */
  readonly index: number;
  readonly keys: number;
  /** Milliseconds from one call's beginning to the next's, if it has ended by then. */
  readonly paceMs: number;
  readonly putShare: number;
  readonly deleteShare: number;
  readonly deadlineMs: number;
}

/** A PUT or DELETE begins. Until it is acknowledged it may or may not take effect. */
export interface Begun {
  readonly kind: "begun";
  /** Names the mutation, and the body if it is a PUT. Unique over all clients. */
  readonly mark: number;
  readonly verb: "put" | "remove";
  readonly key: string;
  readonly bytes: number;
  readonly at: number;
}

/** It was acknowledged, or has failed. */
export interface Ended {
  readonly kind: "ended";
  readonly mark: number;
  readonly at: number;
  /** Null: acknowledged. */
  readonly error: string | null;
}

/** A GET has ended. */
export interface Read {
  readonly kind: "read";
  readonly key: string;
  readonly begunAt: number;
  readonly endedAt: number;
  /** The body that came, compared in every byte; null: none, or one that nobody ever put. */
  readonly mark: number | null;
  /** How many bytes came. */
  readonly bytes: number;
  /** Chunks that were computed from others. */
  readonly reconstructed: number;
  /** Why nothing came: a reason of a miss, or `error: …`. Null: something came. */
  readonly why: string | null;
}

/** All that a client says. */
export type ClientRecord = Begun | Ended | Read;

/** Bodies of one client have numbers below this beyond the first. */
export const MARKS_EACH = 10_000_000;

/** Milliseconds of the machine's monotonic clock: the same in every process. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
