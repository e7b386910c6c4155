// What acceptance tests do to functions and see of them: the admin API of the local Lambda service over HTTP.
// The proxy is never told; it finds out as it would on AWS.

/** A living instance, as far as the tests look. */
export interface InstanceRow {
  readonly function: string;
  readonly id: string;
  readonly pid: number;
  readonly state: "starting" | "busy" | "idle-frozen";
  readonly invocations: number;
}

/** What the service has counted since its start. */
export interface ServiceCounters {
  readonly invocations: number;
  readonly instancesStarted: number;
  readonly reclaims: number;
  readonly throttles: number;
  readonly timeouts: number;
  readonly crashes: number;
}

/** Which instances an action means. */
export type Selection =
  | { readonly count: number }
  | { readonly function: string }
  | { readonly instance: string };

/** What the service does to invocations from now on; as `POST faults` takes it. */
export interface ServiceFaults {
  readonly throttleMs?: number;
  readonly unavailableMs?: number;
  readonly coldStartDelayMs?: number;
  readonly invokeOverheadMs?: number;
  readonly instancePolicy?: "most-recent" | "least-recent" | "random" | "cold";
  readonly coldProbability?: number;
}

const ANSWER_MS_MAX = 10_000;

/** Talks to one service. */
export class LambdaAdmin {
  readonly #url: string;

  constructor(url: string) {
    this.#url = `${url}/infinicache/admin/`;
  }

  async instances(): Promise<readonly InstanceRow[]> {
    const answer = await this.#call<{ instances: readonly InstanceRow[] }>("GET", "instances");
    return answer.instances;
  }

  counters(): Promise<ServiceCounters> {
    return this.#call("GET", "counters");
  }

  /** The ids of those that were killed. */
  async kill(selection: Selection): Promise<readonly string[]> {
    const answer = await this.#call<{ killed: readonly string[] }>("POST", "kill", selection);
    return answer.killed;
  }

  /** Stops instances so that no invocation thaws them. */
  async freeze(selection: Selection): Promise<readonly string[]> {
    const answer = await this.#call<{ frozen: readonly string[] }>("POST", "freeze", selection);
    return answer.frozen;
  }

  async reclaimAll(): Promise<readonly string[]> {
    return (await this.#call<{ killed: readonly string[] }>("POST", "reclaim-all", {})).killed;
  }

  /** Caps what each instance moves, each way, of one function or all; only with `--freeze forwarder`. */
  async bandwidth(bandwidth: "unlimited" | "flat" | number, name?: string): Promise<void> {
    const which = name === undefined ? {} : { function: name };
    await this.#call("POST", "bandwidth", { bandwidth, ...which });
  }

  async faults(faults: ServiceFaults): Promise<void> {
    await this.#call("POST", "faults", faults);
  }

  async thaw(): Promise<readonly string[]> {
    return (await this.#call<{ thawed: readonly string[] }>("POST", "thaw", {})).thawed;
  }

  async #call<Answer>(method: string, operation: string, fields?: object): Promise<Answer> {
    const response = await fetch(this.#url + operation, {
      method,
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
      ...(fields === undefined ? {} : { body: JSON.stringify(fields) }),
    });
    if (!response.ok) throw new Error(`${operation}: ${response.status} ${await response.text()}`);
    // The service is of this package, and answers as admin-api.ts says.
    return (await response.json()) as Answer;
  }
}
