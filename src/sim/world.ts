// One simulated world: sites, network, clients, storm and judges put together from a scenario, and run to its end: storm,
// calm, then every key must work again, and nothing may be left over. Everything in it is production code but the machines,
// the network and the providers.

import { Coverage } from "./coverage.ts";
import { type FaultTargets, scheduleFaults, stopFaults } from "./faults.ts";
import { History } from "./history.ts";
import { Machine } from "./machine.ts";
import { Network } from "./network.ts";
import { PROBE_DEADLINE_MS, PROBE_ROUNDS_MAX, probeKey } from "./probe.ts";
import { judgeHistory } from "./register.ts";
import type { RunOptions, RunReport, Violation } from "./report.ts";
import { RingBoard } from "./ring-board.ts";
import type { Scenario } from "./scenario.ts";
import { SeededRandom } from "./seeded-random.ts";
import { type ClientHome, SimClient } from "./sim-client.ts";
import { Site, type SiteWorld } from "./site.ts";
import { VirtualClock, VirtualWallClock } from "./virtual-clock.ts";
import {
  type Call,
  type CallSource,
  callAgainAndAgain,
  drawCall,
  KEYS,
  keyOf,
} from "./workload.ts";

/** 2026-01-01: any day does. */
const DAY_ONE_MS = 1_767_225_600_000;
/** An Invoke whose answer is lost is given up after 65 s, and what waited for that may meet another one. All else ends sooner. */
const CALM_MS = 140_000;
/** Longer than two warm-up intervals, so that every node with data has been spoken to since the last change. */
const REST_MS = 130_000;
/** Violations beyond this add nothing. */
const VIOLATIONS_MAX = 20;
/** Above the events of any run seen by far: a run that needs more runs in circles. */
const EVENTS_MAX = 20_000_000;
/** How long a second proxy over a pool lasts, on average. */
const SECOND_PROXY_MS = 4_000;

/** Runs a scenario to its end. */
export function runScenario(scenario: Scenario, options: RunOptions = {}): RunReport {
  return new World(scenario, options).run();
}

class World implements FaultTargets {
  readonly clock = new VirtualClock();
  readonly wallClock = new VirtualWallClock(this.clock, DAY_ONE_MS);
  readonly network: Network;
  readonly sites: readonly Site[];
  readonly history = new History();
  readonly coverage = new Coverage();
  readonly #scenario: Scenario;
  readonly #random: SeededRandom;
  readonly #options: RunOptions;
  readonly #board: RingBoard | null;
  readonly #violations: Violation[] = [];
  readonly #scripts: Record<string, Call[]> = {};
  readonly #machines: Machine[] = [];
  /** Of the sites; those of a second proxy are not among them. */
  #clients: SimClient[] = [];
  #clientsStarted = 0;
  #secondProxies = 0;
  #isStorm = true;
  #fingerprint = 0;

  constructor(scenario: Scenario, options: RunOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.#random = new SeededRandom(scenario.seed).fork("world");
    const { delayMsMax, flipProbability, lossProbability, proxies } = scenario;
    this.network = new Network(this.clock, this.#random.timed("network", this.clock), {
      delayMsMin: 0.05,
      delayMsMax,
      bytesPerMs: 100_000,
      flipProbability,
      lossProbability,
      onFlip: () => this.coverage.note("fault: bit flipped on the way"),
      onLoss: () => this.coverage.note("fault: rest of a body sent again"),
      onTorn: () => this.coverage.note("fault: body torn"),
    });
    const ids = Array.from({ length: proxies }, (_, at) => `pool-${at}`);
    const siteWorld: SiteWorld = {
      scenario,
      clock: this.clock,
      wallClock: this.wallClock,
      network: this.network,
      coverage: this.coverage,
      newMachine: (name) => this.#machine(name),
      readRing: proxies === 1 ? null : (id) => this.#reader(id),
      violate: (what) => this.violate(what),
      trace: (what) => this.trace(what),
    };
    this.sites = ids.map((id) => new Site(id, this.#random.fork(id), siteWorld));
    this.#board = proxies === 1 ? null : new RingBoard(this.clock, this.sites);
    this.coverage.note(`routing: ${scenario.routing}`);
    if (scenario.isCalm) this.coverage.note("world: no trouble");
    if (proxies > 1) this.coverage.note("world: several proxies");
  }

  run(): RunReport {
    try {
      this.#play();
    } catch (error) {
      this.violate(
        `thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    for (const site of this.sites) site.noteCounters();
    const { hits, misses, listings, mutations } = this.history;
    return {
      violations: this.#violations,
      events: this.clock.eventsRun,
      virtualMs: Math.round(this.clock.now()),
      operations: hits + misses + listings + mutations.length,
      hits,
      misses,
      instances: this.sites.reduce((sum, { provider }) => sum + provider.instancesStarted, 0),
      coverage: this.coverage.counts(),
      fingerprint: this.#fingerprint,
      scripts: this.#scripts,
    };
  }

  generationAt(address: string): number | null {
    return this.sites.find((site) => site.address === address)?.generation ?? null;
  }

  hasFailedOver(): boolean {
    return this.sites.some(({ core }) => core !== null && core.counters.failovers > 0);
  }

  clients(): readonly SimClient[] {
    return this.#clients;
  }

  crashClient(client: SimClient): void {
    this.#end(client, this.#random.chance(0.5));
    this.#clients = this.#clients.filter((other) => other !== client);
    this.#startClient();
  }

  changeRing(random: SeededRandom): boolean {
    this.#board?.change(random);
    return this.#board !== null;
  }

  /** Its client has keys of its own: two caches share the functions, and no promise says whose write of one key is later. */
  startSecondProxy(site: Site, random: SeededRandom): boolean {
    const forMs = random.exponential(SECOND_PROXY_MS);
    let stop = (): void => {};
    if (!site.startSecond(forMs, random.chance(0.3), () => stop())) return false;
    const keys = `other-${++this.#secondProxies}-`;
    const client = this.#newClient({
      addresses: [site.secondAddress],
      keys,
      hasDoor: false,
      nearBytes: 0,
    });
    stop = () => this.#end(client, false);
    return true;
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

  #reader(id: string) {
    if (this.#board === null) throw new RangeError("one proxy alone has no ring");
    return this.#board.readerOf(id);
  }

  #play(): void {
    const { stormMs, clients } = this.#scenario;
    for (const site of this.sites) site.start();
    for (let index = 0; index < clients; index++) this.#startClient();
    for (const site of this.sites) site.startRepairer();
    scheduleFaults(this.#scenario, this);
    this.#pass(stormMs);
    this.#isStorm = false;
    const providers = this.sites.map(({ provider }) => provider);
    const instances = providers.flatMap((provider) => provider.instances);
    stopFaults(providers, [...this.#machines, ...instances.map(({ machine }) => machine)]);
    this.#pass(CALM_MS);
    this.#mustBeIdle();
    for (const site of this.sites) site.judgeWhole();
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
    const addresses = this.sites.map(({ address }) => address);
    const { hasDoors: hasDoor, nearBytes } = this.#scenario;
    this.#clients.push(this.#newClient({ addresses, keys: KEYS, hasDoor, nearBytes }));
  }

  #newClient(home: ClientHome): SimClient {
    const name = `client ${++this.#clientsStarted}`;
    const random = this.#random.fork(name);
    const client = new SimClient(this.#machine(name), random, home, this);
    for (let caller = 0; caller < this.#scenario.callers; caller++) {
      const calls = this.#callsOf(`${name}.${caller + 1}`, random.fork(`caller ${caller}`));
      callAgainAndAgain(client, calls, () => this.#isStorm);
    }
    return client;
  }

  #end({ machine }: SimClient, isSilent: boolean): void {
    machine.die();
    this.network.onDeath(machine, isSilent);
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
    for (const site of this.sites) site.judgeIdle();
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
        const links = this.sites.map((site) => site.links()).join("; ");
        if (fault !== null) this.violate(`after the storm ${fault}: ${links}`);
      });
    }
    for (let round = 0; round < PROBE_ROUNDS_MAX && done < keys; round++)
      this.#pass(PROBE_DEADLINE_MS);
    if (done < keys) this.violate(`after the storm ${keys - done} of ${keys} keys did not answer`);
  }

  #finalJudgement(): void {
    this.#mustBeIdle();
    this.#judge(judgeHistory(this.history, this.#scenario.isCalm));
    const ring = this.#board?.ring ?? null;
    for (const site of this.sites)
      site.judgeEnd((key) => ring === null || ring.ownerOf(key).id === site.id);
  }
}
