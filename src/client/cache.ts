// The cache as applications use it: argument checks and promises around the synchronous operations.
// It decides nothing about the protocol; put-operation.ts, get-operation.ts and simple-operation.ts do.

import { CacheError } from "../core/errors.ts";
import type { Message } from "../wire/messages.ts";
import type {
  Body,
  CallOptions,
  GetOptions,
  LeaseAnswer,
  LeasingCache,
  ManyOptions,
  NearStatus,
  NewObject,
  PutOptions,
  PutResult,
} from "./api.ts";
import { type CacheCounters, CacheMemory, type CacheOptions } from "./cache-options.ts";
import { Deadlines } from "./deadlines.ts";
import { DirectHub } from "./direct-hub.ts";
import { clearEverywhere, listEverywhere, PING, statusEverywhere } from "./everyone.ts";
import { Gate, OPERATIONS_MAX, OPERATIONS_WAITING_MAX } from "./gate.ts";
import { Flights } from "./get-or-set.ts";
import { type OpenedStream, openStream } from "./get-stream.ts";
import { askLease } from "./lease.ts";
import { ManyLane } from "./many.ts";
import { Near } from "./near.ts";
import { Proxies } from "./proxies.ts";
import { PutOperation, type PutRequest } from "./put-operation.ts";
import { BufferSource, StreamSource, type StripeSource } from "./put-source.ts";
import { collect, pumpStream } from "./put-stream.ts";
import { Reads } from "./reads.ts";
import { RepairQueue } from "./repair-queue.ts";
import { infoOf, readRemoved, readStored, type StoredRow } from "./replies.ts";
import type { RunContext } from "./run.ts";
import { Runner } from "./runner.ts";
import { UNREACHABLE_MS_DEFAULT } from "./session.ts";
import { PingOperation } from "./simple-operation.ts";
import type { StreamBody } from "./stream-body.ts";
import { READ_BYTES_PER_SECOND_MIN_DEFAULT } from "./stream-sink.ts";
import {
  checkCall,
  checkGet,
  checkGetOrSet,
  checkKey,
  checkList,
  checkNear,
  checkPrefix,
  checkPut,
  DEADLINE_MS_MAX,
  invalid,
} from "./validate.ts";

/** A cache over one proxy, or several that share the keys; see `Cache` for what its methods promise. Nothing is dialled before the first call. */
export function createCache(options: CacheOptions): ProxyCache {
  return new ProxyCache(options);
}

/** The implementation of `LeasingCache`; made by `createCache`. */
export class ProxyCache implements LeasingCache {
  readonly #options: CacheOptions;
  readonly #context: RunContext;
  readonly #proxies: Proxies;
  readonly #memory: CacheMemory;
  readonly #hub: DirectHub | null;
  readonly #runner: Runner;
  readonly #repairs: RepairQueue;
  readonly #flights: Flights<Uint8Array>;
  readonly #many: ManyLane;
  readonly #near: Near | null;
  readonly #reads: Reads;
  readonly #bodies = new Set<StreamBody>();
  #sequence = 0;
  #loadsNotStored = 0;
  #closing: Promise<void> | null = null;

  constructor(options: CacheOptions) {
    const { clock, random, dialer, address, crypto } = options;
    if (options.near !== undefined) checkNear(options.near);
    this.#options = options;
    this.#memory = new CacheMemory(options);
    this.#proxies = new Proxies({
      dialer,
      addresses: [address, ...(options.moreAddresses ?? [])],
      ...(options.membership === undefined ? {} : { membership: options.membership }),
      clock,
      random,
      clientId: crypto.randomBytes(16),
      token: options.token ?? "",
      agent: options.agent ?? "infinicache-js",
      unreachableMs: options.unreachableMs ?? UNREACHABLE_MS_DEFAULT,
      listens: () => this.#hub?.listen ?? null,
    });
    const { door, onDoorFault: onFault } = options;
    const onOpened = (): void => this.#proxies.sayListen();
    const { directChunkBytesMin: chunkBytesMin } = options;
    const hub = {
      ...{ clock, crypto, onOpened },
      ...(onFault === undefined ? {} : { onFault }),
      ...(chunkBytesMin === undefined ? {} : { chunkBytesMin }),
    };
    this.#hub = door === undefined ? null : new DirectHub({ ...hub, door });
    this.#context = {
      clock,
      sessions: this.#proxies,
      gate: new Gate(OPERATIONS_MAX, OPERATIONS_WAITING_MAX),
      deadlines: new Deadlines(clock),
    };
    this.#runner = new Runner(this.#context, options.deadlineMs);
    this.#repairs = new RepairQueue(this.#context);
    this.#flights = new Flights(clock);
    this.#many = new ManyLane(clock, options.deadlineMs);
    this.#near = options.near === undefined ? null : new Near(options.near);
    this.#reads = new Reads({
      ...{ runner: this.#runner, memory: this.#memory, hub: this.#hub, near: this.#near },
      repairs: this.#repairOffers,
    });
  }

  /** Counts since the beginning, and what is in use now. */
  get counters(): CacheCounters {
    return {
      operations: this.#context.gate.insideCount,
      dials: this.#proxies.dials,
      pooledBytes: this.#memory.usedBytes,
      repairs: { ...this.#repairs.counts },
      loadsNotStored: this.#loadsNotStored,
      direct: this.#hub?.counts ?? null,
    };
  }

  async put(key: string, body: Body, options: PutOptions = {}): Promise<PutResult> {
    return await this.#changing(key, () => this.#put(key, body, options));
  }

  async get(key: string, options: GetOptions = {}) {
    return await this.#reads.get(key, options);
  }

  async getMany(keys: readonly string[], options: GetOptions & ManyOptions = {}) {
    this.#runner.checkOpen();
    return await this.#many.get(this, keys, options);
  }

  async putMany(objects: readonly NewObject[], options: PutOptions & ManyOptions = {}) {
    this.#runner.checkOpen();
    return await this.#many.put(this, objects, options);
  }

  async getInto(key: string, into: Uint8Array, options: GetOptions = {}) {
    if (!(into instanceof Uint8Array)) throw invalid("getInto needs a Uint8Array to fill");
    return await this.#reads.getInto(key, into, options);
  }

  async getStream(key: string, options: GetOptions = {}): Promise<OpenedStream> {
    const objectKey = checkKey(key);
    checkGet(options);
    const context = {
      runner: this.#runner,
      clock: this.#context.clock,
      memory: this.#memory,
      repairs: this.#repairOffers,
      readBytesPerSecondMin:
        this.#options.readBytesPerSecondMin ?? READ_BYTES_PER_SECOND_MIN_DEFAULT,
      bodies: this.#bodies,
      hub: this.#hub,
    };
    return openStream(context, objectKey, options);
  }

  async stat(key: string, options: CallOptions = {}) {
    const request: Message = { kind: "stat", key: checkKey(key) };
    checkCall(options);
    const reply = await this.#runner.ask("stat", options, request, () => readStored);
    return reply.kind === "miss" ? reply : ({ kind: "hit", object: infoOf(key, reply) } as const);
  }

  async has(key: string, options: CallOptions = {}): Promise<boolean> {
    return (await this.stat(key, options)).kind === "hit";
  }

  async delete(key: string, options: CallOptions = {}): Promise<boolean> {
    const objectKey = checkKey(key);
    checkCall(options);
    this.#sequence += 1;
    const request: Message = { kind: "remove", key: objectKey, sequence: this.#sequence };
    return await this.#changing(key, () =>
      this.#runner.ask("delete", options, request, () => readRemoved),
    );
  }

  async clear(prefix: string, options: CallOptions = {}): Promise<number> {
    const checked = checkPrefix("prefix", prefix);
    checkCall(options);
    this.#sequence += 1;
    const request = { kind: "clear", prefix: checked, sequence: this.#sequence } as const;
    this.#near?.dropPrefix(checked);
    try {
      return await clearEverywhere(this.#runner, this.#proxies, options, request);
    } finally {
      this.#near?.dropPrefix(checked);
    }
  }

  async *list(
    options: CallOptions & { readonly prefix?: string; readonly after?: string } = {},
  ): AsyncGenerator<StoredRow, void, undefined> {
    checkList(options);
    const prefix = checkPrefix("prefix", options.prefix);
    const after = checkPrefix("after", options.after);
    yield* listEverywhere(this.#runner, this.#proxies, options, prefix, after);
  }

  async getOrSet(
    key: string,
    loader: (signal: AbortSignal) => Promise<Body>,
    options: PutOptions & GetOptions = {},
  ): Promise<Uint8Array> {
    checkKey(key);
    checkGetOrSet(options);
    if (typeof loader !== "function") throw invalid("getOrSet needs a function that loads");
    this.#runner.checkOpen();
    const { signal, deadlineMs = this.#runner.deadlineMs } = options;
    return this.#flights.join(key, { deadlineMs, signal }, (flightSignal) =>
      this.#load(key, loader, options, flightSignal),
    );
  }

  async lease(
    key: string,
    purpose: "load" | "change",
    options: CallOptions = {},
  ): Promise<LeaseAnswer> {
    const objectKey = checkKey(key);
    checkCall(options);
    this.#runner.checkOpen();
    return await askLease(this.#runner, objectKey, purpose, options);
  }

  near(): NearStatus | null {
    return this.#near?.status ?? null;
  }

  async status(options: CallOptions = {}): Promise<unknown> {
    checkCall(options);
    return statusEverywhere(this.#runner, this.#proxies, options);
  }

  async ping(options: CallOptions = {}): Promise<number> {
    checkCall(options);
    return this.#runner.run(PING, options, (host) => new PingOperation(host));
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      const error = new CacheError("ICACHE_CLOSED", "the cache was closed");
      this.#flights.close(error);
      for (const body of this.#bodies) body.fail(error);
      this.#runner.close(error);
      this.#repairs.close(error);
      this.#context.deadlines.close();
      this.#proxies.close(() => (this.#hub === null ? resolve() : this.#hub.close(resolve)));
    });
    return this.#closing;
  }

  get #repairOffers(): RepairQueue | null {
    return this.#options.repairs === false ? null : this.#repairs;
  }

  /** What is kept of the key goes before the change and after it: a read between the two may have brought it again. */
  async #changing<Result>(key: string, change: () => Promise<Result>): Promise<Result> {
    this.#near?.drop(key);
    try {
      return await change();
    } finally {
      this.#near?.drop(key);
    }
  }

  async #put(key: string, body: Body, options: PutOptions): Promise<PutResult> {
    const objectKey = checkKey(key);
    checkPut(options);
    const { code = null, ttlMs = 0, ifAbsent = false, lease = 0, metadata = {}, length } = options;
    const pairs = Object.entries(metadata).map(([name, value]) => ({ name, value }));
    this.#runner.checkOpen();
    this.#sequence += 1;
    const request = {
      key: objectKey,
      sequence: this.#sequence,
      code,
      ttlMs,
      ifAbsent,
      lease,
      metadata: pairs,
    };
    if (body instanceof Uint8Array) {
      if (length !== undefined && length !== body.length) {
        throw invalid(`the body has ${body.length} bytes, announced were ${length}`);
      }
      return this.#putFrom({ ...request, proxyDeadlineMs: null }, new BufferSource(body), options);
    }
    if (!isAsyncIterable(body)) {
      throw invalid("a body is a Uint8Array or an async iterable of them");
    }
    const source = new StreamSource(this.#memory.putStreams, length ?? null);
    let isOver = false;
    const put = this.#putFrom({ ...request, proxyDeadlineMs: DEADLINE_MS_MAX }, source, options);
    const ended = put.finally(() => {
      isOver = true;
      source.wake();
    });
    void pumpStream(body, source, () => isOver);
    return ended;
  }

  #putFrom(request: PutRequest, source: StripeSource, options: PutOptions): Promise<PutResult> {
    const isBuffer = source.isRewindable;
    return this.#runner.run(
      {
        name: "put",
        target: { key: request.key },
        deadlineFrom: isBuffer ? "start" : "progress",
        usesCallersMemory: isBuffer,
      },
      options,
      (host) => new PutOperation(host, request, source, this.#memory.parity, this.#hub),
    );
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
    const body: unknown = await loader(signal);
    if (!(body instanceof Uint8Array) && !isAsyncIterable(body)) {
      throw invalid("a loader resolves with a Uint8Array or an async iterable of them");
    }
    const bytes = await collect(body);
    try {
      await this.put(key, bytes, { ...put, ...call });
    } catch (error) {
      const isOurs = error instanceof CacheError && error.code !== "ICACHE_INVALID";
      if (!isOurs || signal.aborted) throw error;
      this.#loadsNotStored += 1;
    }
    return bytes;
  }
}

function isAsyncIterable(body: unknown): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

function isOutOfReach(error: unknown): boolean {
  const codes = ["ICACHE_UNREACHABLE", "ICACHE_DEADLINE", "ICACHE_OVERLOADED"];
  return error instanceof CacheError && codes.includes(error.code);
}
