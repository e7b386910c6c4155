// Reads into memory: `get` and `getInto`, with the near cache before them where there is one. The protocol is
// get-operation.ts's, what may be handed out from this process's memory near.ts's.

import { assert } from "../core/assert.ts";
import type { ObjectKey } from "../core/ids.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { ByteRange, GetOptions, GetTimings, Hit, Miss, ObjectInfo } from "./api.ts";
import { BufferSink, tooSmall } from "./buffer-sink.ts";
import type { CacheMemory } from "./cache-options.ts";
import type { DirectHub } from "./direct-hub.ts";
import type { GetOutcome, KnownVersion, RepairOffers } from "./get-contract.ts";
import { GetOperation, STRIPES_AHEAD_MAX } from "./get-operation.ts";
import { aborted } from "./get-or-set.ts";
import { type Near, type NearObject, partOf } from "./near.ts";
import { infoOf, timingsOf } from "./replies.ts";
import type { Runner } from "./runner.ts";
import { checkGet, checkKey } from "./validate.ts";

/** What reads of one cache share. */
export interface ReadsContext {
  readonly runner: Runner;
  readonly memory: CacheMemory;
  readonly repairs: RepairOffers | null;
  readonly hub: DirectHub | null;
  readonly near: Near | null;
}

/** What was read, and where it lies: in the caller's memory, or in fresh memory that is the caller's. */
interface Read {
  readonly found: MessageOf<"found">;
  readonly bytes: Uint8Array;
  readonly timings: GetTimings;
}

const WHOLE: ByteRange = { start: 0 };

/** See the header. */
export class Reads {
  readonly #context: ReadsContext;

  constructor(context: ReadsContext) {
    this.#context = context;
  }

  /** See `Cache.get`. */
  async get(key: string, options: GetOptions): Promise<Hit | Miss> {
    const read = await this.#read(key, options, null);
    if ("kind" in read) return read;
    const { found, bytes, timings } = read;
    return { kind: "hit", object: infoOf(key, found), bytes, timings };
  }

  /** See `Cache.getInto`. */
  async getInto(
    key: string,
    into: Uint8Array,
    options: GetOptions,
  ): Promise<
    { readonly kind: "hit"; object: ObjectInfo; bytes: number; readonly timings: GetTimings } | Miss
  > {
    const read = await this.#read(key, options, into);
    if ("kind" in read) return read;
    const { found, bytes, timings } = read;
    return { kind: "hit", object: infoOf(key, found), bytes: bytes.length, timings };
  }

  async #read(text: string, options: GetOptions, into: Uint8Array | null): Promise<Read | Miss> {
    const key = checkKey(text);
    checkGet(options);
    const { runner, memory, near } = this.#context;
    const sink = new BufferSink(into, memory.allocate, near?.mayKeep);
    if (near === null)
      return this.#readOf(await this.#ask(key, options, sink, into, null), sink.result);
    runner.checkOpen();
    if (options.signal?.aborted === true) throw aborted(options.signal);
    const unasked = near.unasked(key);
    if (unasked !== null) return this.#copyOf(unasked, options, into, 0);
    const read = near.begin(key);
    let outcome: GetOutcome | null = null;
    let isKept = false;
    try {
      outcome = await this.#ask(key, options, sink, into, read.kept?.known ?? null);
    } finally {
      isKept = read.end(outcome, sink.result);
    }
    if (outcome.kind === "unchanged") {
      assert(read.kept !== null, "only a version that is kept is asked about");
      return this.#copyOf(read.kept, options, into, outcome.totalMs);
    }
    const came = this.#readOf(outcome, sink.result);
    if ("kind" in came || !(isKept || sink.isApart)) return came;
    return { ...came, bytes: this.#handOut(came.bytes, into) };
  }

  #readOf(outcome: GetOutcome, bytes: Uint8Array): Read | Miss {
    if (outcome.kind === "miss") return outcome;
    assert(outcome.kind !== "unchanged", "a read without a version is answered in full");
    return { found: outcome.found.message, bytes, timings: timingsOf(outcome) };
  }

  /** What is kept is never handed out itself: the caller may write to what it gets. */
  #copyOf(kept: NearObject, { range }: GetOptions, into: Uint8Array | null, totalMs: number): Read {
    const { part } = partOf(kept, range);
    const timings = {
      foundMs: totalMs,
      receiveMs: totalMs,
      decodeMs: 0,
      totalMs,
      reconstructed: 0,
    };
    if (into !== null && into.length < part.length) throw tooSmall(part.length, into.length);
    return { found: kept.found, bytes: this.#handOut(part, into), timings };
  }

  #handOut(own: Uint8Array, into: Uint8Array | null): Uint8Array {
    const bytes = into?.subarray(0, own.length) ?? this.#context.memory.allocate(own.length);
    bytes.set(own);
    return bytes;
  }

  #ask(
    key: ObjectKey,
    options: GetOptions,
    sink: BufferSink,
    into: Uint8Array | null,
    known: KnownVersion | null,
  ): Promise<GetOutcome> {
    const { runner, memory, repairs, hub } = this.#context;
    const { start, end = Number.MAX_SAFE_INTEGER } = options.range ?? WHOLE;
    const request = {
      key,
      start,
      end,
      wantAll: options.firstD === "all",
      stripesAhead: STRIPES_AHEAD_MAX,
      proxyDeadlineMs: null,
      known,
    };
    const how = {
      name: "get",
      target: { key },
      deadlineFrom: "start",
      usesCallersMemory: into !== null,
    } as const;
    return runner.run<GetOutcome>(
      how,
      options,
      (host) => new GetOperation(host, request, sink, memory.scratch, repairs, hub),
    );
  }
}
