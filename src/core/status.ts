// The state of a proxy as it is reported to people and machines: one shape for the library, `status --json`,
// the Redis INFO and the gateways. Numbers only; no behaviour.

import type { Purpose } from "./ports.ts";

/** Invocations and what they cost, for one purpose. */
export interface PurposeCost {
  readonly invocations: number;
  readonly billedMs: number;
  readonly gbSeconds: number;
  readonly dollars: number;
}

/** What stands behind a cache, as its tier reports it. */
export interface OriginStatus {
  /** read-through, write-through or write-behind. */
  readonly mode: string;
  readonly loads: number;
  readonly loadsUnderWay: number;
  readonly loadsFailed: number;
  /** The origin had no such object. */
  readonly loadsAbsent: number;
  /** The key was changed meanwhile, and so nothing was stored. */
  readonly loadsOvertaken: number;
  /** Read from the origin for one reader alone, because the cache could not take the object. */
  readonly apartReads: number;
  readonly writes: number;
  readonly writesFailed: number;
  /** Written to the origin, and not taken by the cache. */
  readonly notCached: number;
  /** Of write-behind: what is acknowledged and not yet at the origin. */
  readonly journal: {
    readonly entries: number;
    readonly bytes: number;
    readonly bytesMax: number;
    /** Null: nothing is pending. */
    readonly oldestMs: number | null;
    readonly flushed: number;
    readonly flushErrors: number;
    readonly lastError: string | null;
    readonly refused: number;
  } | null;
}

/** A proxy's report on itself. */
export interface ProxyStatus {
  readonly pool: string;
  readonly generation: number;
  readonly term: number;
  readonly uptimeMs: number;
  /** Why this proxy has left its pool and serves nothing any more; null while it serves. */
  readonly superseded: string | null;
  /** Null: this proxy owns every key. */
  readonly ring: {
    readonly epoch: number;
    /** This proxy's part of the keys, from 0 to 1. */
    readonly share: number;
    readonly isSettled: boolean;
    /** Why the last document was not used. */
    readonly fault: string | null;
  } | null;
  readonly nodes: {
    readonly count: number;
    /** Nodes by the state of their link: asleep, waking, awake, … */
    readonly byState: Readonly<Record<string, number>>;
    /** Nodes that have said hello at least once in this term. */
    readonly greeted: number;
    readonly rows: readonly {
      readonly node: number;
      readonly state: string;
      readonly instance: string | null;
      /** The instance that holds copies; null when there is none. */
      readonly replica: string | null;
      /** A backup round has a second instance invoked. */
      readonly isInRound: boolean;
      readonly chunks: number;
      /** Chunks of which the replica has a copy. */
      readonly copies: number;
      readonly usedBytes: number;
      readonly budgetBytes: number;
    }[];
  };
  readonly objects: number;
  /** Bytes users stored. */
  readonly objectBytes: number;
  /** Small objects of which the proxy keeps the bytes as well, and what they take. */
  readonly hot: { readonly objects: number; readonly bytes: number };
  /** Bytes of chunks, parity included. */
  readonly chunkBytes: number;
  readonly capacityBytes: number;
  readonly counters: {
    readonly gets: number;
    readonly hits: number;
    /** Of these, by clients that had the bytes already: nothing was read. */
    readonly hitsUnchanged: number;
    /** Of these, from the memory of the proxy: no function was asked. */
    readonly hitsHot: number;
    /** Of these, which the client found damaged and asked for again. */
    readonly hotBad: number;
    readonly missesAbsent: number;
    readonly missesExpired: number;
    readonly missesLost: number;
    readonly missesUnreachable: number;
    readonly puts: number;
    readonly putsFailed: number;
    readonly removes: number;
    readonly evictions: number;
    readonly expirations: number;
    readonly chunkGets: number;
    readonly hedges: number;
    readonly coalesced: number;
    readonly corruptChunks: number;
    /** Chunks that were re-created and stored again. */
    readonly repairs: number;
    /** Stripes that a repairer was given and made whole, and those it could not. */
    readonly repairedStripes: number;
    readonly repairsFailed: number;
    /** Bytes that repairs have read and stored. */
    readonly repairBytes: number;
    readonly resends: number;
    readonly instancesSeen: number;
    readonly instancesLost: number;
    readonly searches: number;
    readonly redials: number;
    readonly staleFrames: number;
    readonly forgeries: number;
    /** Connections closed because clients or functions broke the protocol. */
    readonly protocolFaults: number;
    readonly throttles: number;
    /** Rounds that ended with a replica that has all it should. */
    readonly backups: number;
    readonly backupsAborted: number;
    readonly backupChunks: number;
    readonly backupBytes: number;
    /** Primaries that were lost and whose replica took their place. */
    readonly failovers: number;
    /** Objects forgotten because another proxy owns their keys now. */
    readonly movedAway: number;
    /** Requests that belong to another proxy, or came before this one could serve them. */
    readonly wrongEpochs: number;
    /** Chunks that went straight between client and function, each way, and such transfers that failed. */
    readonly directGets: number;
    readonly directPuts: number;
    readonly directFailures: number;
  };
  readonly repair: {
    /** Stripes that lack chunks. */
    readonly degradedStripes: number;
    /** Those of them that the next loss would end. */
    readonly exposedStripes: number;
    /** Stripes in repair now. */
    readonly underWay: number;
    /** Repairers that wait or work. */
    readonly workers: number;
    readonly dollarsLastHour: number;
    /** The limits. */
    readonly bytesPerSecond: number;
    readonly dollarsPerHour: number;
  };
  readonly cost: {
    readonly byPurpose: Readonly<Record<Purpose, PurposeCost>>;
    readonly total: PurposeCost;
  };
  readonly clients: number;
  /** Of the doors of this proxy; absent: there is no origin behind them. */
  readonly origin?: OriginStatus;
}
