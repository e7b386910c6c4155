// The origin tier: a cache with an origin behind it, and the interface of the cache before it. A miss is answered from
// the origin (loads.ts), a change is written through to it where that is asked for (changes.ts). Everything else is the
// cache's own. Without an origin this file is not in anybody's way.

import type {
  Body,
  Cache,
  CallOptions,
  GetOptions,
  LeasingCache,
  ManyOptions,
  Miss,
  NearStatus,
  NewObject,
  ObjectInfo,
  PutOptions,
  PutResult,
} from "../client/api.ts";
import { aborted, Flights } from "../client/get-or-set.ts";
import type { OpenedStream } from "../client/get-stream.ts";
import { ManyLane } from "../client/many.ts";
import { collect } from "../client/put-stream.ts";
import { checkGet, checkGetOrSet, checkKey, checkPut, invalid } from "../client/validate.ts";
import { AssertionError } from "../core/assert.ts";
import { CacheError } from "../core/errors.ts";
import { DEADLINE_MS_DEFAULT } from "../core/limits.ts";
import type { Clock, WallClock } from "../core/ports.ts";
import type { OriginStatus } from "../core/status.ts";
import { clip, copies, cut, originError, WatchedBody } from "./bodies.ts";
import { Changes } from "./changes.ts";
import { isOutOfReach, LOAD_MS_MAX, Loads, type WholeObject } from "./loads.ts";
import type { OriginObject, OriginReader, OriginStore } from "./store.ts";
import { Turns } from "./turns.ts";

/** How often a read begins anew because what was loaded was changed, or gone, before it was read. */
const ATTEMPTS_MAX = 4;
/** Readers that read the origin by themselves at once, because the cache cannot take the object. */
const APART_MAX = 16;

const ABSENT: Miss = { kind: "miss", reason: "absent" };
const UNREACHABLE: Miss = { kind: "miss", reason: "unreachable" };
const NO_TIMINGS = { foundMs: 0, receiveMs: 0, decodeMs: 0, totalMs: 0, reconstructed: 0 };

/** An object of the origin that one reader reads. */
interface ApartObject extends OriginObject {
  readonly body: WatchedBody;
}

/** What a tier is made of. */
export interface TierOptions {
  readonly cache: LeasingCache;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  /** `store`: changes go to the origin, too. `reader`: they are the cache's alone. */
  readonly origin:
    | { readonly kind: "reader"; readonly reader: OriginReader }
    | { readonly kind: "store"; readonly store: OriginStore };
  /** For people: read-through, write-through, write-behind. */
  readonly mode: string;
  /** How long a key that the origin does not have is not asked for again. Default 0: it is asked at each miss. */
  readonly absentMs?: number;
  /** What there is to say of the journal. */
  readonly journal?: () => OriginStatus["journal"];
}

/** See the header. */
export class OriginTier implements Cache {
  readonly #options: TierOptions;
  readonly #cache: LeasingCache;
  readonly #reader: OriginReader;
  readonly #loads: Loads;
  readonly #changes: Changes | null;
  readonly #flights: Flights<Uint8Array>;
  readonly #many: ManyLane;
  readonly #apart = new Turns("readers of the origin", APART_MAX);
  readonly #closing = new AbortController();
  #apartReads = 0;

  constructor(options: TierOptions) {
    const { cache, clock, wallClock, origin, absentMs = 0 } = options;
    this.#options = options;
    this.#cache = cache;
    this.#reader = origin.kind === "reader" ? origin.reader : origin.store;
    this.#loads = new Loads({ cache, origin: this.#reader, clock, wallClock, absentMs });
    this.#changes =
      origin.kind === "store"
        ? new Changes({ cache, origin: origin.store, clock, wallClock })
        : null;
    this.#flights = new Flights(clock);
    this.#many = new ManyLane(clock, undefined);
  }

  /** Counts since the beginning, and what is under way. */
  originStatus(): OriginStatus {
    const { counts, underWay } = this.#loads;
    const writes = this.#changes?.counts ?? { writes: 0, writesFailed: 0, notCached: 0 };
    const { mode, journal } = this.#options;
    return {
      mode,
      ...counts,
      loadsUnderWay: underWay,
      apartReads: this.#apartReads,
      ...writes,
      journal: journal?.() ?? null,
    };
  }

  async put(key: string, body: Body, options: PutOptions = {}): Promise<PutResult> {
    checkKey(key);
    checkPut(options);
    this.#loads.changed(key);
    if (this.#changes === null) return await this.#cache.put(key, body, options);
    if (
      body instanceof Uint8Array &&
      options.length !== undefined &&
      options.length !== body.length
    )
      throw invalid(`the body has ${body.length} bytes, announced were ${options.length}`);
    return await this.#changes.put(key, body, options);
  }

  async delete(key: string, options: CallOptions = {}): Promise<boolean> {
    if (this.#changes === null) return await this.#cache.delete(key, options);
    checkKey(key);
    return await this.#changes.remove(key, options);
  }

  async get(key: string, options: GetOptions = {}) {
    return await this.#read(key, options, {
      fromCache: async (call) => await this.#cache.get(key, call),
      fromWhole: (object) => {
        const { start, end } = clip(options.range, object.bytes.length);
        const bytes = object.bytes.slice(start, end);
        return { kind: "hit", object: this.#infoOf(object), bytes, timings: NO_TIMINGS } as const;
      },
      fromApart: async (object, range, left) => {
        const bytes = await collect(cut(object.body, range, left));
        return { kind: "hit", object: apartInfo(key, object), bytes, timings: NO_TIMINGS } as const;
      },
    });
  }

  async getMany(keys: readonly string[], options: GetOptions & ManyOptions = {}) {
    return await this.#many.get(this, keys, options);
  }

  async putMany(objects: readonly NewObject[], options: PutOptions & ManyOptions = {}) {
    return await this.#many.put(this, objects, options);
  }

  async getInto(key: string, into: Uint8Array, options: GetOptions = {}) {
    const fill = (object: ObjectInfo, from: Uint8Array) => {
      if (from.length > into.length)
        throw new CacheError(
          "ICACHE_TOO_LARGE",
          `${from.length} bytes do not fit into ${into.length}`,
        );
      into.set(from);
      return { kind: "hit", object, bytes: from.length, timings: NO_TIMINGS } as const;
    };
    return await this.#read(key, options, {
      fromCache: async (call) => await this.#cache.getInto(key, into, call),
      fromWhole: (object) => {
        const { start, end } = clip(options.range, object.bytes.length);
        return fill(this.#infoOf(object), object.bytes.subarray(start, end));
      },
      fromApart: async (object, range, left) =>
        fill(apartInfo(key, object), await collect(cut(object.body, range, left))),
    });
  }

  async getStream(key: string, options: GetOptions = {}): Promise<OpenedStream> {
    return await this.#read<Extract<OpenedStream, { readonly kind: "hit" }>>(key, options, {
      fromCache: async (call) => await this.#cache.getStream(key, call),
      fromWhole: (object) => {
        const range = clip(options.range, object.bytes.length);
        const info = this.#infoOf(object);
        return { kind: "hit", object: info, ...range, body: copies(object.bytes, range) };
      },
      fromApart: async (object, range, left) => ({
        kind: "hit",
        object: apartInfo(key, object),
        ...range,
        body: cut(object.body, range, left),
      }),
    });
  }

  async stat(key: string, options: CallOptions = {}) {
    // What is not in the cache has no version to tell.
    const found = await this.#read<{ readonly kind: "hit"; readonly object: ObjectInfo } | Miss>(
      key,
      options,
      {
        fromCache: async (call) => await this.#cache.stat(key, call),
        fromWhole: (object) =>
          object.stored === null ? UNREACHABLE : { kind: "hit", object: this.#infoOf(object) },
        fromApart: null,
      },
    );
    return found;
  }

  async has(key: string, options: CallOptions = {}): Promise<boolean> {
    return (await this.stat(key, options)).kind === "hit";
  }

  async clear(prefix: string, options: CallOptions = {}): Promise<number> {
    return await this.#cache.clear(prefix, options);
  }

  list(options?: Parameters<Cache["list"]>[0]): ReturnType<Cache["list"]> {
    return this.#cache.list(options);
  }

  async getOrSet(
    key: string,
    loader: (signal: AbortSignal) => Promise<Body>,
    options: PutOptions & GetOptions = {},
  ): Promise<Uint8Array> {
    checkKey(key);
    checkGetOrSet(options);
    if (typeof loader !== "function") throw invalid("getOrSet needs a function that loads");
    const { deadlineMs = DEADLINE_MS_DEFAULT, signal, firstD, range: _range, ...put } = options;
    return await this.#flights.join(key, { deadlineMs, signal }, async (flightSignal) => {
      const call = { signal: flightSignal, deadlineMs };
      const read = await this.get(key, firstD === undefined ? call : { ...call, firstD });
      if (read.kind === "hit") return read.bytes;
      const bytes = await collect(await loader(flightSignal));
      await this.put(key, bytes, { ...put, ...call });
      return bytes;
    });
  }

  near(): NearStatus | null {
    return this.#cache.near();
  }

  async status(options: CallOptions = {}): Promise<unknown> {
    return await this.#cache.status(options);
  }

  async ping(options: CallOptions = {}): Promise<number> {
    return await this.#cache.ping(options);
  }

  /** Ends what is under way, lets the origin finish what it has acknowledged, within its bound, and closes the cache. */
  async close(): Promise<void> {
    const error = new CacheError("ICACHE_CLOSED", "the cache was closed");
    this.#closing.abort(error);
    this.#flights.close(error);
    this.#loads.close(error);
    this.#changes?.close(error);
    await this.#reader.close();
    await this.#cache.close();
  }

  async #read<Hit>(
    key: string,
    options: GetOptions,
    how: {
      readonly fromCache: (call: GetOptions) => Promise<Hit | Miss>;
      readonly fromWhole: (object: WholeObject) => Hit;
      /** Null: a miss instead. */
      readonly fromApart:
        | ((
            object: ApartObject,
            range: { readonly start: number; readonly end: number },
            left: () => void,
          ) => Promise<Hit>)
        | null;
    },
  ): Promise<Hit | Miss> {
    checkKey(key);
    checkGet(options);
    const { clock } = this.#options;
    const { deadlineMs = DEADLINE_MS_DEFAULT, signal } = options;
    const deadlineAt = clock.now() + deadlineMs;
    for (let attempt = 1; ; attempt += 1) {
      const left = { deadlineMs: Math.max(1, Math.ceil(deadlineAt - clock.now())), signal };
      const call = signal === undefined ? { deadlineMs: left.deadlineMs } : { ...left, signal };
      const read = await how.fromCache({ ...options, ...call }).catch(unreachableOrThrow);
      if (!isMiss(read)) return read;
      const loaded = await this.#loads.load(key, left);
      if (loaded.kind === "absent") return ABSENT;
      if (loaded.kind === "whole") return how.fromWhole(loaded.object);
      // Loaded, and not to be read: evicted already, or its functions are out of reach.
      if (loaded.kind === "apart" || attempt === ATTEMPTS_MAX) {
        if (how.fromApart === null) return UNREACHABLE;
        return await this.#readApart(key, options, how.fromApart);
      }
    }
  }

  async #readApart<Hit>(
    key: string,
    options: GetOptions,
    open: (
      object: ApartObject,
      range: { readonly start: number; readonly end: number },
      left: () => void,
    ) => Promise<Hit>,
  ): Promise<Hit | Miss> {
    const { clock, wallClock } = this.#options;
    const signals = [
      this.#closing.signal,
      ...(options.signal === undefined ? [] : [options.signal]),
    ];
    const late = new AbortController();
    const signal = AbortSignal.any([...signals, late.signal]);
    const leave = await this.#apart.take(signal).catch((error: unknown) => {
      throw options.signal?.aborted === true ? aborted(options.signal) : error;
    });
    const timer = clock.setTimer(LOAD_MS_MAX, () => late.abort(originError("read for too long")));
    let isLeft = false;
    const left = (): void => {
      timer.cancel();
      if (!isLeft) leave();
      isLeft = true;
    };
    try {
      const object = await this.#reader.get(key, signal);
      const isExpired =
        object !== null && object.expiresAtMs !== null && object.expiresAtMs <= wallClock.now();
      if (object === null || isExpired || object.bytes === null) {
        if (object !== null) await new WatchedBody(object.body, null).leave();
        left();
        return object === null || isExpired ? ABSENT : UNREACHABLE;
      }
      this.#apartReads += 1;
      const body = new WatchedBody(object.body, object.bytes);
      return await open({ ...object, body }, clip(options.range, object.bytes), left);
    } catch (error) {
      left();
      throw options.signal?.aborted === true ? aborted(options.signal) : error;
    }
  }

  #infoOf({ key, bytes, metadata, expiresAtMs, stored }: WholeObject): ObjectInfo {
    return {
      key,
      bytes: bytes.length,
      version: stored?.version ?? 0,
      code: stored?.code ?? { dataChunks: 1, parityChunks: 0 },
      stripes: bytes.length === 0 ? 0 : 1,
      createdAt: new Date(this.#options.wallClock.now()),
      expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs),
      metadata,
    };
  }
}

/** What the cache did not take has version 0: nothing may be concluded from its being equal. */
function apartInfo(key: string, { bytes, metadata, expiresAtMs }: OriginObject): ObjectInfo {
  return {
    key,
    bytes: bytes ?? 0,
    version: 0,
    code: { dataChunks: 1, parityChunks: 0 },
    stripes: 1,
    createdAt: new Date(0),
    expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs),
    metadata,
  };
}

function isMiss<Hit>(read: Hit | Miss): read is Miss {
  return typeof read === "object" && read !== null && "kind" in read && read.kind === "miss";
}

function unreachableOrThrow(error: unknown): Miss {
  if (error instanceof AssertionError || !isOutOfReach(error)) throw error;
  return UNREACHABLE;
}
