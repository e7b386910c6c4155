// What an operator or a test can see and do: list, count, kill, freeze, thaw, and inject faults. The
// methods are the in-process API; admin-api.ts offers the same over loopback HTTP.

import type { Random } from "../../core/ports.ts";
import type { Bandwidth } from "./bandwidth.ts";
import type { InstancePolicy } from "./choice.ts";
import type { Counters } from "./counters.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { ThrottleReason } from "./errors.ts";
import type { Instance } from "./instance.ts";
import type { InstancePool } from "./pool.ts";
import type { ReclaimSpec } from "./reclaim.ts";
import { sample } from "./seeded-random.ts";

/** One living instance. */
export interface InstanceInfo {
  readonly function: string;
  readonly id: string;
  readonly pid: number;
  readonly state: "starting" | "busy" | "idle-frozen";
  /** Stopped by hand, until thawed by hand. */
  readonly isHeld: boolean;
  readonly startedAtMs: number;
  readonly idleMs: number;
  readonly invocations: number;
  readonly rssBytes: number;
}

/** Which instances an action means: all of the given conditions; `count` picks that many at random. */
export interface InstanceSelection {
  readonly instance?: string;
  readonly function?: string;
  readonly count?: number;
}

/** Settings and faults that can be changed while the service runs. */
export interface FaultSettings {
  readonly invokeOverheadMs?: number;
  readonly coldStartDelayMs?: number;
  /** Refuse every invocation with 429 for this long from now; 0 ends it. */
  readonly throttleMs?: number;
  readonly throttleReason?: ThrottleReason;
  /** Answer every invocation with 500 for this long from now; 0 ends it. */
  readonly unavailableMs?: number;
  readonly instancePolicy?: InstancePolicy;
  readonly coldProbability?: number;
}

/** See the header. Every method acts at once; processes end a moment later. */
export class LambdaAdmin {
  readonly #pool: InstancePool;
  readonly #dispatcher: Dispatcher;
  readonly #counters: Counters;
  readonly #random: Random;

  constructor(pool: InstancePool, dispatcher: Dispatcher, counters: Counters, random: Random) {
    this.#pool = pool;
    this.#dispatcher = dispatcher;
    this.#counters = counters;
    this.#random = random;
  }

  /** Living instances, oldest first. */
  instances(functionName: string | null = null): InstanceInfo[] {
    return this.#living(functionName === null ? {} : { function: functionName }).map(describe);
  }

  /** A copy of the counters. */
  counters(): Counters {
    return structuredClone(this.#counters);
  }

  /** Kills (SIGKILL) what is selected, busy or not; returns the ids. Nothing selected: nothing killed. */
  kill(selection: InstanceSelection): string[] {
    return this.#pool.kill(this.#select(selection));
  }

  /** Kills everything. */
  reclaimAll(): string[] {
    return this.#pool.kill(this.#pool.instances());
  }

  /** Stops (SIGSTOP) what is selected, busy or not, so that no invocation thaws it; returns the ids. */
  freeze(selection: InstanceSelection): string[] {
    return this.#select(selection).map((instance) => {
      instance.hold();
      return instance.id;
    });
  }

  /** Ends `freeze` of what is selected, or of all held ones; returns the ids. */
  thaw(selection: InstanceSelection = {}): string[] {
    return this.#living(selection)
      .filter((instance) => instance.isHeld)
      .map((instance) => {
        instance.release();
        return instance.id;
      });
  }

  /** Caps the bandwidth of one function's instances, or of all; only in the freeze mode `forwarder`. */
  setBandwidth(bandwidth: Bandwidth, functionName: string | null = null): void {
    this.#pool.setBandwidth(bandwidth, functionName);
  }

  /** Changes who is reclaimed from now on. */
  setReclaim(spec: ReclaimSpec): void {
    this.#pool.setReclaim(spec);
  }

  /** Changes settings and injects faults. */
  setFaults(settings: FaultSettings): void {
    const { faults } = this.#dispatcher;
    const now = performance.now();
    if (settings.throttleReason !== undefined) faults.throttleReason = settings.throttleReason;
    if (settings.throttleMs !== undefined) faults.throttleUntilMs = now + settings.throttleMs;
    if (settings.unavailableMs !== undefined)
      faults.unavailableUntilMs = now + settings.unavailableMs;
    if (settings.invokeOverheadMs !== undefined)
      faults.invokeOverheadMs = settings.invokeOverheadMs;
    const { settings: pool } = this.#pool;
    if (settings.coldStartDelayMs !== undefined) pool.coldStartDelayMs = settings.coldStartDelayMs;
    if (settings.instancePolicy !== undefined) pool.instancePolicy = settings.instancePolicy;
    if (settings.coldProbability !== undefined) pool.coldProbability = settings.coldProbability;
  }

  #select(selection: InstanceSelection): Instance[] {
    const { instance, function: functionName, count } = selection;
    if (instance === undefined && functionName === undefined && count === undefined) return [];
    const living = this.#living(selection);
    return count === undefined ? living : sample(this.#random, living, count);
  }

  #living({ instance, function: functionName }: InstanceSelection): Instance[] {
    return this.#pool
      .instances(functionName ?? null)
      .filter(({ id, isAlive }) => isAlive && (instance === undefined || id === instance));
  }
}

function describe(instance: Instance): InstanceInfo {
  const { state } = instance;
  return {
    function: instance.deployed.name,
    id: instance.id,
    pid: instance.pid,
    state: state === "starting" || state === "busy" ? state : "idle-frozen",
    isHeld: instance.isHeld,
    startedAtMs: instance.startedAtMs,
    idleMs: state === "idle" ? Math.round(performance.now() - instance.lastUsedMs) : 0,
    invocations: instance.invocations,
    rssBytes: instance.residentBytes(),
  };
}
