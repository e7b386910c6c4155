// The provider in virtual time: sandboxes that start cold, serve one invocation at a time, freeze when they return and
// are reclaimed; answers that get lost. The code inside is the production runtime. It decides nothing about data.

import type { NodeIndex } from "../core/ids.ts";
import { FUNCTION_TIMEOUT_MS } from "../core/limits.ts";
import type { FunctionPlatform, InvokeOutcome } from "../core/ports.ts";
import { billedMs, type PriceTable } from "../core/prices.ts";
import type { ChunkBytes } from "../runtime/chunk-bytes.ts";
import { RuntimeCore } from "../runtime/runtime-core.ts";
import type { Draws } from "./draws.ts";
import { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { SimCrypto } from "./sim-crypto.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Which idle instance gets the next invocation; `cold` starts a new one now and then although one is idle. */
export type Routing = "most-recent" | "least-recent" | "random" | "cold";

/** How the provider is when nothing is wrong. */
export interface ProviderOptions {
  readonly pool: string;
  readonly routing: Routing;
  readonly memoryMb: number;
  readonly budgetBytes: number;
  readonly prices: PriceTable;
  nodeKey(node: number): Uint8Array;
}

/** What is wrong with the provider now; the schedule of faults sets and clears it. */
export interface ProviderTrouble {
  throttledUntil: number;
  slowStartUntil: number;
  /** Until then new instances are started although others are idle. */
  secondUntil: number;
  /** Until then an Invoke may be run by two instances; the answer of the first is told. */
  twiceUntil: number;
  /** The chance that an invocation runs and its answer is lost. */
  lostAnswer: number;
  /** The chance that an Invoke is lost on its way, and nobody can tell. */
  lostRequest: number;
}

/** A call of the Invoke API. */
export interface Invocation {
  readonly node: NodeIndex;
  readonly payload: string;
  readonly sentAt: number;
  readonly sender: Machine;
  readonly done: (outcome: InvokeOutcome) => void;
  isAnswerLost: boolean;
  isAnswered: boolean;
}

/** One sandbox behind a node. */
export interface Instance {
  readonly node: NodeIndex;
  readonly machine: Machine;
  readonly core: RuntimeCore;
  /** Chunks in whose memory a fault has written. */
  readonly spoilt: WeakSet<ChunkBytes>;
  usedAt: number;
  /** The invocation it serves, and since when. */
  running: {
    readonly invocation: Invocation;
    readonly since: number;
    readonly initMs: number | null;
    /** Another instance was given this Invoke before. */
    readonly isRepeat: boolean;
  } | null;
}

/** What the checkers want to know of the provider. */
export interface ProviderWitness {
  /** A proxy calls Invoke. */
  onInvoke(invocation: Invocation): void;
  /** The proxy is told how it ended. */
  onOutcome(invocation: Invocation, outcome: InvokeOutcome): void;
  /** Trouble has hit an Invoke. */
  onTrouble(name: string): void;
}

const COLD_START_MS_MIN = 80;
const COLD_START_MS_MAX = 300;
/** faults.md, case 13. */
const SLOW_START_MS = 10_000;
const API_MS_MIN = 0.5;
const API_MS_MAX = 4;
/** When a client of the API gives up a request that nobody answers. */
const API_TIMEOUT_MS = FUNCTION_TIMEOUT_MS + 5_000;
/** More sandboxes of one function than this are refused as throttling. */
const INSTANCES_PER_NODE_MAX = 8;

/** See the header. */
export class Provider {
  readonly trouble: ProviderTrouble = {
    throttledUntil: 0,
    slowStartUntil: 0,
    secondUntil: 0,
    twiceUntil: 0,
    lostAnswer: 0,
    lostRequest: 0,
  };
  /** Sandboxes ever started. */
  instancesStarted = 0;
  readonly #clock: VirtualClock;
  readonly #network: Network;
  readonly #random: Draws;
  readonly #seeds: SeededRandom;
  readonly #options: ProviderOptions;
  readonly #witness: ProviderWitness;
  readonly #instances: Instance[] = [];

  constructor(
    clock: VirtualClock,
    network: Network,
    random: SeededRandom,
    options: ProviderOptions,
    witness: ProviderWitness,
  ) {
    this.#clock = clock;
    this.#network = network;
    this.#random = random.timed("choices", clock);
    this.#seeds = random;
    this.#options = options;
    this.#witness = witness;
  }

  /** Living sandboxes, in the order of their start. */
  get instances(): readonly Instance[] {
    return this.#instances;
  }

  /** The API as a proxy on this machine calls it. */
  platformFor(sender: Machine): FunctionPlatform {
    return {
      invoke: (node, payload, done) => {
        if (!sender.isDead)
          this.#invoke({
            node,
            payload,
            sentAt: this.#clock.now(),
            sender,
            done,
            isAnswerLost: false,
            isAnswered: false,
          });
      },
      close: () => {},
    };
  }

  /** Takes a sandbox away; what runs in it crashes. `isSilent`: its connections die without a word. */
  reclaim(instance: Instance, isSilent: boolean, errorType = "Sandbox.Reclaimed"): void {
    const at = this.#instances.indexOf(instance);
    if (at < 0) return;
    this.#instances.splice(at, 1);
    instance.machine.die();
    this.#network.onDeath(instance.machine, isSilent);
    const { running } = instance;
    if (running === null) return;
    instance.running = null;
    const report = this.#report(running.since, running.initMs);
    this.#answer(running.invocation, {
      kind: "crashed",
      errorType,
      message: "the sandbox is gone",
      report,
    });
  }

  /** Takes idle sandboxes away until no node has more than so many; the longest unused go first. */
  scaleIn(instancesMax: number): void {
    const idle = this.#instances.filter(({ running }) => running === null);
    for (const instance of idle.sort((a, b) => a.usedAt - b.usedAt)) {
      const count = this.#instances.filter(({ node }) => node === instance.node).length;
      if (count > instancesMax) this.reclaim(instance, false);
    }
  }

  #invoke(invocation: Invocation): void {
    this.#witness.onInvoke(invocation);
    const random = this.#random;
    const apiMs = random.between(API_MS_MIN, API_MS_MAX);
    if (this.#clock.now() < this.trouble.throttledUntil) {
      this.#refuse(invocation);
      return;
    }
    if (random.chance(this.trouble.lostRequest)) {
      this.#witness.onTrouble("fault: Invoke lost");
      this.#loseAnswer(invocation);
      return;
    }
    if (random.chance(this.trouble.lostAnswer)) {
      invocation.isAnswerLost = true;
      this.#witness.onTrouble("fault: answer of an Invoke lost");
      this.#loseAnswer(invocation);
    }
    this.#clock.setTimer(apiMs, () => this.#route(invocation, false));
    if (this.#clock.now() < this.trouble.twiceUntil && random.chance(0.3))
      this.#clock.setTimer(random.between(0, 20) + apiMs, () => this.#route(invocation, true));
  }

  /** `isRepeat`: it is on its way to one instance already. */
  #route(invocation: Invocation, isRepeat: boolean): void {
    const idle = this.#instances.filter(
      ({ node, running }) => node === invocation.node && running === null,
    );
    const { routing } = this.#options;
    const isColdAnyway =
      this.#random.chance(routing === "cold" ? 0.1 : 0) ||
      this.#clock.now() < this.trouble.secondUntil;
    if (idle.length > 0 && !isColdAnyway) {
      idle.sort((a, b) => b.usedAt - a.usedAt);
      const chosen =
        routing === "random"
          ? this.#random.pick(idle)
          : routing === "least-recent"
            ? idle.at(-1)
            : idle[0];
      if (chosen !== undefined) this.#run(chosen, invocation, null, isRepeat);
      return;
    }
    if (
      this.#instances.filter(({ node }) => node === invocation.node).length >=
      INSTANCES_PER_NODE_MAX
    ) {
      if (!isRepeat) this.#refuse(invocation);
      return;
    }
    const initMs =
      this.#clock.now() < this.trouble.slowStartUntil
        ? SLOW_START_MS
        : this.#random.between(COLD_START_MS_MIN, COLD_START_MS_MAX);
    const instance = this.#start(invocation.node);
    instance.running = { invocation, since: this.#clock.now(), initMs, isRepeat };
    this.#clock.setTimer(initMs, () => {
      if (!instance.machine.isDead) this.#run(instance, invocation, initMs, isRepeat);
    });
  }

  #start(node: NodeIndex): Instance {
    const { pool, memoryMb, budgetBytes } = this.#options;
    const name = `function ${node}, instance ${this.instancesStarted++}`;
    const machine = new Machine(name, this.#clock);
    const core = new RuntimeCore(
      { pool, node, nodeKey: this.#options.nodeKey(node), memoryMb, budgetBytes },
      {
        clock: machine.clock,
        crypto: new SimCrypto(this.#seeds.fork(name)),
        dialer: this.#network.dialerOf(machine),
        clientDialer: this.#network.dialerOf(machine),
      },
    );
    const spoilt = new WeakSet<ChunkBytes>();
    const usedAt = this.#clock.now();
    const instance: Instance = { node, machine, core, spoilt, usedAt, running: null };
    this.#instances.push(instance);
    return instance;
  }

  #run(instance: Instance, invocation: Invocation, initMs: number | null, isRepeat: boolean): void {
    const running = { invocation, since: this.#clock.now(), initMs, isRepeat };
    instance.running = running;
    const { machine, core } = instance;
    const timeout = this.#clock.setTimer(FUNCTION_TIMEOUT_MS, () => {
      if (instance.running === running) this.reclaim(instance, false, "Sandbox.Timedout");
    });
    machine.thaw(() => {
      if (instance.running !== running) return;
      core.invoke(JSON.parse(invocation.payload), FUNCTION_TIMEOUT_MS, (answer) => {
        timeout.cancel();
        if (instance.running !== running) return;
        instance.running = null;
        instance.usedAt = this.#clock.now();
        const report = this.#report(running.since, initMs);
        this.#answer(invocation, { kind: "returned", payload: JSON.stringify(answer), report });
        // It freezes a moment later, unless the next invocation comes first.
        this.#clock.setTimer(this.#random.between(0, 0.5), () => {
          if (instance.running === null) machine.freeze();
        });
      });
    });
  }

  #report(since: number, initMs: number | null) {
    const { memoryMb, prices } = this.#options;
    const durationMs = this.#clock.now() - since;
    return {
      durationMs,
      billedMs: billedMs(prices, durationMs, initMs ?? 0),
      memoryMb,
      maxMemoryMb: memoryMb,
      initMs,
    };
  }

  #refuse(invocation: Invocation): void {
    this.#answer(invocation, {
      kind: "notStarted",
      reason: "TooManyRequestsException",
      isThrottle: true,
      retryAfterMs: null,
    });
  }

  /** Told after a broken connection to the API, or only when the caller's patience ends. */
  #loseAnswer(invocation: Invocation): void {
    const afterMs = this.#random.chance(0.5) ? this.#random.between(1, 2_000) : API_TIMEOUT_MS;
    this.#clock.setTimer(afterMs, () =>
      this.#tell(invocation, { kind: "unknown", message: "no answer" }),
    );
  }

  #answer(invocation: Invocation, outcome: InvokeOutcome): void {
    if (invocation.isAnswerLost || invocation.isAnswered) return;
    invocation.isAnswered = true;
    this.#clock.setTimer(this.#random.between(API_MS_MIN, API_MS_MAX), () =>
      this.#tell(invocation, outcome),
    );
  }

  #tell(invocation: Invocation, outcome: InvokeOutcome): void {
    invocation.sender.deliver(() => {
      this.#witness.onOutcome(invocation, outcome);
      invocation.done(outcome);
    });
  }
}
