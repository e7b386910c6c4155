// All instances of all functions: starting (so many at a time), choosing, reclaiming, killing. It
// never looks at payloads and never decides whether an invocation is admitted.

import type { Random } from "../../core/ports.ts";
import type { Background } from "./background.ts";
import { type Bandwidth, bytesPerSecond } from "./bandwidth.ts";
import { chooseInstance, type InstancePolicy } from "./choice.ts";
import type { Counters } from "./counters.ts";
import { Forwarder } from "./forwarder.ts";
import type { DeployedFunction } from "./functions.ts";
import { Instance, type KillCause } from "./instance.ts";
import type { ResolvedOptions } from "./options.ts";
import { InstanceProcess } from "./process.ts";
import { createReclaimModel, type ReclaimModel, type ReclaimSpec } from "./reclaim.ts";
import { Slots } from "./slots.ts";
import type { Watchdog } from "./watchdog.ts";

/** What the pool is given by the service. */
export interface PoolParts {
  readonly options: ResolvedOptions;
  readonly bootstrap: string;
  /** A folder in which instances keep compiled code for each other. */
  readonly compiled: string;
  readonly runtimeAddress: () => string;
  readonly watchdog: Watchdog;
  readonly background: Background;
  readonly random: Random;
  readonly counters: Counters;
}

/** What can be changed while the service runs. */
export interface PoolSettings {
  instancePolicy: InstancePolicy;
  coldProbability: number;
  coldStartDelayMs: number;
  reclaim: ReclaimSpec;
  bandwidth: Bandwidth;
  /** Wins over `bandwidth`. */
  readonly bandwidthByFunction: Map<string, Bandwidth>;
}

const RECLAIM_STEP_MS = 1000;
const MEMORY_WATCH_MS = 100;
/**
 * Each thread is to be stopped and continued with its process, so there are few: none for the collector, none that waits for
 * a debugger. `gc` is for the bootstrap.
 */
const LEAN_FLAGS = ["--v8-pool-size=0", "--disable-sigusr1", "--expose-gc"];
/** As the managed runtime does: most of the memory may be heap, the rest is for the process itself. */
const HEAP_SHARE = 0.9;
const MEBIBYTE = 1024 * 1024;

/** See the header. */
export class InstancePool {
  readonly settings: PoolSettings;
  readonly #parts: PoolParts;
  readonly #slots: Slots;
  readonly #byToken = new Map<string, Instance>();
  readonly #byFunction = new Map<string, Set<Instance>>();
  readonly #timers: NodeJS.Timeout[];
  #model: ReclaimModel;
  #isClosed = false;

  constructor(parts: PoolParts) {
    const { options } = parts;
    this.#parts = parts;
    this.#slots = new Slots(options.spawnConcurrency);
    this.settings = {
      instancePolicy: options.instancePolicy,
      coldProbability: options.coldProbability,
      coldStartDelayMs: options.coldStartDelayMs,
      reclaim: options.reclaim,
      bandwidth: options.bandwidth,
      bandwidthByFunction: new Map(),
    };
    this.#model = createReclaimModel(options.reclaim, parts.random, performance.now());
    this.#timers = [
      setInterval(() => this.#reclaimStep(), RECLAIM_STEP_MS).unref(),
      setInterval(() => this.#watchMemory(), MEMORY_WATCH_MS).unref(),
    ];
  }

  /** The instance that owns a secret. */
  findByToken(token: string): Instance | undefined {
    return this.#byToken.get(token);
  }

  /** Living instances, of one function or of all, oldest first. */
  instances(functionName: string | null = null): Instance[] {
    if (functionName === null) return [...this.#byToken.values()];
    return [...(this.#byFunction.get(functionName) ?? [])];
  }

  /** Claims an idle instance for the caller, or null when a new one shall be started. */
  claim(functionName: string): Instance | null {
    const free = this.instances(functionName).filter((instance) => instance.isFree);
    const { instancePolicy, coldProbability } = this.settings;
    const chosen = chooseInstance(free, instancePolicy, coldProbability, this.#parts.random);
    chosen?.claim();
    return chosen;
  }

  /** Starts an instance for the caller, who waits for its `init` and runs it. */
  async start(deployed: DeployedFunction): Promise<Instance> {
    const { coldStartDelayMs } = this.settings;
    if (coldStartDelayMs > 0) await new Promise((done) => setTimeout(done, coldStartDelayMs));
    await this.#slots.enter();
    try {
      const { options } = this.#parts;
      const rate = bytesPerSecond(
        this.#bandwidthOf(deployed.name),
        deployed.configuration.memoryMb,
      );
      const forwarder = options.freezeMode === "forwarder" ? await Forwarder.open(rate) : null;
      if (this.#isClosed) {
        forwarder?.close("close");
        throw new Error("The service is closed.");
      }
      const instance = this.#create(deployed, forwarder);
      const late = setTimeout(() => instance.kill("init"), options.initTimeoutMs);
      void instance.init.then(() => {
        clearTimeout(late);
        this.#slots.leave();
      });
      return instance;
    } catch (error) {
      this.#slots.leave();
      throw error;
    }
  }

  /** Ends instances at once, busy or not; counted as reclaims. Returns the ids that lived until now. */
  kill(instances: readonly Instance[], cause: KillCause = "admin"): string[] {
    const living = instances.filter((instance) => instance.isAlive);
    for (const instance of living) instance.kill(cause);
    this.#parts.counters.reclaims += living.length;
    return living.map(({ id }) => id);
  }

  /** The function changed: its environments are not used again. */
  retire(functionName: string): void {
    for (const instance of this.instances(functionName)) instance.retire();
  }

  /** Changes the reclaim model from now on. */
  setReclaim(spec: ReclaimSpec): void {
    this.settings.reclaim = spec;
    this.#model = createReclaimModel(spec, this.#parts.random, performance.now());
  }

  /** Changes the bandwidth of one function or the default, of living instances too. */
  setBandwidth(bandwidth: Bandwidth, functionName: string | null): void {
    if (functionName === null) this.settings.bandwidth = bandwidth;
    else this.settings.bandwidthByFunction.set(functionName, bandwidth);
    for (const instance of this.instances(functionName)) {
      const { name, configuration } = instance.deployed;
      instance.setBandwidth(bytesPerSecond(this.#bandwidthOf(name), configuration.memoryMb));
    }
  }

  /** Kills everything and waits until it is gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearInterval(timer);
    const ends = this.instances().map((instance) => {
      instance.kill("close");
      return instance.ended;
    });
    await Promise.all(ends);
  }

  #create(deployed: DeployedFunction, forwarder: Forwarder | null): Instance {
    const { options, counters, watchdog, background, bootstrap } = this.#parts;
    const { memoryMb } = deployed.configuration;
    const heapMb = Math.floor(memoryMb * HEAP_SHARE);
    const instance = new Instance({
      deployed,
      forwarder,
      deadConnections: options.deadConnections,
      process: (names, events) =>
        new InstanceProcess({
          nodeFlags: [...LEAN_FLAGS, `--max-old-space-size=${heapMb}`, ...options.nodeFlags],
          file: bootstrap,
          environment: this.#environment(deployed, names, forwarder),
          workingDirectory: deployed.code.directory,
          ...{ watchdog, background },
          ...events,
        }),
      onLog: (line) => options.onLog(deployed.name, line),
      onDead: (dead) => {
        this.#byToken.delete(dead.token);
        this.#byFunction.get(deployed.name)?.delete(dead);
      },
    });
    this.#byToken.set(instance.token, instance);
    const own = this.#byFunction.get(deployed.name);
    if (own === undefined) this.#byFunction.set(deployed.name, new Set([instance]));
    else own.add(instance);
    counters.instancesStarted += 1;
    return instance;
  }

  #environment(
    deployed: DeployedFunction,
    names: { token: string; id: string; logStream: string },
    forwarder: Forwarder | null,
  ): Record<string, string> {
    const { options, runtimeAddress, compiled } = this.#parts;
    return {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      LANG: "en_US.UTF-8",
      TZ: ":UTC",
      // The SDK inside a function wants some; the service does not verify them.
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      ...deployed.configuration.environment,
      _HANDLER: deployed.configuration.handler,
      LAMBDA_TASK_ROOT: deployed.code.directory,
      AWS_REGION: options.region,
      AWS_DEFAULT_REGION: options.region,
      AWS_EXECUTION_ENV: `AWS_Lambda_${deployed.configuration.runtime}`,
      AWS_LAMBDA_FUNCTION_NAME: deployed.name,
      AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(deployed.configuration.memoryMb),
      AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${deployed.name}`,
      AWS_LAMBDA_LOG_STREAM_NAME: names.logStream,
      AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
      AWS_LAMBDA_RUNTIME_API: runtimeAddress(),
      INFINICACHE_LOCAL_INSTANCE: names.token,
      INFINICACHE_LOCAL_COMPILED: compiled,
      ...(forwarder === null ? {} : { INFINICACHE_LOCAL_FORWARDER: forwarder.address }),
    };
  }

  #bandwidthOf(functionName: string): Bandwidth {
    return this.settings.bandwidthByFunction.get(functionName) ?? this.settings.bandwidth;
  }

  #reclaimStep(): void {
    const free = this.instances().filter((instance) => instance.isFree);
    const candidates = free.map(({ id, lastUsedMs }) => ({ id, idleSinceMs: lastUsedMs }));
    const taken = new Set(this.#model.step(performance.now(), candidates));
    this.kill(
      free.filter(({ id }) => taken.has(id)),
      "reclaim",
    );
  }

  #watchMemory(): void {
    if (!this.#parts.options.enforceMemory) return;
    for (const instance of this.#byToken.values()) {
      if (instance.state !== "busy") continue;
      const limit = instance.deployed.configuration.memoryMb * MEBIBYTE;
      if (instance.residentBytes() > limit) instance.kill("memory");
    }
  }
}
