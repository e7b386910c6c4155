// The cache as applications use it: promises, signals and argument checks around the synchronous operations.
// It decides nothing about the protocol; put-operation.ts, get-operation.ts and simple-operation.ts do.

import { CacheError } from "../core/errors.ts";
import { DEADLINE_MS_DEFAULT, STRIPE_BYTES_JOINED_MAX } from "../core/limits.ts";
import type { Clock, Crypto, Random } from "../core/ports.ts";
import type { Dialer } from "../wire/connection.ts";
import type { Message } from "../wire/messages.ts";
import type {
  Body,
  Cache,
  CallOptions,
  GetOptions,
  Miss,
  ObjectInfo,
  PutOptions,
  PutResult,
} from "./api.ts";
import { BufferPool } from "./buffer-pool.ts";
import { BufferSink } from "./buffer-sink.ts";
import { Gate, OPERATIONS_MAX, OPERATIONS_WAITING_MAX } from "./gate.ts";
import { GetOperation, type GetOutcome, STRIPES_AHEAD_MAX } from "./get-operation.ts";
import { aborted, Flights } from "./get-or-set.ts";
import type { Operation, OperationHost } from "./operation.ts";
import { PutOperation, type PutOutcome } from "./put-operation.ts";
import { BufferSource, StreamSource, type StripeSource } from "./put-source.ts";
import { collect, pumpStream } from "./put-stream.ts";
import { type RepairCounts, RepairQueue } from "./repair-queue.ts";
import {
  infoOf,
  readListing,
  readStatus,
  readStored,
  type StoredRow,
  timingsOf,
} from "./replies.ts";
import { Run, type RunContext, type RunOptions } from "./run.ts";
import { Session, UNREACHABLE_MS_DEFAULT } from "./session.ts";
import { PingOperation, type Reply, SimpleOperation } from "./simple-operation.ts";
import { StreamBody } from "./stream-body.ts";
import { READ_BYTES_PER_SECOND_MIN_DEFAULT, StreamSink } from "./stream-sink.ts";
import {
  checkCall,
  checkGet,
  checkGetOrSet,
  checkKey,
  checkList,
  checkPrefix,
  checkPut,
  DEADLINE_MS_MAX,
  invalid,
} from "./validate.ts";

const MIB = 1_024 * 1_024;
/** Rows asked for in one page of a listing. */
const LIST_ROWS_MAX = 1_000;

/** What a cache is made of, and its bounds. */
export interface CacheOptions {
  readonly dialer: Dialer;
  /** As the dialer understands it; `host:port` for TCP. */
  readonly address: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly token?: string;
  /** Says who we are, for the proxy's logs. */
  readonly agent?: string;
  /** The deadline of calls that name none. Default 60,000. */
  readonly deadlineMs?: number;
  /** Operations fail with `ICACHE_UNREACHABLE` after this long without a connection. Default 10,000. */
  readonly unreachableMs?: number;
  /** Streams read more slowly than this are cut off. Default 64 KiB. */
  readonly readBytesPerSecondMin?: number;
  /** Stripe buffers of streams being put; a stream needs two. Default 320 MiB. */
  readonly putStreamBytesMax?: number;
  /** Stripe buffers of streams being read; a stream needs one and uses two. Default 320 MiB. */
  readonly getStreamBytesMax?: number;
  /** Parity of stripes being put. Default 128 MiB. */
  readonly parityBytesMax?: number;
  /** Offer chunks that a read found lost to the proxy. Default true. */
  readonly repairs?: boolean;
  /** Makes memory that need not be zero. Default: zeroed memory. */
  readonly allocate?: (bytes: number) => Uint8Array;
}

/** What tests and the status page may look at. */
export interface CacheCounters {
  readonly operations: number;
  readonly dials: number;
  readonly pooledBytes: number;
  readonly repairs: Readonly<RepairCounts>;
  /** Results of loaders that could not be stored. */
  readonly loadsNotStored: number;
}

/** A cache over one proxy; see `Cache` for what its methods promise. Nothing is dialled before the first call. */
export function createCache(options: CacheOptions): ProxyCache {
  return new ProxyCache(options);
}

/** The implementation of `Cache`; made by `createCache`. */
export class ProxyCache implements Cache {
  readonly #options: CacheOptions;
  readonly #context: RunContext;
  readonly #allocate: (bytes: number) => Uint8Array;
  readonly #putPool: BufferPool;
  readonly #getPool: BufferPool;
  readonly #parityPool: BufferPool;
  readonly #scratchPool: BufferPool;
  readonly #repairs: RepairQueue;
  readonly #flights: Flights;
  readonly #runs = new Set<{ abandon(error: unknown): void }>();
  readonly #bodies = new Set<StreamBody>();
  #sequence = 0;
  #loadsNotStored = 0;
  #closing: Promise<void> | null = null;

  constructor(options: CacheOptions) {
    const { clock, random, dialer, address, crypto } = options;
    this.#options = options;
    this.#allocate = options.allocate ?? ((bytes) => new Uint8Array(bytes));
    this.#putPool = new BufferPool(
      options.putStreamBytesMax ?? 8 * STRIPE_BYTES_JOINED_MAX,
      this.#allocate,
    );
    this.#getPool = new BufferPool(
      options.getStreamBytesMax ?? 8 * STRIPE_BYTES_JOINED_MAX,
      this.#allocate,
    );
    this.#parityPool = new BufferPool(options.parityBytesMax ?? 128 * MIB, this.#allocate);
    // Scratch of reads is bounded by the reads under way; this is how much of it is kept for the next ones.
    this.#scratchPool = new BufferPool(128 * MIB, this.#allocate);
    const session = new Session({
      dialer,
      address,
      clock,
      random,
      clientId: crypto.randomBytes(16),
      token: options.token ?? "",
      agent: options.agent ?? "infinicache-js",
      unreachableMs: options.unreachableMs ?? UNREACHABLE_MS_DEFAULT,
    });
    this.#context = { clock, session, gate: new Gate(OPERATIONS_MAX, OPERATIONS_WAITING_MAX) };
    this.#repairs = new RepairQueue(this.#context);
    this.#flights = new Flights(clock);
  }

  /** Counts since the beginning, and what is in use now. */
  get counters(): CacheCounters {
    const pools = [this.#putPool, this.#getPool, this.#parityPool, this.#scratchPool];
    return {
      operations: this.#context.gate.insideCount,
      dials: this.#context.session.dials,
      pooledBytes: pools.reduce((sum, pool) => sum + pool.usedBytes, 0),
      repairs: { ...this.#repairs.counts },
      loadsNotStored: this.#loadsNotStored,
    };
  }

  async put(key: string, body: Body, options: PutOptions = {}): Promise<PutResult> {
    const objectKey = checkKey(key);
    checkPut(options);
    const { code = null, ttlMs = 0, ifAbsent = false, metadata = {}, length } = options;
    this.#sequence += 1;
    const request = {
      key: objectKey,
      sequence: this.#sequence,
      code,
      ttlMs,
      ifAbsent,
      metadata: Object.entries(metadata).map(([name, value]) => ({ name, value })),
    };
    const putFrom = (source: StripeSource, isStream: boolean, signal = options.signal) =>
      this.#run<PutOutcome>(
        {
          name: "put",
          deadlineFrom: isStream ? "progress" : "start",
          usesCallersMemory: !isStream,
        },
        signal === undefined ? options : { ...options, signal },
        (host) =>
          new PutOperation(
            host,
            { ...request, proxyDeadlineMs: isStream ? DEADLINE_MS_MAX : null },
            source,
            this.#parityPool,
          ),
      );
    if (body instanceof Uint8Array) {
      if (length !== undefined && length !== body.length)
        throw invalid(`the body has ${body.length} bytes, announced were ${length}`);
      return putFrom(new BufferSource(body), false);
    }
    if (!isAsyncIterable(body))
      throw invalid("a body is a Uint8Array or an async iterable of them");
    const source = new StreamSource(this.#putPool, length ?? null);
    let isOver = false;
    const put = putFrom(source, true).finally(() => {
      isOver = true;
      source.wake();
    });
    void pumpStream(body, source, () => isOver);
    return put;
  }

  async get(key: string, options: GetOptions = {}) {
    const { sink, outcome } = await this.#read(key, options, null);
    if (outcome.kind === "miss") return outcome;
    return {
      kind: "hit",
      object: infoOf(key, outcome.found.message),
      bytes: sink.result,
      timings: timingsOf(outcome),
    } as const;
  }

  async getInto(key: string, into: Uint8Array, options: GetOptions = {}) {
    if (!(into instanceof Uint8Array)) throw invalid("getInto needs a Uint8Array to fill");
    const { sink, outcome } = await this.#read(key, options, into);
    if (outcome.kind === "miss") return outcome;
    return {
      kind: "hit",
      object: infoOf(key, outcome.found.message),
      bytes: sink.result.length,
      timings: timingsOf(outcome),
    } as const;
  }

  async getStream(key: string, options: GetOptions = {}) {
    const objectKey = checkKey(key);
    checkGet(options);
    const { range = { start: 0 } } = options;
    const end = range.end ?? Number.MAX_SAFE_INTEGER;
    type Opened =
      | {
          readonly kind: "hit";
          readonly object: ObjectInfo;
          readonly start: number;
          readonly end: number;
          readonly body: AsyncIterable<Uint8Array>;
        }
      | Miss;
    return new Promise<Opened>((resolve, reject) => {
      let hasHit = false;
      const leaving = new AbortController();
      const sink = new StreamSink({
        pool: this.#getPool,
        clock: this.#context.clock,
        readBytesPerSecondMin:
          this.#options.readBytesPerSecondMin ?? READ_BYTES_PER_SECOND_MIN_DEFAULT,
        bytesMax: end - range.start,
        onHit: (found) => {
          hasHit = true;
          resolve({
            kind: "hit",
            object: infoOf(key, found.message),
            start: found.start,
            end: found.end,
            body,
          });
        },
        onReady: () => body.poke(),
        onRoom: () => core?.pull(),
        onSlow: (error) => {
          body.fail(error);
          leaving.abort(error);
        },
      });
      const body = new StreamBody(sink, () => {
        this.#bodies.delete(body);
        leaving.abort();
      });
      this.#bodies.add(body);
      let core: GetOperation | null = null;
      const request = {
        key: objectKey,
        start: range.start,
        end,
        wantAll: options.firstD === "all",
        stripesAhead: 1,
        proxyDeadlineMs: DEADLINE_MS_MAX,
      };
      const signals =
        options.signal === undefined ? [leaving.signal] : [leaving.signal, options.signal];
      const running = this.#run<GetOutcome>(
        { name: "getStream", deadlineFrom: "progress", usesCallersMemory: false },
        { ...options, signal: AbortSignal.any(signals) },
        (host) => {
          core = new GetOperation(host, request, sink, this.#scratchPool, this.#repairOffers);
          return core;
        },
      );
      const fail = (error: unknown) => {
        body.fail(error);
        this.#bodies.delete(body);
        if (hasHit) return;
        const isLate = error instanceof CacheError && error.code === "ICACHE_DEADLINE";
        if (isLate) resolve({ kind: "miss", reason: "unreachable" });
        else reject(error);
      };
      running.then((outcome) => {
        if (outcome.kind === "hit") return body.poke();
        if (hasHit)
          return fail(
            new CacheError(
              "ICACHE_UNREACHABLE",
              `the object could not be read to its end: ${outcome.reason}`,
            ),
          );
        this.#bodies.delete(body);
        resolve(outcome);
      }, fail);
    });
  }

  async stat(key: string, options: CallOptions = {}) {
    const objectKey = checkKey(key);
    checkCall(options);
    const reply = await this.#ask(
      "stat",
      options,
      { kind: "stat", key: objectKey },
      () => readStored,
    );
    return reply.kind === "miss" ? reply : ({ kind: "hit", object: infoOf(key, reply) } as const);
  }

  async has(key: string, options: CallOptions = {}): Promise<boolean> {
    return (await this.stat(key, options)).kind === "hit";
  }

  async delete(key: string, options: CallOptions = {}): Promise<boolean> {
    const objectKey = checkKey(key);
    checkCall(options);
    this.#sequence += 1;
    return this.#ask(
      "delete",
      options,
      { kind: "remove", key: objectKey, sequence: this.#sequence },
      () => (message) =>
        message.kind === "removed"
          ? { kind: "result", result: message.existed }
          : { kind: "unexpected" },
    );
  }

  async clear(prefix: string, options: CallOptions = {}): Promise<number> {
    checkCall(options);
    this.#sequence += 1;
    const request: Message = {
      kind: "clear",
      prefix: checkPrefix("prefix", prefix),
      sequence: this.#sequence,
    };
    return this.#ask(
      "clear",
      options,
      request,
      () => (message) =>
        message.kind === "cleared"
          ? { kind: "result", result: message.count }
          : { kind: "unexpected" },
    );
  }

  async *list(
    options: CallOptions & { readonly prefix?: string; readonly after?: string } = {},
  ): AsyncGenerator<StoredRow, void, undefined> {
    checkList(options);
    const prefix = checkPrefix("prefix", options.prefix);
    let after = checkPrefix("after", options.after);
    for (;;) {
      const page = await this.#ask(
        "list",
        options,
        { kind: "list", prefix, after, limit: LIST_ROWS_MAX },
        () => readListing,
      );
      yield* page.rows;
      const last = page.rows.at(-1);
      if (page.isLast || last === undefined) return;
      after = last.key;
    }
  }

  async getOrSet(
    key: string,
    loader: (signal: AbortSignal) => Promise<Body>,
    options: PutOptions & GetOptions = {},
  ): Promise<Uint8Array> {
    checkKey(key);
    checkGetOrSet(options);
    if (typeof loader !== "function") throw invalid("getOrSet needs a function that loads");
    this.#checkOpen();
    const deadlineMs = options.deadlineMs ?? this.#deadlineMs;
    return this.#flights.join(key, { deadlineMs, signal: options.signal }, (signal) =>
      this.#load(key, loader, options, signal),
    );
  }

  async status(options: CallOptions = {}): Promise<unknown> {
    checkCall(options);
    return this.#ask("status", options, { kind: "status" }, readStatus);
  }

  async ping(options: CallOptions = {}): Promise<number> {
    checkCall(options);
    return this.#run(
      { name: "ping", deadlineFrom: "start", usesCallersMemory: false },
      options,
      (host) => new PingOperation(host),
    );
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      const error = new CacheError("ICACHE_CLOSED", "the cache was closed");
      this.#flights.close(error);
      for (const body of this.#bodies) body.fail(error);
      for (const run of [...this.#runs]) run.abandon(error);
      this.#repairs.close(error);
      this.#context.session.close(resolve);
    });
    return this.#closing;
  }

  get #deadlineMs(): number {
    return this.#options.deadlineMs ?? DEADLINE_MS_DEFAULT;
  }

  get #repairOffers(): RepairQueue | null {
    return this.#options.repairs === false ? null : this.#repairs;
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw new CacheError("ICACHE_CLOSED", "the cache was closed");
  }

  async #read(
    key: string,
    options: GetOptions,
    into: Uint8Array | null,
  ): Promise<{ sink: BufferSink; outcome: GetOutcome }> {
    const objectKey = checkKey(key);
    checkGet(options);
    const { range = { start: 0 } } = options;
    const request = {
      key: objectKey,
      start: range.start,
      end: range.end ?? Number.MAX_SAFE_INTEGER,
      wantAll: options.firstD === "all",
      stripesAhead: STRIPES_AHEAD_MAX,
      proxyDeadlineMs: null,
    };
    const sink = new BufferSink(into, this.#allocate);
    const outcome = await this.#run<GetOutcome>(
      { name: "get", deadlineFrom: "start", usesCallersMemory: into !== null },
      options,
      (host) => new GetOperation(host, request, sink, this.#scratchPool, this.#repairOffers),
    );
    return { sink, outcome };
  }

  async #load(
    key: string,
    loader: (signal: AbortSignal) => Promise<Body>,
    options: PutOptions & GetOptions,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { deadlineMs, firstD, range: _range, signal: _signal, ...put } = options;
    const call = { signal, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
    try {
      const read = await this.get(key, firstD === undefined ? call : { ...call, firstD });
      if (read.kind === "hit") return read.bytes;
    } catch (error) {
      // A cache out of reach must not take the application down with it: then the loader answers alone.
      if (!isOutOfReach(error)) throw error;
    }
    const bytes = await collect(await loader(signal));
    try {
      await this.put(key, bytes, { ...put, ...call });
    } catch (error) {
      if (!(error instanceof CacheError) || error.code === "ICACHE_INVALID" || signal.aborted)
        throw error;
      this.#loadsNotStored += 1;
    }
    return bytes;
  }

  #ask<Result>(
    name: string,
    options: CallOptions,
    request: Message,
    makeReader: () => (message: Message) => Reply<Result>,
  ): Promise<Result> {
    return this.#run<Result>(
      { name, deadlineFrom: "start", usesCallersMemory: false },
      options,
      (host) => new SimpleOperation(host, request, makeReader),
    );
  }

  #run<Result>(
    how: Omit<RunOptions, "deadlineMs">,
    { signal, deadlineMs }: CallOptions,
    makeCore: (host: OperationHost<Result>) => Operation,
  ): Promise<Result> {
    this.#checkOpen();
    if (signal?.aborted === true) return Promise.reject(aborted(signal));
    return new Promise((resolve, reject) => {
      const onAbort = () => run.abandon(aborted(signal));
      const run = new Run<Result>(
        this.#context,
        { ...how, deadlineMs: deadlineMs ?? this.#deadlineMs },
        makeCore,
        (outcome) => {
          signal?.removeEventListener("abort", onAbort);
          this.#runs.delete(run);
          if (outcome.kind === "done") resolve(outcome.result);
          else reject(outcome.error);
        },
      );
      this.#runs.add(run);
      signal?.addEventListener("abort", onAbort, { once: true });
      run.start();
    });
  }
}

function isAsyncIterable(body: unknown): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

function isOutOfReach(error: unknown): boolean {
  return (
    error instanceof CacheError &&
    ["ICACHE_UNREACHABLE", "ICACHE_DEADLINE", "ICACHE_OVERLOADED"].includes(error.code)
  );
}
