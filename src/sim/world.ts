// One simulated world: provider, network, proxy, clients, storm and judges put together from a scenario, and run to its
// end: storm, calm, then every key must work again, and nothing may be left over. Everything in it is production code
// but the machines, the network and the provider.

import { keyHash } from "../checksum/chunk-digest.ts";
import type { Repairer } from "../client/repairer.ts";
import { quorum } from "../core/code.ts";
import { ClockEviction } from "../core/eviction.ts";
import { nodeKey } from "../core/invocation.ts";
import { Ledger } from "../core/ledger.ts";
import { emptyTableImage, MemoryTable, type TableImage } from "../core/memory-table.ts";
import type { TableStore } from "../core/ports.ts";
import { PRICES } from "../core/prices.ts";
import { ProxyCore } from "../proxy/proxy-core.ts";
import {
  BillWitness,
  judgeAccounts,
  judgeCalm,
  judgeCommit,
  judgeCopies,
  judgeInvoke,
  judgeOrphans,
  judgePlaces,
  judgeWhole,
} from "./checkers.ts";
import { type FaultTargets, scheduleFaults, stopFaults } from "./faults.ts";
import { History } from "./history.ts";
import { Machine } from "./machine.ts";
import { Network } from "./network.ts";
import { PROBE_DEADLINE_MS, PROBE_ROUNDS_MAX, probeKey } from "./probe.ts";
import { Provider } from "./provider.ts";
import { judgeHistory } from "./register.ts";
import type { RunOptions, RunReport, Violation } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SimClient } from "./sim-client.ts";
import { SimCrypto } from "./sim-crypto.ts";
import { startSimRepairer } from "./sim-repairer.ts";
import { VirtualClock, VirtualWallClock } from "./virtual-clock.ts";
import { type Call, type CallSource, callAgainAndAgain, drawCall, keyOf } from "./workload.ts";

const POOL = "sim";
const MEMORY_MB = 512;
const CLIENT_ADDRESS = "proxy:6370";
const FUNCTION_ADDRESS = "proxy:6371";
/** 2026-01-01: any day does. */
const DAY_ONE_MS = 1_767_225_600_000;
/** An Invoke whose answer is lost is given up after 65 s, and what waited for that may meet another one. All else ends sooner. */
const CALM_MS = 140_000;
/** Longer than two warm-up intervals, so that every node with data has been spoken to since the last change. */
const REST_MS = 130_000;
/** Violations beyond this add nothing. */
const VIOLATIONS_MAX = 20;
/** Objects below this are replicated. */
const REPLICATED_BELOW = 4_096;
/** Above the events of any run seen by far: a run that needs more runs in circles. */
const EVENTS_MAX = 20_000_000;

/** Runs a scenario to its end. */
export function runScenario(scenario: Scenario, options: RunOptions = {}): RunReport {
  return new World(scenario, options).run();
}

class World implements FaultTargets {
  readonly clock = new VirtualClock();
  readonly wallClock = new VirtualWallClock(this.clock, DAY_ONE_MS);
  readonly network: Network;
  readonly provider: Provider;
  readonly history = new History();
  readonly address = CLIENT_ADDRESS;
  readonly #scenario: Scenario;
  readonly #random: SeededRandom;
  readonly #options: RunOptions;
  readonly #secret = new Uint8Array(32).fill(7);
  readonly #prices = PRICES["lambda-arm"];
  readonly #ledger = new Ledger(this.#prices, MEMORY_MB);
  readonly #bill = new BillWitness(this.#prices);
  readonly #violations: Violation[] = [];
  readonly #scripts: Record<string, Call[]> = {};
  readonly #machines: Machine[] = [];
  #clients: SimClient[] = [];
  #repairer: Repairer | null = null;
  #image: TableImage;
  #proxy: { readonly core: ProxyCore; readonly machine: Machine } | null = null;
  #clientsStarted = 0;
  #isStorm = true;
  #fingerprint = 0;

  constructor(scenario: Scenario, options: RunOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.#random = new SeededRandom(scenario.seed).fork("world");
    const crypto = new SimCrypto(this.#random.fork("deployment"));
    this.#image = emptyTableImage(this.#random.u32());
    const { delayMsMax, flipProbability, routing, budgetBytes } = scenario;
    this.network = new Network(this.clock, this.#random.timed("network", this.clock), {
      delayMsMin: 0.05,
      delayMsMax,
      bytesPerMs: 100_000,
      flipProbability,
    });
    this.provider = new Provider(
      this.clock,
      this.network,
      this.#random.fork("provider"),
      {
        pool: POOL,
        routing,
        memoryMb: MEMORY_MB,
        budgetBytes,
        prices: this.#prices,
        nodeKey: (node) => nodeKey(crypto, this.#secret, POOL, node),
      },
      {
        onInvoke: (invocation) => {
          const linkOf = () =>
            this.#proxy?.core.status().nodes.rows[invocation.node] ?? {
              state: "none",
              instance: null,
              isInRound: false,
            };
          this.#judge(judgeInvoke(invocation, this.provider.instances, linkOf));
        },
        onOutcome: (invocation, outcome) =>
          this.#bill.onOutcome(invocation, outcome, this.clock.now()),
      },
    );
  }

  run(): RunReport {
    try {
      this.#play();
    } catch (error) {
      this.violate(
        `thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    const { hits, misses, listings, mutations } = this.history;
    return {
      violations: this.#violations,
      events: this.clock.eventsRun,
      virtualMs: Math.round(this.clock.now()),
      operations: hits + misses + listings + mutations.length,
      hits,
      misses,
      instances: this.provider.instancesStarted,
      fingerprint: this.#fingerprint,
      scripts: this.#scripts,
    };
  }

  generation(): number {
    return this.#image.generation;
  }

  clients(): readonly SimClient[] {
    return this.#clients;
  }

  proxyMachine(): Machine {
    return this.#proxy?.machine ?? this.#machine("nobody");
  }

  restartProxy(keepsState: boolean, isSilent: boolean): void {
    const before = this.#proxy;
    if (before === null) return; // It is down already.
    this.#proxy = null;
    before.machine.die();
    this.network.onDeath(before.machine, isSilent);
    // A lost state begins a new generation; its term still has to be above all that functions have seen.
    if (!keepsState) {
      const { term } = this.#image;
      this.#image = emptyTableImage(this.#random.u32());
      this.#image.term = term;
    }
    this.clock.setTimer(this.#random.between(100, 4_000), () => this.#startProxy());
  }

  crashClient(client: SimClient): void {
    client.machine.die();
    this.network.onDeath(client.machine, this.#random.chance(0.5));
    this.#clients = this.#clients.filter((other) => other !== client);
    this.#startClient();
  }

  violate(what: string): void {
    if (!this.#isFull()) this.#violations.push({ atMs: this.clock.now(), what });
    this.trace(`VIOLATION ${what}`);
  }

  trace(what: string): void {
    const line = `${this.clock.now().toFixed(3)} ${what}`;
    for (let at = 0; at < line.length; at++)
      this.#fingerprint = Math.imul(this.#fingerprint ^ line.charCodeAt(at), 0x01000193) >>> 0;
    this.#options.onTrace?.(line);
  }

  #isFull(): boolean {
    return this.#violations.length >= (this.#options.violationsMax ?? VIOLATIONS_MAX);
  }

  #play(): void {
    const { stormMs, clients } = this.#scenario;
    this.#startProxy();
    for (let index = 0; index < clients; index++) this.#startClient();
    if (this.#scenario.repairBytesPerSecond > 0) this.#startRepairer();
    scheduleFaults(this.#scenario, this);
    this.#pass(stormMs);
    this.#isStorm = false;
    stopFaults(this, [...this.#machines, ...this.provider.instances.map(({ machine }) => machine)]);
    this.#pass(CALM_MS);
    this.#mustBeIdle();
    this.#mustBeWhole();
    this.#probe();
    this.#pass(REST_MS);
    this.#finalJudgement();
  }

  #pass(ms: number): void {
    const until = this.clock.now() + ms;
    while (!this.#isFull() && this.clock.step(until)) {
      if (this.clock.eventsRun > EVENTS_MAX) throw new Error(`more than ${EVENTS_MAX} events`);
    }
  }

  #machine(name: string): Machine {
    const machine = new Machine(name, this.clock);
    this.#machines.push(machine);
    return machine;
  }

  #startClient(): void {
    const name = `client ${++this.#clientsStarted}`;
    const random = this.#random.fork(name);
    const client = new SimClient(this.#machine(name), random, this);
    this.#clients.push(client);
    for (let caller = 0; caller < this.#scenario.callers; caller++) {
      const calls = this.#callsOf(`${name}.${caller + 1}`, random.fork(`caller ${caller}`));
      callAgainAndAgain(client, calls, () => this.#isStorm);
    }
  }

  #startRepairer(): void {
    const random = this.#random.fork("repairer");
    const machine = this.#machine("repairer");
    this.#repairer = startSimRepairer(machine, this.network, CLIENT_ADDRESS, random);
  }

  /** Where a caller has its calls from; they are written down. */
  #callsOf(name: string, random: SeededRandom): CallSource {
    const made: Call[] = [];
    this.#scripts[name] = made;
    const scenario = this.#scenario;
    const script = scenario.scripts === null ? null : (scenario.scripts[name] ?? []).values();
    return {
      next: () => (script === null ? drawCall(scenario, random) : (script.next().value ?? null)),
      onBegun: (call) => made.push(call),
    };
  }

  #startProxy(): void {
    const { nodes, budgetBytes, code, policy, warmUpIntervalMs, stragglerMs } = this.#scenario;
    const { backupIntervalMs, backupSelection, repairBytesPerSecond } = this.#scenario;
    const name = `proxy ${this.#machines.length}`;
    const machine = this.#machine(name);
    const random = this.#random.fork(name);
    const core = new ProxyCore({
      pool: POOL,
      nodes,
      nodeBudgetBytes: budgetBytes,
      secret: this.#secret,
      codeRules: [
        { bytesBelow: REPLICATED_BELOW, code: { dataChunks: 1, parityChunks: 2 } },
        { bytesBelow: Number.POSITIVE_INFINITY, code },
      ],
      policy,
      warmUpIntervalMs,
      backupIntervalMs,
      backupSelection,
      repair: { bytesPerSecond: repairBytesPerSecond, dollarsPerHour: 1 },
      stragglerMs,
      ports: {
        clock: machine.clock,
        wallClock: this.wallClock,
        random: random.timed("choices", this.clock),
        crypto: new SimCrypto(random.fork("crypto")),
        platform: this.provider.platformFor(machine),
        store: this.#watchedTable(new MemoryTable(this.#image)),
        eviction: new ClockEviction(),
        ledger: this.#ledger,
        hashKey: keyHash,
      },
    });
    core.setFunctionAddress(FUNCTION_ADDRESS);
    this.network.listen(FUNCTION_ADDRESS, machine, (connection) => core.acceptFunction(connection));
    this.network.listen(CLIENT_ADDRESS, machine, (connection) => core.acceptClient(connection));
    this.#proxy = { core, machine };
    this.trace(`${name} begins term ${core.term}`);
  }

  /** The durable table with the judge of commits in front of it. */
  #watchedTable(table: MemoryTable): TableStore {
    return {
      load: () => table.load(),
      close: () => table.close(),
      commit: (changes) => {
        for (const change of changes) {
          if (change.kind !== "put") continue;
          // A repair writes the version down again, and more may have been lost in the meantime.
          const { object } = change;
          const last = this.#image.objects.get(object.key);
          const before = last?.version === object.version ? last : null;
          const promised = this.#scenario.isCalm ? quorum(object) : object.dataChunks;
          const chunksMin = before === null ? promised : 0;
          this.#judge(judgeCommit(object, before, this.provider.instances, chunksMin));
        }
        table.commit(changes);
      },
    };
  }

  #judge(faults: readonly string[]): void {
    for (const fault of faults) this.violate(fault);
  }

  #mustBeIdle(): void {
    for (const client of this.#clients) {
      const { operationsUnderWay, machine } = client;
      if (operationsUnderWay > 0)
        this.violate(`${machine.name} has ${operationsUnderWay} operations that do not end`);
      this.#judge(client.leaks());
    }
    const underWay = this.#proxy?.core.operationsUnderWay ?? 0;
    if (underWay > 0) this.violate(`the proxy has ${underWay} operations that do not end`);
  }

  /** What survived is whole again, and the repairer is at rest. */
  #mustBeWhole(): void {
    const { core } = this.#proxy ?? {};
    // With odd routing instances are taken for lost to the end.
    if (core === undefined || this.#repairer === null || this.#scenario.routing !== "most-recent")
      return;
    this.#judge(judgeWhole(core.storedObjects(), core.status()));
    const { usedBytes } = this.#repairer;
    if (usedBytes > 0) this.violate(`the repairer still holds ${usedBytes} bytes`);
  }

  /** Every key can be written and read again. */
  #probe(): void {
    const { keys } = this.#scenario;
    const [client] = this.#clients;
    if (client === undefined) return;
    let done = 0;
    for (let index = 0; index < keys; index++) {
      probeKey(client, keyOf(index), (fault) => {
        done++;
        if (fault !== null) this.violate(`after the storm ${fault}: ${this.#links()}`);
      });
    }
    for (let round = 0; round < PROBE_ROUNDS_MAX && done < keys; round++)
      this.#pass(PROBE_DEADLINE_MS);
    if (done < keys) this.violate(`after the storm ${keys - done} of ${keys} keys did not answer`);
  }

  /** The links as the proxy sees them, for people. */
  #links(): string {
    const rows = this.#proxy?.core.status().nodes.rows ?? [];
    return rows
      .map(({ node, state, usedBytes }) => `node ${node} ${state} ${usedBytes} bytes`)
      .join(", ");
  }

  #finalJudgement(): void {
    const { core } = this.#proxy ?? {};
    if (core === undefined) {
      this.violate("there is no proxy at the end");
      return;
    }
    const status = core.status();
    const objects = [...core.storedObjects()];
    const { instances } = this.provider;
    this.#mustBeIdle();
    this.#judge(judgeHistory(this.history, this.#scenario.isCalm));
    this.#judge(judgeAccounts(objects, status));
    this.#judge(this.#bill.judge(this.#ledger.report()));
    const { warmUpIntervalMs, routing } = this.#scenario;
    if (warmUpIntervalMs > 0) {
      this.#judge(judgePlaces(objects, instances, "at the end"));
      this.#judge(judgeCopies(core.storedCopies(), instances));
      // With odd routing instances are still taken for lost now and then, and drops are still on their way.
      if (routing === "most-recent") this.#judge(judgeOrphans(objects, instances, status));
    }
    const { isCalm, nodes, backupIntervalMs } = this.#scenario;
    const instancesMax = backupIntervalMs === 0 ? nodes : 2 * nodes;
    if (isCalm) this.#judge(judgeCalm(instancesMax, this.provider.instancesStarted, status));
  }
}
