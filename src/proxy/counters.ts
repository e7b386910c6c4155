// What a proxy counts, as one plain object that the sessions increment. Reported by status.

import type { ProxyStatus } from "../core/status.ts";

/** The counters of `ProxyStatus`, writable. */
export type ProxyCounters = { -readonly [K in keyof ProxyStatus["counters"]]: number };

/** All zero. */
export function createCounters(): ProxyCounters {
  return {
    gets: 0,
    hits: 0,
    hitsUnchanged: 0,
    hitsHot: 0,
    hotBad: 0,
    missesAbsent: 0,
    missesExpired: 0,
    missesLost: 0,
    missesUnreachable: 0,
    puts: 0,
    putsFailed: 0,
    removes: 0,
    evictions: 0,
    expirations: 0,
    chunkGets: 0,
    hedges: 0,
    coalesced: 0,
    corruptChunks: 0,
    repairs: 0,
    repairedStripes: 0,
    repairsFailed: 0,
    repairBytes: 0,
    resends: 0,
    instancesSeen: 0,
    instancesLost: 0,
    searches: 0,
    redials: 0,
    staleFrames: 0,
    forgeries: 0,
    protocolFaults: 0,
    throttles: 0,
    backups: 0,
    backupsAborted: 0,
    backupChunks: 0,
    backupBytes: 0,
    failovers: 0,
    movedAway: 0,
    wrongEpochs: 0,
    directGets: 0,
    directPuts: 0,
    directFailures: 0,
  };
}
