// Loads: one per key at a time, for all who wait in this process, and by a lease for all other processes too. What was
// loaded is stored only if nobody has changed the key since the lease was granted, which is before the origin was asked;
// so an older version never takes the place of a newer one. Neither bytes nor errors are kept.

import type { HeldLease, LeaseAnswer, LeasingCache, LoadEnd, PutOptions } from "../client/api.ts";
import { Flights } from "../client/get-or-set.ts";
import { CacheError, isErrorCode } from "../core/errors.ts";
import type { Clock, WallClock } from "../core/ports.ts";
import { originError, WatchedBody } from "./bodies.ts";
import type { OriginObject, OriginReader } from "./store.ts";
import { Turns } from "./turns.ts";

/** A load may take so long, whoever waits: once begun it goes on, so that the next reader finds the object. */
export const LOAD_MS_MAX = 3_600_000;
/** Loads under way at once. */
const LOADS_MAX = 64;
/** Objects up to this are loaded into memory and handed to all who wait; larger ones go straight into the cache. */
const WHOLE_BYTES_MAX = 4 * 1_024 * 1_024;
/** Keys known to be absent; the oldest go first. */
const ABSENT_KEYS_MAX = 10_000;

/** An object in memory. */
export interface WholeObject {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
  readonly expiresAtMs: number | null;
  /** What the cache made of it; null: it was not stored. */
  readonly stored: Pick<StoredPut, "version" | "code"> | null;
}

type StoredPut = Extract<Awaited<ReturnType<LeasingCache["put"]>>, { readonly kind: "stored" }>;

/** What a load came to. `again`: begin anew. `apart`: the cache cannot take it, and each reader has to read the origin. */
export type LoadResult =
  | { readonly kind: "stored" | "absent" | "again" | "apart" }
  | { readonly kind: "whole"; readonly object: WholeObject };

/** What loads need. */
export interface LoadContext {
  readonly cache: LeasingCache;
  readonly origin: OriginReader;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  /** How long a key that the origin does not have is not asked for again; 0: not at all. */
  readonly absentMs: number;
}

/** What has been counted, for the status. */
export interface LoadCounts {
  loads: number;
  loadsFailed: number;
  /** The origin had none. */
  loadsAbsent: number;
  /** Changed meanwhile, and so not stored. */
  loadsOvertaken: number;
}

/** See the header. */
export class Loads {
  readonly counts: LoadCounts = { loads: 0, loadsFailed: 0, loadsAbsent: 0, loadsOvertaken: 0 };
  readonly #context: LoadContext;
  readonly #flights: Flights<LoadResult>;
  readonly #turns = new Turns("loads", LOADS_MAX);
  readonly #closing = new AbortController();
  /** Until when, by key. */
  readonly #absent = new Map<string, number>();

  constructor(context: LoadContext) {
    this.#context = context;
    this.#flights = new Flights(context.clock);
  }

  get underWay(): number {
    return this.#turns.insideCount;
  }

  /** Joins the load of the key, or begins it. Rejects with what the origin threw. */
  load(
    key: string,
    wait: { readonly deadlineMs: number; readonly signal: AbortSignal | undefined },
  ): Promise<LoadResult> {
    if (this.#isKnownAbsent(key)) return Promise.resolve({ kind: "absent" });
    return this.#flights.join(key, wait, () => this.#load(key));
  }

  /** The key may have come to be: it is no longer known to be absent. */
  changed(key: string): void {
    this.#absent.delete(key);
  }

  close(error: CacheError): void {
    this.#flights.close(error);
    this.#closing.abort(error);
  }

  async #load(key: string): Promise<LoadResult> {
    const { signal } = this.#closing;
    const leave = await this.#turns.take(signal);
    try {
      const answer = await this.#ask(key);
      if (answer === null) return { kind: "apart" };
      if (answer.kind === "over") return this.#told(answer);
      return await this.#loadHeld(key, answer);
    } finally {
      leave();
    }
  }

  /** Null: the cache is out of reach. Nothing can be shared then: nobody knows who changes what meanwhile. */
  async #ask(key: string): Promise<LeaseAnswer | null> {
    const { cache } = this.#context;
    try {
      return await cache.lease(key, "load", {
        signal: this.#closing.signal,
        deadlineMs: LOAD_MS_MAX,
      });
    } catch (error) {
      if (isOutOfReach(error)) return null;
      throw error;
    }
  }

  #told({ outcome, code, reason }: Exclude<LeaseAnswer, HeldLease>): LoadResult {
    if (outcome === "absent") return { kind: "absent" };
    if (outcome !== "failed") return { kind: "stored" };
    throw new CacheError(isErrorCode(code) ? code : "ICACHE_ORIGIN", reason);
  }

  async #loadHeld(key: string, lease: HeldLease): Promise<LoadResult> {
    this.counts.loads += 1;
    let end: LoadEnd = { outcome: "released" };
    let result: LoadResult;
    try {
      const loaded = await this.#loadAndStore(key, lease.lease);
      result = loaded.result;
      end = loaded.end;
    } catch (error) {
      this.counts.loadsFailed += 1;
      await lease.end(failureOf(error));
      throw error;
    }
    const isValid = await lease.end(end);
    if (result.kind === "stored" || result.kind === "again") return result;
    const isStored = result.kind === "whole" && result.object.stored !== null;
    if (!isValid && !isStored) {
      this.counts.loadsOvertaken += 1;
      return { kind: "again" };
    }
    if (result.kind === "absent") {
      this.counts.loadsAbsent += 1;
      this.#noteAbsent(key);
    }
    return result;
  }

  async #loadAndStore(
    key: string,
    lease: number,
  ): Promise<{ readonly result: LoadResult; readonly end: LoadEnd }> {
    const { origin, wallClock } = this.#context;
    const object = await origin.get(key, this.#closing.signal);
    if (object === null) return { result: { kind: "absent" }, end: { outcome: "absent" } };
    const body = new WatchedBody(object.body, object.bytes);
    if (object.expiresAtMs !== null && object.expiresAtMs <= wallClock.now()) {
      await body.leave();
      return { result: { kind: "absent" }, end: { outcome: "absent" } };
    }
    const isSmall = object.bytes !== null && object.bytes <= WHOLE_BYTES_MAX;
    return isSmall
      ? await this.#whole(key, object, body, lease)
      : await this.#streamed(key, object, body, lease);
  }

  async #whole(
    key: string,
    { bytes: length, metadata, expiresAtMs }: OriginObject,
    body: WatchedBody,
    lease: number,
  ): Promise<{ readonly result: LoadResult; readonly end: LoadEnd }> {
    const bytes = new Uint8Array(length ?? 0);
    let at = 0;
    for await (const part of body) {
      bytes.set(part, at);
      at += part.length;
    }
    const object = { key, bytes, metadata, expiresAtMs, stored: null };
    const put = await this.#put(key, bytes, { metadata, lease }, expiresAtMs);
    if (put === "overtaken") return { result: { kind: "again" }, end: { outcome: "released" } };
    if (put === null) return { result: { kind: "whole", object }, end: { outcome: "released" } };
    return {
      result: { kind: "whole", object: { ...object, stored: put } },
      end: { outcome: "loaded" },
    };
  }

  async #streamed(
    key: string,
    { bytes, metadata, expiresAtMs }: OriginObject,
    body: WatchedBody,
    lease: number,
  ): Promise<{ readonly result: LoadResult; readonly end: LoadEnd }> {
    const length = bytes === null ? {} : { length: bytes };
    try {
      const put = await this.#put(key, body, { metadata, lease, ...length }, expiresAtMs);
      if (body.fault !== null) throw body.fault.error;
      if (put === "overtaken") return { result: { kind: "again" }, end: { outcome: "released" } };
      if (put === null) return { result: { kind: "apart" }, end: { outcome: "released" } };
      return { result: { kind: "stored" }, end: { outcome: "loaded" } };
    } finally {
      await body.leave();
    }
  }

  /** Null: the cache cannot take it. */
  async #put(
    key: string,
    body: Uint8Array | WatchedBody,
    options: PutOptions,
    expiresAtMs: number | null,
  ): Promise<StoredPut | "overtaken" | null> {
    const { cache, wallClock } = this.#context;
    const ttl =
      expiresAtMs === null ? {} : { ttlMs: Math.max(1, Math.ceil(expiresAtMs - wallClock.now())) };
    const call = { signal: this.#closing.signal, deadlineMs: LOAD_MS_MAX };
    try {
      const put = await cache.put(key, body, { ...options, ...ttl, ...call });
      if (put.kind === "stored") return put;
      this.counts.loadsOvertaken += 1;
      return "overtaken";
    } catch (error) {
      if (body instanceof WatchedBody && body.fault !== null) throw body.fault.error;
      if (!(error instanceof CacheError) || error.code === "ICACHE_INVALID") throw error;
      if (this.#closing.signal.aborted) throw error;
      return null;
    }
  }

  #isKnownAbsent(key: string): boolean {
    const until = this.#absent.get(key);
    if (until === undefined) return false;
    if (until > this.#context.clock.now()) return true;
    this.#absent.delete(key);
    return false;
  }

  #noteAbsent(key: string): void {
    const { absentMs, clock } = this.#context;
    if (absentMs === 0) return;
    this.#absent.delete(key);
    this.#absent.set(key, clock.now() + absentMs);
    const [oldest] = this.#absent.keys();
    if (this.#absent.size > ABSENT_KEYS_MAX && oldest !== undefined) this.#absent.delete(oldest);
  }
}

/** Whether the cache did not answer, rather than refuse. */
export function isOutOfReach(error: unknown): boolean {
  const codes = ["ICACHE_UNREACHABLE", "ICACHE_DEADLINE", "ICACHE_OVERLOADED"];
  return error instanceof CacheError && codes.includes(error.code);
}

function failureOf(error: unknown): LoadEnd {
  const { code, message } =
    error instanceof CacheError ? error : originError(`the load failed: ${String(error)}`);
  return { outcome: "failed", code, reason: message };
}
