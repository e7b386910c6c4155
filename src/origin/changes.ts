// Changes written through: the origin has them durably before they are acknowledged, and the cache never shows a version
// as stored that the origin refused. A lease orders the changes of one key over all processes. If the cache cannot take
// what the origin has, the older copy is removed, and the next read loads the new one.

import type { Body, HeldLease, LeasingCache, PutOptions, PutResult } from "../client/api.ts";
import { aborted } from "../client/get-or-set.ts";
import { AssertionError } from "../core/assert.ts";
import { CacheError } from "../core/errors.ts";
import type { Clock, WallClock } from "../core/ports.ts";
import { originError, partsOf, WatchedBody } from "./bodies.ts";
import { LOAD_MS_MAX } from "./loads.ts";
import type { OriginPut, OriginStore } from "./store.ts";
import { Tee } from "./tee.ts";
import { Turns } from "./turns.ts";

/** Changes under way at once. */
const CHANGES_MAX = 64;
/** Of those, PUTs of streams: each holds a place among the proxy's PUTs until the origin has its last byte. */
const STREAMS_MAX = 8;
/** How often, and how long, an older copy is tried to be removed. */
const REMOVALS_MAX = 3;
const REMOVAL_MS_MAX = 10_000;

/** What changes need. */
export interface ChangeContext {
  readonly cache: LeasingCache;
  readonly origin: OriginStore;
  readonly clock: Clock;
  readonly wallClock: WallClock;
}

/** See the header. */
export class Changes {
  readonly counts = { writes: 0, writesFailed: 0, notCached: 0 };
  readonly #context: ChangeContext;
  readonly #changes = new Turns("changes", CHANGES_MAX);
  readonly #streams = new Turns("streams", STREAMS_MAX);
  readonly #closing = new AbortController();

  constructor(context: ChangeContext) {
    this.#context = context;
  }

  /** Like `Cache.put`; of arguments that were checked. */
  async put(key: string, body: Body, options: PutOptions): Promise<PutResult> {
    return await this.#change(key, options, async (lease, signal) => {
      const { ttlMs, metadata = {}, ifAbsent = false, length } = options;
      const put: OriginPut = {
        bytes: body instanceof Uint8Array ? body.length : (length ?? null),
        metadata,
        expiresAtMs: ttlMs === undefined ? null : this.#context.wallClock.now() + ttlMs,
        ifAbsent: ifAbsent && !(await this.#isExpired(key, signal)),
        signal,
      };
      if (body instanceof Uint8Array) return await this.#putBuffer(key, body, put, options, lease);
      const leave = await this.#streams.take(signal);
      try {
        return await this.#putStream(key, body, put, options, lease);
      } finally {
        leave();
      }
    });
  }

  /** Like `Cache.delete`; true also when only the origin had it. */
  async remove(key: string, options: PutOptions): Promise<boolean> {
    return await this.#change(key, options, async (_lease, signal) => {
      const wasThere = await this.#context.origin.remove(key, signal);
      const wasCached = await this.#uncache(key);
      return wasThere || wasCached;
    });
  }

  close(error: CacheError): void {
    this.#closing.abort(error);
  }

  async #change<Value>(
    key: string,
    options: PutOptions,
    act: (lease: HeldLease, signal: AbortSignal) => Promise<Value>,
  ): Promise<Value> {
    const { cache, clock } = this.#context;
    const late = new AbortController();
    const { signal: wish, deadlineMs = LOAD_MS_MAX } = options;
    const timer = clock.setTimer(deadlineMs, () =>
      late.abort(
        new CacheError("ICACHE_DEADLINE", `the change did not end within ${deadlineMs} ms`),
      ),
    );
    const reasons = [this.#closing.signal, late.signal];
    const signal = AbortSignal.any(wish === undefined ? reasons : [...reasons, wish]);
    let leave = (): void => {};
    let lease: HeldLease | null = null;
    try {
      leave = await this.#changes.take(signal);
      const answer = await cache.lease(key, "change", { signal, deadlineMs });
      if (answer.kind === "over")
        throw new CacheError("ICACHE_PROTOCOL", "a change was told to be over before it began");
      lease = answer;
      const value = await act(lease, signal);
      this.counts.writes += 1;
      return value;
    } catch (error) {
      this.counts.writesFailed += 1;
      if (wish?.aborted === true) throw aborted(wish);
      throw signal.aborted ? signal.reason : error;
    } finally {
      timer.cancel();
      await lease?.end({ outcome: "released" });
      leave();
    }
  }

  async #putBuffer(
    key: string,
    bytes: Uint8Array,
    put: OriginPut,
    options: PutOptions,
    lease: HeldLease,
  ): Promise<PutResult> {
    const { origin, cache } = this.#context;
    const outcome = await origin.put(key, partsOf(bytes), put);
    if (outcome === "exists") return { kind: "exists", version: 0 };
    const stored = cache.put(key, bytes, cachePut(options, lease)).catch(cacheFault);
    return await this.#settle(key, await stored, bytes.length);
  }

  async #putStream(
    key: string,
    body: AsyncIterable<Uint8Array>,
    put: OriginPut,
    options: PutOptions,
    lease: HeldLease,
  ): Promise<PutResult> {
    const { origin, cache } = this.#context;
    const watched = new WatchedBody(body, put.bytes);
    const tee = new Tee(watched);
    const leader = tee.leader();
    const caching = cache
      .put(key, tee.follower(), cachePut(options, lease))
      .catch(cacheFault)
      .finally(() => tee.dropFollower());
    let refusal: unknown = originError("the object exists at the origin");
    try {
      const outcome = await origin.put(key, leader, put);
      if (outcome === "stored") {
        tee.commit();
        return await this.#settle(key, await caching, tee.bytes);
      }
      return { kind: "exists", version: 0 };
    } catch (error) {
      refusal = tee.fault === null ? error : ofSource(tee.fault.error, put);
      throw refusal;
    } finally {
      tee.fail(refusal); // Of no effect when the origin has taken it.
      leader.return().catch(() => undefined);
      await caching;
    }
  }

  /** The origin has the object: what does the cache have? */
  async #settle(key: string, cached: PutResult | null, bytes: number): Promise<PutResult> {
    if (cached?.kind === "stored") return cached;
    this.counts.notCached += 1;
    await this.#uncache(key);
    return { kind: "stored", version: 0, bytes, code: { dataChunks: 1, parityChunks: 0 } };
  }

  async #uncache(key: string): Promise<boolean> {
    const { cache } = this.#context;
    let last: unknown = null;
    for (let attempt = 0; attempt < REMOVALS_MAX; attempt += 1) {
      try {
        return await cache.delete(key, { deadlineMs: REMOVAL_MS_MAX });
      } catch (error) {
        last = error;
      }
    }
    const text = "the origin has the change, and an older copy may still be in the cache";
    throw new CacheError("ICACHE_OUTCOME_UNKNOWN", text, { cause: last });
  }

  /** The origin does not know what time it is: what has expired there does not exist. */
  async #isExpired(key: string, signal: AbortSignal): Promise<boolean> {
    const { origin, wallClock } = this.#context;
    const found = await origin.head(key, signal);
    const expiresAtMs = found?.expiresAtMs ?? null;
    return expiresAtMs !== null && expiresAtMs <= wallClock.now();
  }
}

/** The caller's signal is left out: once the origin is written, the cache has to be brought into line. */
function cachePut({ ttlMs, metadata, code, length }: PutOptions, { lease }: HeldLease): PutOptions {
  return {
    lease,
    deadlineMs: LOAD_MS_MAX,
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(code === undefined ? {} : { code }),
    ...(length === undefined ? {} : { length }),
  };
}

/** Whatever the cache says against it, the origin decides. */
function cacheFault(error: unknown): null {
  if (error instanceof AssertionError) throw error;
  return null;
}

/** The caller's own stream failed; one that is not as long as was said is the caller's mistake. */
function ofSource(error: unknown, { bytes }: OriginPut): unknown {
  const isLength = error instanceof CacheError && error.code === "ICACHE_ORIGIN" && bytes !== null;
  return isLength
    ? new CacheError("ICACHE_INVALID", `the body has not the ${bytes} bytes announced`)
    : error;
}
