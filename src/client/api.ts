// The public face of the cache: what an application calls. Types only; the work is done in cache.ts and
// the operations beside it. A miss is a value, never an error.

import type { CodeSpec } from "../core/code.ts";

/** What is known of an object without its bytes. */
export interface ObjectInfo {
  readonly key: string;
  readonly bytes: number;
  /** Grows with every PUT of any object; two reads with equal versions have equal bytes. */
  readonly version: number;
  readonly code: CodeSpec;
  readonly stripes: number;
  readonly createdAt: Date;
  /** Null: never. */
  readonly expiresAt: Date | null;
  /** What the caller stored with the object: names and values, 8 KiB together at most. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Why there is nothing to return. `unreachable`: it may be there, but too few functions answered in time. */
export interface Miss {
  readonly kind: "miss";
  readonly reason: "absent" | "expired" | "lost" | "unreachable";
}

/** Options of every call. */
export interface CallOptions {
  /** Aborting rejects with `ICACHE_ABORTED` and frees what the operation holds. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds from now until the operation fails with `ICACHE_DEADLINE` (a GET: misses or fails). Default 60,000.
   * For streams it counts anew with every stripe, and stands still while the stream's source or reader is waited for.
   */
  readonly deadlineMs?: number;
}

/** Options of `put`. */
export interface PutOptions extends CallOptions {
  /** Milliseconds until the object expires; absent: never. */
  readonly ttlMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Absent: by size, as the proxy's rules say. */
  readonly code?: CodeSpec;
  /** How many bytes a stream will have, when known: saves memory and a copy. A body of another length is refused with `ICACHE_INVALID` and nothing is stored. */
  readonly length?: number;
  /** Create only: `{ kind: "exists" }` when there is one. */
  readonly ifAbsent?: boolean;
  /** A lease that `LeasingCache.lease` gave: `{ kind: "exists" }` when it is of no use any more. */
  readonly lease?: number;
}

/** What became of a PUT. */
export type PutResult =
  | {
      readonly kind: "stored";
      readonly version: number;
      readonly bytes: number;
      readonly code: CodeSpec;
    }
  | { readonly kind: "exists"; readonly version: number };

/** Part of an object: bytes [start, end). `end` absent or beyond the object: to its end. */
export interface ByteRange {
  readonly start: number;
  readonly end?: number;
}

/** Options of the reading calls. */
export interface GetOptions extends CallOptions {
  readonly range?: ByteRange;
  /** `hedge` (default) asks for d chunks and more only when needed; `all` asks for d+p at once and takes the first d. */
  readonly firstD?: "hedge" | "all";
}

/** How a read went; for people and benchmarks. */
export interface GetTimings {
  /** Until the object's description came. */
  readonly foundMs: number;
  /** Until the last needed byte came. */
  readonly receiveMs: number;
  /** Spent reconstructing missing chunks. */
  readonly decodeMs: number;
  readonly totalMs: number;
  /** Chunks that had to be reconstructed. */
  readonly reconstructed: number;
}

/** A body of bytes: at once, or as it comes. Buffers handed to `put` are borrowed until the promise settles. */
export type Body = Uint8Array | AsyncIterable<Uint8Array>;

/** Options of calls for many keys. `deadlineMs` is the whole call's; a signal that fires rejects the whole call. */
export interface ManyOptions {
  /** Operations of this call under way at once: 1 to 256, the default. Fewer for large objects, which share one line. */
  readonly atOnce?: number;
}

/** An object to be stored, with what is its own; `putMany`'s options hold for what names none. */
export interface NewObject extends Omit<PutOptions, keyof CallOptions> {
  readonly key: string;
  readonly body: Body;
}

/** One key's own failure: a CacheError, or what the caller's own stream or loader threw. */
export interface Failed {
  readonly kind: "failed";
  readonly error: unknown;
}

/** A hit of `get`: the bytes are the caller's. Up to 2 KiB of them lie in Node's pool of small buffers, as those of `Buffer.from` do: their ArrayBuffer holds others, too, and cannot be transferred. */
export interface Hit {
  readonly kind: "hit";
  readonly object: ObjectInfo;
  readonly bytes: Uint8Array;
  readonly timings: GetTimings;
}

/** A near cache: objects kept in this process's memory, so that their bytes need not travel again. */
export interface NearOptions {
  /** All that is kept counts for this at most, descriptions included. */
  readonly bytes: number;
  /** Larger objects are not kept. Default: a quarter of `bytes`. */
  readonly objectBytes?: number;
  /**
   * Prefixes of keys whose bytes never change: you promise that whoever puts such a key puts the same bytes. What is kept
   * of them, unless it expires, is handed out without asking; a delete by others shows only when it has left this memory.
   */
  readonly writeOnce?: readonly string[];
}

/** What a near cache has come to, since the beginning and now. */
export interface NearStatus {
  /** Reads answered from this memory after the proxy had said that the version is current. */
  readonly hits: number;
  /** Reads of write-once keys answered from this memory without asking. */
  readonly hitsUnasked: number;
  /** Reads that were not answered from this memory. */
  readonly misses: number;
  /** Of these, such as met an object that was kept and is not current any more. */
  readonly superseded: number;
  readonly evictions: number;
  readonly objects: number;
  readonly bytes: number;
  readonly bytesMax: number;
}

/** How a load ended, for all who wait for it, in this process and others. */
export type LoadEnd =
  | { readonly outcome: "loaded" | "absent" | "released" }
  | { readonly outcome: "failed"; readonly code: string; readonly reason: string };

/** A lease on a key that is held. */
export interface HeldLease {
  readonly kind: "held";
  /** For `PutOptions`. */
  readonly lease: number;
  /**
   * Gives it back; call once. True when nobody but the holder has changed the key since it was granted: what was read
   * behind the cache meanwhile is not older than any acknowledged change. It never rejects: a lost lease gives false.
   */
  end(end: LoadEnd): Promise<boolean>;
}

/** What asking for a lease came to. Never `over` when the purpose was a change. */
export type LeaseAnswer =
  | HeldLease
  | {
      readonly kind: "over";
      readonly outcome: "present" | "loaded" | "absent" | "failed";
      /** Of a failure. */
      readonly code: string;
      readonly reason: string;
    };

/** A cache whose keys can be leased: what a tier in front of an origin is built on. */
export interface LeasingCache extends Cache {
  /**
   * Asks to be the one who loads an absent object, or changes it here and at its origin; waits while another does. A
   * change does not wait for a load, and makes its lease useless. A lease ends with its connection, or the deadline.
   */
  lease(key: string, purpose: "load" | "change", options?: CallOptions): Promise<LeaseAnswer>;
}

/** A cache of large objects in the memory of functions. Safe for concurrent use. */
export interface Cache {
  /**
   * Stores an object; resolves when it is stored as promised (all chunks, or a quorum after the straggler deadline).
   * A Uint8Array is borrowed until the promise settles; a stream is read as fast as there is room, and left on failure.
   *
   * @example
   * const put = await cache.put("report", bytes, { ttlMs: 3_600_000, metadata: { type: "text/csv" } });
   * if (put.kind === "stored") console.log(`version ${put.version}`);
   */
  put(key: string, body: Body, options?: PutOptions): Promise<PutResult>;
  /**
   * The object (or range) in a buffer that is the caller's. A range that begins beyond the end is a hit of no bytes.
   *
   * @example
   * const read = await cache.get("report", { range: { start: 0, end: 1_024 } });
   * if (read.kind === "miss") console.log(`not there: ${read.reason}`);
   * else console.log(read.bytes.length, read.timings.totalMs);
   */
  get(key: string, options?: GetOptions): Promise<Hit | Miss>;
  /**
   * Reads many objects. One outcome for each key, in the order of the keys: a hit as of `get`, a miss, or `failed` with
   * that key's own error (a bad key, its functions, the deadline), which fails no other. A key named twice is read
   * twice, into buffers of their own. At most 256 are under way at once, over all such calls of a client; those that
   * begin in one turn leave in one write. At the deadline what has come is returned, and the rest has failed with
   * `ICACHE_DEADLINE`. It rejects only for arguments of a wrong shape, a signal, and a cache that was closed before.
   *
   * @example
   * const reads = await cache.getMany(["a", "b", "c"], { deadlineMs: 1_000 });
   * for (const [at, read] of reads.entries()) {
   *   if (read.kind === "hit") console.log(at, read.bytes.length);
   *   else console.log(at, read.kind === "miss" ? read.reason : read.error);
   * }
   */
  getMany(
    keys: readonly string[],
    options?: GetOptions & ManyOptions,
  ): Promise<readonly (Hit | Miss | Failed)[]>;
  /**
   * Stores many objects; no transaction: each is stored, or not, by itself. One outcome for each, in their order, as of
   * `put`, or `failed` with its own error. Bodies are borrowed until the promise settles, also when it rejects. Objects
   * of one key are stored one after the other, so that the last one stays. Bounds, deadline and signal as of `getMany`.
   *
   * @example
   * const objects = ["a", "b"].map((key) => ({ key, body: new TextEncoder().encode(key) }));
   * const puts = await cache.putMany(objects, { ttlMs: 60_000 });
   * console.log(puts.filter((put) => put.kind === "stored").length, "stored");
   */
  putMany(
    objects: readonly NewObject[],
    options?: Omit<PutOptions, "length" | "lease"> & ManyOptions,
  ): Promise<readonly (PutResult | Failed)[]>;
  /**
   * Fills `into` from its start; rejects with `ICACHE_TOO_LARGE` when it is too small. `bytes` is how many were written.
   * On any other end its contents are undefined. Faster than `get`: memory that was used before costs nothing to touch.
   *
   * @example
   * const into = new Uint8Array(100_000_000);
   * const read = await cache.getInto("report", into);
   * if (read.kind === "hit") console.log(into.subarray(0, read.bytes));
   */
  getInto(
    key: string,
    into: Uint8Array,
    options?: GetOptions,
  ): Promise<
    | {
        readonly kind: "hit";
        readonly object: ObjectInfo;
        readonly bytes: number;
        readonly timings: GetTimings;
      }
    | Miss
  >;
  /**
   * The object (or range) as a stream. It resolves with a hit once the first stripe is held. Each yielded buffer is the caller's until the next one is asked for.
   * A loss midway throws; a reader slower than the minimum rate is cut off with `ICACHE_SLOW_READER`. Breaking out of the loop frees everything.
   *
   * @example
   * const stream = await cache.getStream("report");
   * if (stream.kind === "hit") for await (const part of stream.body) console.log(part.length);
   */
  getStream(
    key: string,
    options?: GetOptions,
  ): Promise<
    | {
        readonly kind: "hit";
        readonly object: ObjectInfo;
        readonly start: number;
        readonly end: number;
        readonly body: AsyncIterable<Uint8Array>;
      }
    | Miss
  >;
  /**
   * What is known of the object, without its bytes.
   *
   * @example
   * const stat = await cache.stat("report");
   * if (stat.kind === "hit") console.log(stat.object.bytes, stat.object.expiresAt);
   */
  stat(
    key: string,
    options?: CallOptions,
  ): Promise<{ readonly kind: "hit"; readonly object: ObjectInfo } | Miss>;
  /**
   * Whether there is such an object. It may be gone by the time you ask for it.
   *
   * @example
   * if (!(await cache.has("report"))) console.log("to be made");
   */
  has(key: string, options?: CallOptions): Promise<boolean>;
  /**
   * Deletes the object; true when there was one. Once this has resolved, nothing of it is read any more.
   *
   * @example
   * const existed = await cache.delete("report");
   * console.log(existed);
   */
  delete(key: string, options?: CallOptions): Promise<boolean>;
  /**
   * Deletes every object whose key begins with `prefix` (`""`: every object); how many there were.
   *
   * @example
   * console.log(`${await cache.clear("reports/2026/")} deleted`);
   */
  clear(prefix: string, options?: CallOptions): Promise<number>;
  /**
   * Keys in the order of their UTF-8 bytes; not a snapshot. `code`, `stripes` and `metadata` are absent in rows.
   *
   * @example
   * for await (const { key, bytes: size } of cache.list({ prefix: "reports/" })) console.log(key, size);
   */
  list(
    options?: CallOptions & { readonly prefix?: string; readonly after?: string },
  ): AsyncIterable<Pick<ObjectInfo, "key" | "bytes" | "version" | "createdAt" | "expiresAt">>;
  /**
   * Reads, or loads once for all who wait in this process and stores; the loader's error reaches all and is not kept.
   * All who waited for one load get the same buffer: do not write to it. When the cache cannot be reached, or cannot
   * take the object, the loaded bytes are returned all the same. The loader's signal fires when nobody waits any more.
   *
   * @example
   * const report = await cache.getOrSet("report", async (signal) => {
   *   const answer = await fetch("https://example.com/report", { signal });
   *   return new Uint8Array(await answer.arrayBuffer());
   * });
   * console.log(report.length);
   */
  getOrSet(
    key: string,
    loader: (signal: AbortSignal) => Promise<Body>,
    options?: PutOptions & GetOptions,
  ): Promise<Uint8Array>;
  /**
   * What the near cache has come to; null when `connect` named none.
   *
   * @example
   * const near = cache.near();
   * if (near !== null) console.log(`${near.hits + near.hitsUnasked} of ${near.hits + near.hitsUnasked + near.misses}`);
   */
  near(): NearStatus | null;
  /**
   * The proxy's state as it reports it: a `ProxyStatus` of this version, but parsed from what another may have sent.
   *
   * @example
   * console.log(JSON.stringify(await cache.status(), null, 2));
   */
  status(options?: CallOptions): Promise<unknown>;
  /**
   * Milliseconds of a round trip to the proxy.
   *
   * @example
   * console.log(`${await cache.ping({ deadlineMs: 1_000 })} ms`);
   */
  ping(options?: CallOptions): Promise<number>;
  /**
   * Ends everything under way with `ICACHE_CLOSED` and closes connections. A process with an open cache does not end.
   *
   * @example
   * await cache.close();
   */
  close(): Promise<void>;
}
