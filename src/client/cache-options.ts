// What a cache is made of, its bounds, and the memory it may hold. No behaviour beyond making the pools.

import { STRIPE_BYTES_JOINED_MAX } from "../core/limits.ts";
import type { Membership } from "../core/membership.ts";
import type { Clock, Crypto, Random } from "../core/ports.ts";
import type { Dialer, Door } from "../wire/connection.ts";
import type { NearOptions } from "./api.ts";
import { BufferPool } from "./buffer-pool.ts";
import type { DirectCounts } from "./direct-hub.ts";
import type { RepairCounts } from "./repair-queue.ts";

/** Four streams at once with two stripes each. */
const STREAM_BYTES_MAX_DEFAULT = 8 * STRIPE_BYTES_JOINED_MAX;
/** The parity of nineteen full stripes of the code 10+2. */
const PARITY_BYTES_MAX_DEFAULT = 128 * 1_024 * 1_024;
/** Scratch of reads is bounded by the reads under way; half of this is kept for the next ones. */
const SCRATCH_BYTES_MAX = 128 * 1_024 * 1_024;

/** What a cache is made of, and its bounds. */
export interface CacheOptions {
  readonly dialer: Dialer;
  /** As the dialer understands it; `host:port` for TCP. */
  readonly address: string;
  /** More proxies that may be asked for the membership document. */
  readonly moreAddresses?: readonly string[];
  /** Which proxy owns which keys. Absent: learned from the proxies, if they share the keys. */
  readonly membership?: Membership;
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
  /** Where functions may dial this client; absent: everything goes through the proxy. */
  readonly door?: Door;
  /** Shorter chunks are not sought directly; absent: 128 KiB. */
  readonly directChunkBytesMin?: number;
  /** The door could not be opened. */
  readonly onDoorFault?: (reason: string) => void;
  /** Objects kept in this process's memory, for reads of the same again. Absent: none. */
  readonly near?: NearOptions;
  /** Makes memory that need not be zero. Default: zeroed memory. */
  readonly allocate?: (bytes: number) => Uint8Array;
}

/** What tests and status pages may look at. */
export interface CacheCounters {
  /** Operations under way. */
  readonly operations: number;
  readonly dials: number;
  /** Pooled memory on loan. */
  readonly pooledBytes: number;
  readonly repairs: Readonly<RepairCounts>;
  /** Results of loaders that could not be stored. */
  readonly loadsNotStored: number;
  /** The door for functions; null: there is none. */
  readonly direct: DirectCounts | null;
}

/** The pools of one cache. A holder of one never waits for a second from the same. */
export class CacheMemory {
  readonly allocate: (bytes: number) => Uint8Array;
  readonly putStreams: BufferPool;
  readonly getStreams: BufferPool;
  readonly parity: BufferPool;
  readonly scratch: BufferPool;

  constructor(options: CacheOptions) {
    this.allocate = options.allocate ?? ((bytes) => new Uint8Array(bytes));
    this.putStreams = this.#pool(options.putStreamBytesMax ?? STREAM_BYTES_MAX_DEFAULT);
    this.getStreams = this.#pool(options.getStreamBytesMax ?? STREAM_BYTES_MAX_DEFAULT);
    this.parity = this.#pool(options.parityBytesMax ?? PARITY_BYTES_MAX_DEFAULT);
    this.scratch = this.#pool(SCRATCH_BYTES_MAX);
  }

  /** Bytes on loan from all pools. */
  get usedBytes(): number {
    const { putStreams, getStreams, parity, scratch } = this;
    return putStreams.usedBytes + getStreams.usedBytes + parity.usedBytes + scratch.usedBytes;
  }

  #pool(bytesMax: number): BufferPool {
    return new BufferPool(bytesMax, this.allocate);
  }
}
