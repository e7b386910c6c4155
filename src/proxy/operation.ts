// What the operations of clients have in common: a channel on a client's connection, and the proxy around them.

import type { Spread } from "../core/placement.ts";
import type { Clock, Random, WallClock } from "../core/ports.ts";
import type { Message } from "../wire/messages.ts";
import type { ChunkFetch, FetchReader } from "./chunk-fetch.ts";
import type { FetchHow } from "./chunk-fetches.ts";
import type { ProxyCounters } from "./counters.ts";
import type { DirectPeers } from "./direct-peers.ts";
import type { HotObjects } from "./hot-objects.ts";
import type { HedgeBudget, TransferLatency } from "./latency.ts";
import type { ObjectTable } from "./object-table.ts";
import type { ObjectVersion } from "./object-version.ts";
import type { PartPool } from "./part-pool.ts";
import type { Pool } from "./pool.ts";
import type { PutGate } from "./put-gate.ts";
import type { RepairDesk } from "./repair-desk.ts";
import type { Outcome } from "./retry-window.ts";
import type { RingDuty } from "./ring-duty.ts";

/** An operation that is under way on a channel. */
export interface Operation {
  onMessage(message: Message, body: Uint8Array | null): void;
  bodyPlace(message: Message, bytes: number): Uint8Array | null;
  /** The client has cancelled or is gone: free everything, send nothing. */
  abandon(): void;
  /** True: no user waits for it, and a proxy that closes does not either. */
  readonly isBackground?: boolean;
}

/** How an operation speaks to its client. */
export interface ClientChannel {
  readonly clientId: string;
  /** The functions that have a connection to the client; null: it takes none in. */
  readonly direct: DirectPeers | null;
  /** Bytes on the client's connection that have not left yet. */
  readonly queuedBytes: number;
  send(message: Message, body?: Uint8Array, onSent?: () => void): void;
  /** The operation has ended, and has sent its last message; the channel is free. */
  end(): void;
}

/** The proxy as its operations see it. */
export interface OperationContext {
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly random: Random;
  readonly table: ObjectTable;
  readonly pool: Pool;
  readonly parts: PartPool;
  readonly counters: ProxyCounters;
  readonly latency: TransferLatency;
  readonly hedges: HedgeBudget;
  /** Small objects that need no function to be read. */
  readonly hot: HotObjects;
  readonly generation: number;
  readonly stragglerMs: number;
  /** Over how many nodes the stripes of one object go. */
  readonly spread: Spread;
  /** Shorter chunks of clients of other processes go through the proxy also where client and function have a connection. */
  readonly directChunkBytesMin: number;
  hashKey(key: string): Uint8Array;
  /** Joins the transfer of this chunk that is under way, or begins one. Null: its node is not to be reached now. */
  fetch(
    object: ObjectVersion,
    stripe: number,
    index: number,
    reader: FetchReader,
    how?: FetchHow,
  ): ChunkFetch;
  /** What a mutation with this sequence of this client came to, if it was done before. */
  outcomeOf(clientId: string, sequence: number): Outcome | null;
  recordOutcome(clientId: string, sequence: number, outcome: Outcome): void;
  /** What is to be repaired, and is being repaired: one repair per chunk at a time. */
  readonly repairs: RepairDesk;
  readonly putGate: PutGate;
  /** By which document this proxy serves; null: it owns every key. */
  readonly ring: RingDuty | null;
}
