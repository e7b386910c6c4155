// The acceptance claim about kills, as one run: clients put and get while random instances are killed, and every
// start of an instance must be explained by a death. Used for seconds by the tests and for minutes by `npm run soak`.

import type { ProxyStatus } from "../../../src/core/status.ts";
import { connect } from "../../../src/entry/library.ts";
import { History } from "./history.ts";
import { LambdaAdmin } from "./lambda-admin.ts";
import { type LoadCounts, type Scope, startLoad } from "./load.ts";
import { type Serving, serve } from "./processes.ts";

/** Sizes of a run. */
export interface KillPlan {
  readonly seconds: number;
  readonly clients: number;
  readonly nodes: number;
  readonly memoryMb: number;
}

/** What was seen. */
export interface KillReport {
  readonly load: LoadCounts;
  /** Wrong bytes, and reads that break the order of a register. */
  readonly faults: readonly string[];
  /** Starts of instances that nothing explains. */
  readonly unexplained: readonly string[];
  readonly invocations: number;
  readonly instancesStarted: number;
  readonly reclaims: number;
  readonly searches: number;
  readonly instancesLost: number;
  readonly resends: number;
  /** What the command wrote to its standard error. */
  readonly notes: string;
}

const KILL_EVERY_MS = 1_000;
const LOOK_EVERY_MS = 100;

/** Runs `up`, the load and the kills. */
export async function runKills(plan: KillPlan): Promise<KillReport> {
  const { nodes, memoryMb } = plan;
  const args = ["--nodes", String(nodes), "--memory", String(memoryMb), "--code", "10+2"];
  const up = await serve(["up", "--port", "0", ...args]);
  const ends = [() => up.kill()];
  try {
    return await runAgainst(up, plan, { after: (end) => void ends.unshift(end) });
  } finally {
    for (const end of ends) await end();
  }
}

async function runAgainst(up: Serving, plan: KillPlan, scope: Scope): Promise<KillReport> {
  const admin = new LambdaAdmin(up.ready.lambda);
  const witness = new Witness(await admin.instances());
  const history = new History();
  const url = up.ready.client;
  const bounds = { bytesMin: 1_000_000, bytesMax: 20_000_000 };
  const load = startLoad(scope, { url, clients: plan.clients, keys: 40, ...bounds }, history);
  const endsAt = performance.now() + plan.seconds * 1_000;
  let killAt = performance.now() + KILL_EVERY_MS;
  while (performance.now() < endsAt) {
    await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
    witness.look(await admin.instances());
    if (performance.now() < killAt) continue;
    killAt += KILL_EVERY_MS;
    for (const id of await admin.kill({ count: 1 })) witness.killed(id);
  }
  await load.stop();
  witness.look(await admin.instances());
  const { invocations, instancesStarted, reclaims } = await admin.counters();
  const { searches, instancesLost, resends } = (await statusOf(url)).counters;
  return {
    load: load.counts,
    faults: history.judge(),
    unexplained: witness.unexplained,
    ...{ invocations, instancesStarted, reclaims, searches, instancesLost, resends },
    notes: up.errors(),
  };
}

async function statusOf(url: string): Promise<ProxyStatus> {
  const cache = connect({ url });
  try {
    // The proxy is of this package, and reports as core/status.ts says.
    return (await cache.status()) as ProxyStatus;
  } finally {
    await cache.close();
  }
}

/**
 * Watches which instances each function has. While a function's first instance lives no other may start: nobody had a
 * reason. Once it was killed, a wake starts one stranger, and looking for the lost one up to `SEARCH_TRIES_MAX` more.
 */
class Witness {
  readonly unexplained: string[] = [];
  readonly #first = new Map<string, string>();
  readonly #dead = new Set<string>();
  readonly #seen = new Set<string>();

  constructor(atStart: readonly { readonly function: string; readonly id: string }[]) {
    for (const { function: name, id } of atStart) {
      if (this.#first.has(name)) this.unexplained.push(`${name} began with a second instance`);
      this.#first.set(name, id);
      this.#seen.add(id);
    }
  }

  killed(id: string): void {
    this.#dead.add(id);
  }

  look(rows: readonly { readonly function: string; readonly id: string }[]): void {
    for (const { function: name, id } of rows) {
      if (this.#seen.has(id)) continue;
      this.#seen.add(id);
      const first = this.#first.get(name) ?? "";
      if (!this.#dead.has(first))
        this.unexplained.push(`${name} has ${id} beside its living ${first}`);
    }
  }
}
