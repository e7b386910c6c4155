// What the operations of clients have in common: a channel on a client's connection, and the proxy around them.

import type { NodeIndex } from "../core/ids.ts";
import type { Clock, Random, WallClock } from "../core/ports.ts";
import type { Message } from "../wire/messages.ts";
import type { ChunkFetch, FetchReader } from "./chunk-fetch.ts";
import type { ProxyCounters } from "./counters.ts";
import type { DirectPeers } from "./direct-peers.ts";
import type { HedgeBudget, TransferLatency } from "./latency.ts";
import type { ObjectTable } from "./object-table.ts";
import type { ObjectVersion } from "./object-version.ts";
import type { PartPool } from "./part-pool.ts";
import type { Pool } from "./pool.ts";
import type { PutGate } from "./put-gate.ts";
import type { Outcome } from "./retry-window.ts";
import type { RingDuty } from "./ring-duty.ts";

/** An operation that is under way on a channel. */
export interface Operation {
  onMessage(message: Message, body: Uint8Array | null): void;
  bodyPlace(message: Message, bytes: number): Uint8Array | null;
  /** The client has cancelled or is gone: free everything, send nothing. */
  abandon(): void;
}

/** How an operation speaks to its client. */
export interface ClientChannel {
  readonly clientId: string;
  /** The functions that have a connection to the client; null: it takes none in. */
  readonly direct: DirectPeers | null;
  send(message: Message, body?: Uint8Array, onSent?: () => void): void;
  /** The operation has ended; the channel is free. */
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
  readonly generation: number;
  readonly stragglerMs: number;
  hashKey(key: string): Uint8Array;
  /** Joins the transfer of this chunk that is under way, or begins one. Null: its node is not to be reached now. */
  fetch(object: ObjectVersion, stripe: number, index: number, reader: FetchReader): ChunkFetch;
  /** What a mutation with this sequence of this client came to, if it was done before. */
  outcomeOf(clientId: string, sequence: number): Outcome | null;
  recordOutcome(clientId: string, sequence: number, outcome: Outcome): void;
  /** Chunks that are being repaired: one repair per chunk at a time. */
  readonly repairs: {
    claim(name: string): boolean;
    /** The claimed chunk goes to this node. */
    reserved(name: string, node: NodeIndex): void;
    /** Where a claimed chunk goes; null when it is not claimed, or goes nowhere yet. */
    nodeOf(name: string): NodeIndex | null;
    free(name: string): void;
  };
  readonly putGate: PutGate;
  /** By which document this proxy serves; null: it owns every key. */
  readonly ring: RingDuty | null;
}
