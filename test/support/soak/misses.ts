// Which GETs of a soak had to hit, which of them did not, and after which kill. Pure: it reads a history.
// A GET counts when its key had an acknowledged PUT before it began and no DELETE that might have come after that one.
// So a key that was lost counts as a miss again at every GET until somebody has put it anew.

import type { Mutation } from "../../../src/sim/history.ts";
import type { Read } from "./records.ts";

/** One or more instances were killed at once. */
export interface Kill {
  readonly at: number;
  readonly victims: readonly { readonly function: string; readonly role: "primary" | "replica" }[];
}

/** A GET that had to hit and did not. */
export interface CountedMiss {
  readonly key: string;
  readonly why: string;
  /** Milliseconds since the soak began. */
  readonly atMs: number;
  readonly tookMs: number;
  /** How long before the GET ended what it should have seen was acknowledged. */
  readonly ageMs: number;
  /** The last kill before it ended, counted from 1; 0: there was none yet. */
  readonly kill: number;
  readonly sinceKillMs: number;
  /** Primaries among that kill's victims. */
  readonly primariesKilled: number;
}

/** What the GETs came to. */
export interface HitReport {
  /** GETs that had to hit. */
  readonly counted: number;
  readonly hits: number;
  readonly ratio: number;
  /** By reason. */
  readonly missesBy: Readonly<Record<string, number>>;
  readonly misses: readonly CountedMiss[];
  /** GETs of keys that were not, or need not have been, there. */
  readonly uncounted: number;
}

/** Judges all GETs that began after `from`. */
export function countMisses(
  reads: readonly Read[],
  mutations: readonly Mutation[],
  kills: readonly Kill[],
  from: number,
): HitReport {
  const byKey = new Map<string, Mutation[]>();
  for (const mutation of mutations) {
    const ofKey = byKey.get(mutation.key);
    if (ofKey === undefined) byKey.set(mutation.key, [mutation]);
    else ofKey.push(mutation);
  }
  const misses: CountedMiss[] = [];
  const missesBy: Record<string, number> = {};
  let [counted, uncounted] = [0, 0];
  for (const read of reads) {
    if (read.begunAt < from) continue;
    const put = putThere(read, byKey.get(read.key) ?? []);
    if (put === null) {
      uncounted++;
      continue;
    }
    counted++;
    if (read.why === null) continue;
    missesBy[read.why] = (missesBy[read.why] ?? 0) + 1;
    misses.push(describeMiss(read, read.why, put, kills, from));
  }
  const hits = counted - misses.length;
  return { counted, hits, ratio: hits / Math.max(1, counted), missesBy, misses, uncounted };
}

/** The last acknowledged PUT that the GET had to see unless data was lost; null when there may be nothing. */
function putThere(read: Read, mutations: readonly Mutation[]): Mutation | null {
  let found: Mutation | null = null;
  for (const put of mutations) {
    if (put.kind !== "put" || put.endedAt >= read.begunAt) continue;
    const isSpoiled = mutations.some(
      (other) =>
        other.kind === "remove" && other.begunAt < read.endedAt && other.endedAt > put.begunAt,
    );
    if (!isSpoiled && (found === null || put.endedAt > found.endedAt)) found = put;
  }
  return found;
}

function describeMiss(
  { key, begunAt, endedAt }: Read,
  why: string,
  put: Mutation,
  kills: readonly Kill[],
  from: number,
): CountedMiss {
  const index = kills.findLastIndex(({ at }) => at < endedAt);
  const kill = kills[index];
  return {
    ...{ key, why, atMs: endedAt - from, tookMs: endedAt - begunAt, ageMs: endedAt - put.endedAt },
    kill: index + 1,
    sinceKillMs: kill === undefined ? 0 : endedAt - kill.at,
    primariesKilled: kill?.victims.filter(({ role }) => role === "primary").length ?? 0,
  };
}
