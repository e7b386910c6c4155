// What a benchmark does next: which operation, on which key, of what size. Pure: chance comes in. The mixes and
// distributions of ycsb-a to ycsb-f are those of YCSB's core workloads, on whole objects.

import type { Random } from "../../core/ports.ts";
import { ZipfSampler } from "./zipf.ts";

/** One step; `modify` is a read and then a write of the same key, `scan` reads keys in a row. */
export type Step =
  | { readonly kind: "get" | "put" | "modify"; readonly key: number; readonly bytes: number }
  | { readonly kind: "scan"; readonly key: number; readonly count: number };

/** Which keys are drawn. */
export type Distribution = "uniform" | "zipf" | `ycsb-${"a" | "b" | "c" | "d" | "e" | "f"}`;

/** What kind of load. */
export interface WorkloadSpec {
  readonly op: "put" | "get" | "mixed";
  readonly distribution: Distribution;
  readonly firstKey: number;
  readonly lastKey: number;
  readonly bytesMin: number;
  readonly bytesMax: number;
}

/** Draws steps; keys may grow beyond `lastKey` where the mix inserts. */
export interface Workload {
  next(): Step;
  /** The size of this key's object, the same at every call: reads can check it. */
  bytesOf(key: number): number;
}

interface Mix {
  readonly get: number;
  readonly put: number;
  readonly insert: number;
  readonly modify: number;
  readonly scan: number;
  readonly keys: "uniform" | "zipf" | "latest";
}

const none = { get: 0, put: 0, insert: 0, modify: 0, scan: 0 } as const;
const YCSB: Readonly<Record<string, Mix>> = {
  "ycsb-a": { ...none, get: 0.5, put: 0.5, keys: "zipf" },
  "ycsb-b": { ...none, get: 0.95, put: 0.05, keys: "zipf" },
  "ycsb-c": { ...none, get: 1, keys: "zipf" },
  "ycsb-d": { ...none, get: 0.95, insert: 0.05, keys: "latest" },
  "ycsb-e": { ...none, scan: 0.95, insert: 0.05, keys: "zipf" },
  "ycsb-f": { ...none, get: 0.5, modify: 0.5, keys: "zipf" },
};
/** The names that --dist takes. */
export const DISTRIBUTIONS: readonly string[] = ["uniform", "zipf", ...Object.keys(YCSB)];
/** YCSB scans up to 100 records of 1 KB; ours are objects, so fewer. */
const SCAN_KEYS_MAX = 10;
const WORD = 2 ** 32;

/** Makes the workload of a specification. */
export function createWorkload(spec: WorkloadSpec, random: Random): Workload {
  const mix = mixOf(spec);
  const zipf = new ZipfSampler(spec.lastKey - spec.firstKey + 1);
  let lastKey = spec.lastKey;
  const unit = () => random.u32() / WORD;
  const drawKey = (): number => {
    const count = lastKey - spec.firstKey + 1;
    if (mix.keys === "uniform") return spec.firstKey + random.below(count);
    const rank = zipf.sample(unit()) % count;
    // The newest are the most popular; or the popular ones are strewn over all keys, as YCSB does.
    return mix.keys === "latest" ? lastKey - rank : spec.firstKey + (scatter(rank) % count);
  };
  const bytesOf = (key: number): number => {
    const span = spec.bytesMax - spec.bytesMin + 1;
    return spec.bytesMin + (scatter(key) % span);
  };
  return {
    bytesOf,
    next() {
      let place = unit();
      for (const kind of ["get", "put", "insert", "modify", "scan"] as const) {
        if (place >= mix[kind]) {
          place -= mix[kind];
          continue;
        }
        if (kind === "scan")
          return { kind, key: drawKey(), count: 1 + random.below(SCAN_KEYS_MAX) };
        const key = kind === "insert" ? ++lastKey : drawKey();
        return { kind: kind === "insert" ? "put" : kind, key, bytes: bytesOf(key) };
      }
      const key = drawKey();
      return { kind: "get", key, bytes: bytesOf(key) };
    },
  };
}

function mixOf(spec: WorkloadSpec): Mix {
  const ycsb = YCSB[spec.distribution];
  if (ycsb !== undefined) return ycsb;
  const keys = spec.distribution === "zipf" ? "zipf" : "uniform";
  const share = spec.op === "mixed" ? 0.5 : spec.op === "get" ? 1 : 0;
  return { ...none, get: share, put: 1 - share, keys };
}

/** A fixed mixing of 32 bits (the finaliser of MurmurHash3), so that neighbours land apart. */
function scatter(value: number): number {
  let mixed = value >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
