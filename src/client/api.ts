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
  /** Milliseconds from now until the operation fails with `ICACHE_DEADLINE` (a GET: misses or fails). Default 60,000. */
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

/** A cache of large objects in the memory of functions. Safe for concurrent use. */
export interface Cache {
  /** Stores an object; resolves when it is stored as promised (all chunks, or a quorum after the straggler deadline). */
  put(key: string, body: Body, options?: PutOptions): Promise<PutResult>;
  /** The object (or range) in a buffer that is the caller's. */
  get(
    key: string,
    options?: GetOptions,
  ): Promise<
    | {
        readonly kind: "hit";
        readonly object: ObjectInfo;
        readonly bytes: Uint8Array;
        readonly timings: GetTimings;
      }
    | Miss
  >;
  /** Fills `into` from its start; rejects with `ICACHE_TOO_LARGE` when it is too small. `bytes` is how many were written. On any other end its contents are undefined. */
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
  /** What is known of the object. */
  stat(
    key: string,
    options?: CallOptions,
  ): Promise<{ readonly kind: "hit"; readonly object: ObjectInfo } | Miss>;
  has(key: string, options?: CallOptions): Promise<boolean>;
  /** True when there was one. */
  delete(key: string, options?: CallOptions): Promise<boolean>;
  /** Deletes every object whose key begins with `prefix`; how many there were. */
  clear(prefix: string, options?: CallOptions): Promise<number>;
  /** Keys in the order of their UTF-8 bytes; not a snapshot. `code`, `stripes` and `metadata` are absent in rows. */
  list(
    options?: CallOptions & { readonly prefix?: string; readonly after?: string },
  ): AsyncIterable<Pick<ObjectInfo, "key" | "bytes" | "version" | "createdAt" | "expiresAt">>;
  /** Reads, or loads once for all who wait in this process and stores; the loader's error reaches all and is not kept. */
  getOrSet(
    key: string,
    loader: (signal: AbortSignal) => Promise<Body>,
    options?: PutOptions & GetOptions,
  ): Promise<Uint8Array>;
  /** The proxy's state as it reports it. */
  status(options?: CallOptions): Promise<unknown>;
  /** Milliseconds of a round trip to the proxy. */
  ping(options?: CallOptions): Promise<number>;
  /** Ends everything under way with `ICACHE_CLOSED` and closes connections. */
  close(): Promise<void>;
}
