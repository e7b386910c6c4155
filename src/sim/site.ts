// One proxy of a simulated world with what is its own: pool and provider, durable table, ledger, and the judges that look
// at these. Its process can die and start again, and a second one can be started over the same pool by mistake.

import { keyHash } from "../checksum/chunk-digest.ts";
import type { Repairer } from "../client/repairer.ts";
import { quorum } from "../core/code.ts";
import { ClockEviction } from "../core/eviction.ts";
import { nodeKey } from "../core/invocation.ts";
import { Ledger } from "../core/ledger.ts";
import type { RingNews } from "../core/membership.ts";
import { emptyTableImage, MemoryTable, type TableImage } from "../core/memory-table.ts";
import type { TableStore } from "../core/ports.ts";
import { PRICES } from "../core/prices.ts";
import { termFloor } from "../core/terms.ts";
import { ProxyCore } from "../proxy/proxy-core.ts";
import { RingDuty } from "../proxy/ring-duty.ts";
import { ringPeers } from "../proxy/ring-peers.ts";
import { STAY_GROWTH_MAX } from "../proxy/stay.ts";
import {
  BillWitness,
  judgeAccounts,
  judgeCalm,
  judgeCommit,
  judgeContents,
  judgeCopies,
  judgeDamage,
  judgeInvoke,
  judgeOrphans,
  judgePlaces,
  judgeWhole,
} from "./checkers.ts";
import type { Coverage } from "./coverage.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import { Provider } from "./provider.ts";
import type { Scenario } from "./scenario.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { SimCrypto } from "./sim-crypto.ts";
import { startSimRepairer } from "./sim-repairer.ts";
import type { VirtualClock, VirtualWallClock } from "./virtual-clock.ts";

const MEMORY_MB = 512;
/** Objects below this are replicated. */
const REPLICATED_BELOW = 4_096;
/** A superseded proxy answers for so long before it ends. */
const LEAVING_MS = 2_000;

/** The world around a site. */
export interface SiteWorld {
  readonly scenario: Scenario;
  readonly clock: VirtualClock;
  readonly wallClock: VirtualWallClock;
  readonly network: Network;
  readonly coverage: Coverage;
  newMachine(name: string): Machine;
  /** The membership document as this site can see it now; null: the one site there is. */
  readRing: ((id: string) => () => RingNews) | null;
  readonly violate: (what: string) => void;
  readonly trace: (what: string) => void;
}

/** A process over the pool. */
interface Process {
  readonly core: ProxyCore;
  readonly machine: Machine;
}

/** See the header. */
export class Site {
  /** The name of its pool. */
  readonly id: string;
  /** Where clients dial. */
  readonly address: string;
  /** Where clients dial the second process. */
  readonly secondAddress: string;
  readonly provider: Provider;
  readonly #world: SiteWorld;
  readonly #random: SeededRandom;
  readonly #crypto: SimCrypto;
  readonly #secret = new Uint8Array(32).fill(7);
  readonly #prices = PRICES["lambda-arm"];
  readonly #ledger = new Ledger(this.#prices, MEMORY_MB);
  readonly #bill = new BillWitness(this.#prices);
  readonly #cores = new Map<Machine, ProxyCore>();
  #image: TableImage;
  #process: Process | null = null;
  #second: (Process & { readonly image: TableImage }) | null = null;
  #repairer: Repairer | null = null;
  #isStarting = false;
  #started = 0;

  constructor(id: string, random: SeededRandom, world: SiteWorld) {
    this.id = id;
    this.address = `${id}:6370`;
    this.secondAddress = `${id}:6372`;
    this.#world = world;
    this.#random = random;
    this.#crypto = new SimCrypto(random.fork("deployment"));
    this.#image = emptyTableImage(random.u32());
    const { routing, budgetBytes } = world.scenario;
    this.provider = new Provider(
      world.clock,
      world.network,
      random.fork("provider"),
      {
        pool: id,
        routing,
        memoryMb: MEMORY_MB,
        budgetBytes,
        prices: this.#prices,
        nodeKey: (node) => nodeKey(this.#crypto, this.#secret, id, node),
      },
      {
        onInvoke: (invocation) => {
          const linkOf = () =>
            this.#cores.get(invocation.sender)?.status().nodes.rows[invocation.node] ?? {
              state: "none",
              instance: null,
              isInRound: false,
            };
          this.#judge(judgeInvoke(invocation, this.provider.instances, linkOf));
        },
        onOutcome: (invocation, outcome) =>
          this.#bill.onOutcome(invocation, outcome, world.clock.now()),
        onTrouble: (name) => world.coverage.note(name),
      },
    );
  }

  get generation(): number {
    return this.#image.generation;
  }

  /** The process that serves it; null while it is down. */
  get core(): ProxyCore | null {
    return this.#process?.core ?? null;
  }

  get machine(): Machine | null {
    return this.#process?.machine ?? null;
  }

  start(): void {
    const { network } = this.#world;
    const process = this.#newProcess(this.#image, `${this.id}:6371`, true);
    network.listen(this.address, process.machine, (connection) =>
      process.core.acceptClient(connection),
    );
    this.#process = process;
    this.#isStarting = false;
  }

  /** What makes lost chunks again works beside it, on a machine of its own. */
  startRepairer(): void {
    if (this.#world.scenario.repairBytesPerSecond === 0) return;
    const machine = this.#world.newMachine(`repairer ${this.id}`);
    const random = this.#random.fork("repairer");
    this.#repairer = startSimRepairer(machine, this.#world.network, this.address, random);
  }

  /** The process ends now, and another starts a little later, with the durable table or without. False: it is down already. */
  restart(keepsState: boolean, isSilent: boolean): boolean {
    const before = this.#process;
    if (before === null) return false;
    this.#process = null;
    this.#end(before, isSilent);
    if (!keepsState) {
      // By the time of day its term is above the one before; with the clock set back as well nobody could know of that.
      const { term } = this.#image;
      this.#image = emptyTableImage(this.#random.u32());
      this.#image.term = term;
    }
    this.#startSoon();
    return true;
  }

  /**
   * By mistake a second process is started over the pool, with a state and an address of its own; false: it runs already.
   * It lasts for so long. Then either is stopped: the other one, where `isKept` says so, stays and is this site's from then on.
   */
  startSecond(forMs: number, isKept: boolean, gone: () => void): boolean {
    if (this.#second !== null || this.#process === null) return false;
    const image = emptyTableImage(this.#random.u32());
    const process = this.#newProcess(image, `${this.id}:6373`, false);
    this.#world.network.listen(this.secondAddress, process.machine, (connection) =>
      process.core.acceptClient(connection),
    );
    this.#second = { ...process, image };
    this.#world.clock.setTimer(forMs, () => {
      gone();
      this.#endSecond(isKept);
    });
    return true;
  }

  #endSecond(isKept: boolean): void {
    const second = this.#second;
    if (second === null) return;
    this.#end(second, false);
    // Functions know a higher term now: who stays starts anew, above it, be it with this state or with that.
    const term = Math.max(this.#image.term, second.image.term);
    if (isKept) this.#image = second.image;
    this.#image.term = term;
    // Which of them was superseded has left by itself.
    if (!this.restart(true, false) && !this.#isStarting) this.#startSoon();
    this.#second = null;
  }

  #startSoon(): void {
    this.#isStarting = true;
    this.#world.clock.setTimer(this.#random.between(100, 4_000), () => this.start());
  }

  /** It has been told that the pool is another's: it says so for a little while, and leaves. */
  #onSuperseded(machine: Machine, reason: string): void {
    const { coverage, clock, trace, violate } = this.#world;
    coverage.note("proxy: superseded");
    trace(`${machine.name} is superseded`);
    if (this.#second === null)
      return violate(`${machine.name} was superseded, and there is no other: ${reason}`);
    clock.setTimer(LEAVING_MS, () => {
      const process = this.#process;
      if (process?.machine !== machine) return; // The second one is ended in its time.
      this.#process = null;
      this.#end(process, false);
    });
  }

  /** All that it counts is added to the coverage of the run. */
  noteCounters(): void {
    for (const core of [this.#process?.core, this.#second?.core])
      if (core !== undefined) this.#note(core);
  }

  /** Nothing may be under way any more. */
  judgeIdle(): void {
    const underWay = this.core?.operationsUnderWay ?? 0;
    if (underWay > 0)
      this.#world.violate(`the proxy of ${this.id} has ${underWay} operations that do not end`);
  }

  /** What survived is whole again, and the repairer is at rest. */
  judgeWhole(): void {
    // With odd routing instances are taken for lost to the end.
    if (this.core === null || this.#repairer === null) return;
    if (this.#world.scenario.routing !== "most-recent") return;
    this.#judge(judgeWhole(this.core.storedObjects(), this.core.status()));
    const { usedBytes } = this.#repairer;
    if (usedBytes > 0) this.#world.violate(`the repairer of ${this.id} holds ${usedBytes} bytes`);
  }

  /** The links as the proxy sees them, for people. */
  links(): string {
    const rows = this.core?.status().nodes.rows ?? [];
    return rows
      .map(({ node, state, usedBytes }) => `node ${node} ${state} ${usedBytes} bytes`)
      .join(", ");
  }

  /** What must hold at the end. `owns`: what the last document says. */
  judgeEnd(owns: (key: string) => boolean): void {
    const { core } = this;
    const { violate, scenario } = this.#world;
    if (core === null) return violate(`there is no proxy at ${this.id}`);
    const status = core.status();
    const objects = [...core.storedObjects()];
    const { instances } = this.provider;
    this.#judge(judgeAccounts(objects, status));
    this.#judge(judgeContents(instances));
    this.#judge(this.#bill.judge(this.#ledger.report()));
    for (const { key } of objects)
      if (!owns(key)) this.#world.violate(`${this.id} still has ${key}, which it does not own`);
    if (scenario.warmUpIntervalMs > 0) {
      this.#judge(judgePlaces(objects, instances, "at the end"));
      this.#judge(judgeCopies(core.storedCopies(), instances));
      // With odd routing instances are still taken for lost now and then, and drops are still on their way.
      if (scenario.routing === "most-recent") this.#judge(judgeOrphans(objects, instances, status));
    }
    const { isCalm, nodes, backupIntervalMs } = scenario;
    const instancesMax = backupIntervalMs === 0 ? nodes : 2 * nodes;
    if (isCalm) this.#judge(judgeCalm(instancesMax, this.provider.instancesStarted, status));
  }

  #newProcess(image: TableImage, functionAddress: string, isOwner: boolean): Process {
    const { scenario, clock, wallClock, network } = this.#world;
    const { nodes, budgetBytes, code, policy, warmUpIntervalMs, stragglerMs } = scenario;
    const { backupIntervalMs, backupSelection, repairBytesPerSecond, hotBytes, spread } = scenario;
    const name = `proxy ${this.id}.${++this.#started}`;
    const machine = this.#world.newMachine(name);
    const random = this.#random.fork(name);
    const crypto = new SimCrypto(random.fork("crypto"));
    const ring = isOwner ? this.#ringDuty(machine, crypto) : null;
    // As the store on a disk does it: above the last term, and above those of proxies whose state is lost.
    image.term = Math.max(image.term, termFloor(wallClock.now()) - 1);
    const core = new ProxyCore({
      pool: this.id,
      nodes,
      nodeBudgetBytes: budgetBytes,
      secret: this.#secret,
      codeRules: [
        { bytesBelow: REPLICATED_BELOW, code: { dataChunks: 1, parityChunks: 2 } },
        { bytesBelow: Number.POSITIVE_INFINITY, code },
      ],
      stay: { policy, growthMax: STAY_GROWTH_MAX },
      warmUpIntervalMs,
      backupIntervalMs,
      backupSelection,
      repair: { bytesPerSecond: repairBytesPerSecond, dollarsPerHour: 1 },
      stragglerMs,
      directChunkBytesMin: 1,
      ...{ hotBytes, spread },
      ...(ring === null ? {} : { ring }),
      onSuperseded: (reason) => this.#onSuperseded(machine, reason),
      ports: {
        clock: machine.clock,
        wallClock,
        random: random.timed("choices", clock),
        crypto,
        platform: this.provider.platformFor(machine),
        store: this.#watchedTable(image),
        eviction: new ClockEviction(),
        ledger: this.#ledger,
        hashKey: keyHash,
      },
    });
    core.setFunctionAddress(functionAddress);
    network.listen(functionAddress, machine, (connection) => core.acceptFunction(connection));
    this.#cores.set(machine, core);
    this.#world.trace(`${name} begins term ${core.term}`);
    return { core, machine };
  }

  #ringDuty(machine: Machine, crypto: SimCrypto): RingDuty | null {
    const { readRing, network } = this.#world;
    if (readRing === null) return null;
    const setTimer = machine.clock.setTimer.bind(machine.clock);
    return new RingDuty({
      id: this.id,
      clock: machine.clock,
      read: readRing(this.id),
      askEpoch: ringPeers(network.dialerOf(machine), crypto, setTimer),
    });
  }

  #end({ core, machine }: Process, isSilent: boolean): void {
    this.#note(core);
    this.#cores.delete(machine);
    machine.die();
    this.#world.network.onDeath(machine, isSilent);
  }

  #note({ counters }: ProxyCore): void {
    this.#judge(judgeDamage(counters, this.#world.scenario));
    for (const [name, count] of Object.entries(counters))
      this.#world.coverage.note(`proxy: ${name}`, count);
  }

  /** The durable table with the judge of commits in front of it. */
  #watchedTable(image: TableImage): TableStore {
    const table = new MemoryTable(image);
    return {
      load: () => table.load(),
      close: () => table.close(),
      commit: (changes) => {
        for (const change of changes) {
          if (change.kind !== "put") continue;
          // A repair writes the version down again, and more may have been lost in the meantime.
          const { object } = change;
          const last = image.objects.get(object.key);
          const before = last?.version === object.version ? last : null;
          const promised = this.#world.scenario.isCalm ? quorum(object) : object.dataChunks;
          const chunksMin = before === null ? promised : 0;
          // Functions that another proxy has begun to use drop what they have just stored.
          const instances = this.#second === null ? this.provider.instances : [];
          this.#judge(judgeCommit(object, before, instances, chunksMin));
        }
        table.commit(changes);
      },
    };
  }

  #judge(faults: readonly string[]): void {
    for (const fault of faults) this.#world.violate(fault);
  }
}
