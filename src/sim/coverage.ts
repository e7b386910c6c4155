// What happened in a run, counted by name: faults that hit something, and paths of the production code that were taken. A
// fault that never hits and a path that is never taken prove nothing, so those that are known must all be seen.

import { createCounters } from "../proxy/counters.ts";
import { FAULT_KINDS } from "./scenario.ts";

/** See the header. */
export class Coverage {
  readonly #counts = new Map<string, number>();

  note(name: string, count = 1): void {
    if (count > 0) this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
  }

  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}

/** Counters that nothing in a world may move: nobody forges, and nobody breaks a protocol. */
const NEVER = new Set(["forgeries", "protocolFaults"]);

/** Everything that enough seeds must have seen. */
export const TO_COVER: readonly string[] = [
  ...FAULT_KINDS.map((kind) => `fault: ${kind}`),
  "fault: bit flipped on the way",
  "fault: rest of a body sent again",
  "fault: body torn",
  "fault: answer of an Invoke lost",
  "fault: Invoke lost",
  ...["most-recent", "least-recent", "random", "cold"].map((routing) => `routing: ${routing}`),
  "world: no trouble",
  "world: several proxies",
  ...Object.keys(createCounters())
    .filter((name) => !NEVER.has(name))
    .map((name) => `proxy: ${name}`),
  "proxy: superseded",
  "client: operation begun anew",
  "client: ICACHE_SUPERSEDED",
  "client: hit after a failover",
  "client: what was kept is current",
  "client: what was kept is superseded",
  "client: ICACHE_UNREACHABLE",
  "client: ICACHE_DEADLINE",
  "client: ICACHE_OUTCOME_UNKNOWN",
  "client: ICACHE_POOL_FULL",
];

/** Many runs together: in how many of them each thing was seen, and how often. */
export class CoverageTable {
  readonly #rows = new Map<string, { runs: number; count: number }>(
    TO_COVER.map((name) => [name, { runs: 0, count: 0 }]),
  );

  add(counts: Readonly<Record<string, number>>): void {
    for (const [name, count] of Object.entries(counts)) {
      const row = this.#rows.get(name) ?? { runs: 0, count: 0 };
      row.runs += 1;
      row.count += count;
      this.#rows.set(name, row);
    }
  }

  /** What should have been seen, and was not. */
  get holes(): string[] {
    return TO_COVER.filter((name) => this.#rows.get(name)?.runs === 0);
  }

  /** Name, runs, times. */
  rows(): [name: string, runs: number, count: number][] {
    return [...this.#rows].map(([name, { runs, count }]) => [name, runs, count]);
  }
}
