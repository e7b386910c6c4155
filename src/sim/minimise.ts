// Makes a failing scenario smaller while it still breaks the same promise: what comes after the failure is cut off, faults
// and calls are left out by delta debugging, then what is left is made plainer. A run is deterministic but chaotic, so a
// smaller scenario is whatever still fails, not a part of the same story. It never changes the code under test.

import type { Violation } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import type { Call } from "./workload.ts";
import { runScenario } from "./world.ts";

/** The smallest scenario found, and what it breaks. */
export interface Minimised {
  readonly scenario: Scenario;
  readonly violations: readonly Violation[];
  readonly runs: number;
}

/** A smaller scenario is tried with so many worlds: what is left out changes all that chance decides after it. */
const WORLDS = 4;
/** After this much of the storm beyond the failure nothing matters any more. */
const AFTERMATH_MS = 1;

/** Null when the scenario breaks no promise. `onProgress` gets a line for each step that made it smaller. */
export function minimise(
  scenario: Scenario,
  runsMax: number,
  onProgress: (line: string) => void,
): Minimised | null {
  const first = runScenario(scenario, { violationsMax: 1 });
  const [violation] = first.violations;
  if (violation === undefined) return null;
  const search = new Search(
    { ...scenario, scripts: first.scripts },
    violation,
    runsMax,
    onProgress,
  );
  search.cutOff();
  for (let size = Number.POSITIVE_INFINITY; search.size < size && search.runsLeft > 0; ) {
    size = search.size;
    search.leaveOutFaults();
    search.leaveOutCalls();
    search.makePlainer();
  }
  return search.result();
}

/** The promise a violation is about: the sentence without its numbers. */
const kindOf = ({ what }: Violation): string =>
  (what.split("\n")[0] ?? "").replaceAll(/[0-9a-f]*\d[0-9a-f.]*/g, "#").slice(0, 60);

interface ScriptedCall {
  readonly caller: string;
  readonly call: Call;
}

class Search {
  #best: Scenario;
  #violation: Violation;
  #runs = 0;
  readonly #kind: string;
  readonly #runsMax: number;
  readonly #onProgress: (line: string) => void;

  constructor(
    scenario: Scenario,
    violation: Violation,
    runsMax: number,
    onProgress: (line: string) => void,
  ) {
    this.#best = scenario;
    this.#violation = violation;
    this.#kind = kindOf(violation);
    this.#runsMax = runsMax;
    this.#onProgress = onProgress;
  }

  get size(): number {
    return this.#best.faults.length + this.#calls().length;
  }

  get runsLeft(): number {
    return this.#runsMax - this.#runs;
  }

  result(): Minimised {
    const { violations } = runScenario(this.#best);
    return { scenario: this.#best, violations, runs: this.#runs };
  }

  /** The storm ends with the failure, if it was in the storm. */
  cutOff(): void {
    const stormMs = Math.ceil(this.#violation.atMs) + AFTERMATH_MS;
    if (stormMs >= this.#best.stormMs) return;
    const faults = this.#best.faults.filter(({ atMs }) => atMs <= this.#violation.atMs);
    this.#try({ stormMs, faults });
  }

  leaveOutFaults(): void {
    this.#leaveOut(this.#best.faults, (faults) => ({ faults }));
  }

  leaveOutCalls(): void {
    this.#leaveOut(this.#calls(), (calls) => ({ scripts: toScripts(calls) }));
  }

  /** One rule or one property of all calls after the other. */
  makePlainer(): void {
    const changes: readonly Partial<Scenario>[] = [
      { proxies: 1 },
      { hasDoors: false },
      { nearBytes: 0 },
      { hotBytes: 0 },
      { spread: "wide" },
      { lostAnswer: 0 },
      { lostRequest: 0 },
      { flipProbability: 0 },
      { lossProbability: 0 },
      { warmUpIntervalMs: 0 },
      { routing: "most-recent" },
      { delayMsMax: 0.5 },
      { budgetBytes: 16_000_000 },
      { policy: { kind: "linger", lingerMs: 10 } },
      { code: { dataChunks: 2, parityChunks: 1 } },
      { nodes: 6 },
      this.#eachPut((put) => ({ ...put, code: null })),
      this.#eachPut((put) => ({ ...put, ttlMs: 0 })),
      this.#eachPut((put) => ({ ...put, stripeBytes: Math.max(1, put.bytes) })),
      this.#eachPut((put) => ({ ...put, bytes: 100, stripeBytes: 100 })),
    ];
    for (const change of changes) this.#try(change);
  }

  /** Delta debugging: leaves out ever smaller pieces as long as that fails all the same. */
  #leaveOut<Item>(
    items: readonly Item[],
    toChange: (items: readonly Item[]) => Partial<Scenario>,
  ): void {
    let kept = items;
    if (this.#try(toChange([]))) return;
    for (let piece = Math.ceil(kept.length / 2); piece >= 1; ) {
      let hasShrunk = false;
      for (let from = 0; from < kept.length; ) {
        const rest = [...kept.slice(0, from), ...kept.slice(from + piece)];
        if (this.#try(toChange(rest))) {
          kept = rest;
          hasShrunk = true;
        } else from += piece;
      }
      if (piece === 1 && !hasShrunk) return;
      piece = piece === 1 ? 1 : Math.ceil(piece / 2);
    }
  }

  /** Keeps the change if the same promise is still broken. */
  #try(change: Partial<Scenario>): boolean {
    const scenario = { ...this.#best, ...change };
    if (JSON.stringify(scenario) === JSON.stringify(this.#best)) return false;
    for (let world = 0; world < WORLDS && this.runsLeft > 0; world++)
      if (this.#fails({ ...scenario, seed: scenario.seed + world })) return true;
    return false;
  }

  #fails(scenario: Scenario): boolean {
    this.#runs++;
    const [violation] = runScenario(scenario, { violationsMax: 1 }).violations;
    if (violation === undefined || kindOf(violation) !== this.#kind) return false;
    this.#best = scenario;
    this.#violation = violation;
    const { faults, stormMs } = scenario;
    this.#onProgress(
      `run ${this.#runs}: ${faults.length} faults, ${this.#calls().length} calls, storm of ${stormMs} ms: ${violation.what.slice(0, 100)}`,
    );
    return true;
  }

  #calls(): ScriptedCall[] {
    return Object.entries(this.#best.scripts ?? {}).flatMap(([caller, calls]) =>
      calls.map((call) => ({ caller, call })),
    );
  }

  #eachPut(change: (put: Extract<Call, { kind: "put" }>) => Call): Partial<Scenario> {
    const calls = this.#calls().map(({ caller, call }) => ({
      caller,
      call: call.kind === "put" ? change(call) : call,
    }));
    return { scripts: toScripts(calls) };
  }
}

function toScripts(calls: readonly ScriptedCall[]): Record<string, Call[]> {
  const scripts: Record<string, Call[]> = {};
  for (const { caller, call } of calls) {
    const script = scripts[caller] ?? [];
    script.push(call);
    scripts[caller] = script;
  }
  return scripts;
}
