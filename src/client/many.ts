// Calls for many keys: each key is an ordinary operation, begun as the bound allows, and its outcome is its own. All such
// calls of one client share one bound and take turns at it. It knows nothing of what the operations do.

import { AssertionError, assert } from "../core/assert.ts";
import { CacheError } from "../core/errors.ts";
import { DEADLINE_MS_DEFAULT } from "../core/limits.ts";
import type { Clock } from "../core/ports.ts";
import type {
  Cache,
  CallOptions,
  Failed,
  GetOptions,
  Hit,
  ManyOptions,
  Miss,
  NewObject,
  PutOptions,
  PutResult,
} from "./api.ts";
import { Gate } from "./gate.ts";
import { aborted } from "./get-or-set.ts";
import {
  checkGetMany,
  checkMany,
  checkNewObject,
  checkPutMany,
  MANY_AT_ONCE_MAX,
} from "./validate.ts";

/** Calls for many keys under way and waiting, of one client. */
export const MANY_CALLS_MAX = 1_024;

/** The places that all calls of one client share: a call waits for one at a time, so that calls take turns. */
export class ManyLane {
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly gate = new Gate(MANY_AT_ONCE_MAX, MANY_CALLS_MAX);
  #callCount = 0;

  constructor(clock: Clock, deadlineMs: number | undefined) {
    this.clock = clock;
    this.deadlineMs = deadlineMs ?? DEADLINE_MS_DEFAULT;
  }

  /** Reads each key with `cache.get`; see `Cache.getMany`. */
  async get(
    cache: Pick<Cache, "get">,
    keys: readonly string[],
    options: GetOptions & ManyOptions,
  ): Promise<readonly (Hit | Miss | Failed)[]> {
    checkMany("keys", keys);
    checkGetMany(options);
    const { atOnce, ...each } = options;
    const asked = [...keys]; // The caller may use its array again at once.
    const chains = asked.map((_, at) => [at]);
    return await this.#run<Hit | Miss>(
      chains,
      atOnce,
      options,
      (at, call) => cache.get(asked[at] as string, { ...each, ...call }), // What is no text is found out by the check.
    );
  }

  /** Stores each object with `cache.put`; see `Cache.putMany`. */
  async put(
    cache: Pick<Cache, "put">,
    objects: readonly NewObject[],
    options: PutOptions & ManyOptions,
  ): Promise<readonly (PutResult | Failed)[]> {
    checkMany("objects", objects);
    checkPutMany(options);
    const { atOnce, ...each } = options;
    const given = [...objects];
    return await this.#run<PutResult>(chainsOf(given), atOnce, options, async (at, call) => {
      const object = given[at] as NewObject; // What is none is found out by the check.
      const own = checkNewObject(object);
      return await cache.put(object.key, object.body, { ...each, ...own, ...call });
    });
  }

  async #run<Outcome>(
    chains: readonly (readonly number[])[],
    atOnce: number | undefined,
    { signal, deadlineMs = this.deadlineMs }: CallOptions,
    act: (at: number, call: CallOptions) => Promise<Outcome>,
  ): Promise<readonly (Outcome | Failed)[]> {
    if (signal?.aborted === true) throw aborted(signal);
    if (this.#callCount >= MANY_CALLS_MAX)
      throw new CacheError("ICACHE_OVERLOADED", "too many calls for many keys are under way");
    this.#callCount += 1;
    const options = { atOnce: atOnce ?? MANY_AT_ONCE_MAX, deadlineMs, signal };
    try {
      return await new ManyCall(this, chains, options, act).run();
    } finally {
      this.#callCount -= 1;
    }
  }
}

/** One call; see the header. */
class ManyCall<Outcome> {
  readonly #lane: ManyLane;
  readonly #chains: readonly (readonly number[])[];
  readonly #atOnce: number;
  readonly #signal: AbortSignal | undefined;
  readonly #deadlineMs: number;
  readonly #deadlineAt: number;
  readonly #act: (at: number, call: CallOptions) => Promise<Outcome>;
  readonly #outcomes: (Outcome | Failed)[] = [];
  #nextChain = 0;
  #underWay = 0;
  #withdraw: (() => void) | null = null;
  /** What ends the whole call: a signal, or a broken invariant. */
  #end: { readonly error: unknown } | null = null;
  #settled: () => void = () => {};

  constructor(
    lane: ManyLane,
    chains: readonly (readonly number[])[],
    options: {
      readonly atOnce: number;
      readonly deadlineMs: number;
      readonly signal: AbortSignal | undefined;
    },
    act: (at: number, call: CallOptions) => Promise<Outcome>,
  ) {
    this.#lane = lane;
    this.#chains = chains;
    this.#atOnce = options.atOnce;
    this.#signal = options.signal;
    this.#deadlineMs = options.deadlineMs;
    this.#deadlineAt = lane.clock.now() + options.deadlineMs;
    this.#act = act;
  }

  /** Begins what there is room for within this call; settles when nothing is under way any more. */
  async run(): Promise<readonly (Outcome | Failed)[]> {
    const onAbort = (): void => this.#stop({ error: aborted(this.#signal) });
    const timer = this.#lane.clock.setTimer(this.#deadlineMs, () => this.#stop(null));
    this.#signal?.addEventListener("abort", onAbort, { once: true });
    const over = new Promise<void>((resolve) => {
      this.#settled = resolve;
    });
    this.#fill();
    this.#settleIfOver();
    await over;
    timer.cancel();
    this.#signal?.removeEventListener("abort", onAbort);
    if (this.#end !== null) throw this.#end.error;
    return this.#outcomes;
  }

  #fill(): void {
    while (
      this.#withdraw === null &&
      this.#nextChain < this.#chains.length &&
      this.#underWay < this.#atOnce
    ) {
      let isWithin = true;
      let isIn = false;
      const withdraw = this.#lane.gate.enter(() => {
        isIn = true;
        this.#withdraw = null;
        void this.#runChain(this.#nextChain++);
        if (!isWithin) this.#fill();
      });
      isWithin = false;
      assert(withdraw !== null, "each call waits for one place at a time");
      if (!isIn) this.#withdraw = withdraw;
    }
  }

  async #runChain(chain: number): Promise<void> {
    this.#underWay += 1;
    for (const at of this.#chains[chain] ?? []) {
      if (this.#end === null) await this.#one(at);
    }
    this.#underWay -= 1;
    this.#lane.gate.leave();
    this.#fill();
    this.#settleIfOver();
  }

  async #one(at: number): Promise<void> {
    const leftMs = Math.ceil(this.#deadlineAt - this.#lane.clock.now());
    if (leftMs < 1) return this.#tooLate(at);
    const call = this.#signal === undefined ? {} : { signal: this.#signal };
    try {
      this.#outcomes[at] = await this.#act(at, { ...call, deadlineMs: leftMs });
    } catch (error) {
      if (error instanceof AssertionError) this.#stop({ error });
      else this.#outcomes[at] = { kind: "failed", error };
    }
  }

  /** Nothing begins any more; what is under way ends by itself: by its own deadline, or the same signal. */
  #stop(end: { readonly error: unknown } | null): void {
    this.#end ??= end;
    this.#withdraw?.();
    this.#withdraw = null;
    const begun = this.#nextChain;
    this.#nextChain = this.#chains.length;
    if (end === null) for (const at of this.#chains.slice(begun).flat()) this.#tooLate(at);
    this.#settleIfOver();
  }

  #tooLate(at: number): void {
    const text = `not begun within the call's ${this.#deadlineMs} ms`;
    this.#outcomes[at] = { kind: "failed", error: new CacheError("ICACHE_DEADLINE", text) };
  }

  #settleIfOver(): void {
    if (this.#underWay === 0 && this.#nextChain >= this.#chains.length) this.#settled();
  }
}

/** Objects of one key form a chain, in their order: one begins when the one before it has ended. */
function chainsOf(objects: readonly NewObject[]): readonly (readonly number[])[] {
  const chains = new Map<unknown, number[]>();
  for (const [at, object] of objects.entries()) {
    const key: unknown = object?.key;
    const chain = chains.get(key);
    if (chain === undefined) chains.set(key, [at]);
    else chain.push(at);
  }
  return [...chains.values()];
}
