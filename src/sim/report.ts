// What a run of a simulated world came to, and how one may look at it.

import type { Call } from "./workload.ts";

/** A promise that was broken. */
export interface Violation {
  readonly atMs: number;
  readonly what: string;
}

/** What a run came to. */
export interface RunReport {
  readonly violations: readonly Violation[];
  readonly events: number;
  readonly virtualMs: number;
  readonly operations: number;
  readonly hits: number;
  readonly misses: number;
  readonly instances: number;
  /** What happened, by name: see coverage.ts. */
  readonly coverage: Readonly<Record<string, number>>;
  /** Of everything that was traced, in order: equal for two runs of one seed. */
  readonly fingerprint: number;
  /** What the callers did, as a scenario can have them do it again. */
  readonly scripts: Readonly<Record<string, readonly Call[]>>;
}

/** How a run is looked at; it changes nothing of the run but how soon it ends. */
export interface RunOptions {
  /** Gets a line for each operation and fault. */
  readonly onTrace?: (line: string) => void;
  /** The run ends with so many; by default with the twentieth. */
  readonly violationsMax?: number;
}
