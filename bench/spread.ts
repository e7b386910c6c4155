// The suite `spread`: what comes of many functions of little bandwidth? Each is held to 78 MB/s, as on AWS, and to a tenth
// of it, where the processors of this machine count for less. GETs of 100 MB whose three stripes lie on about 36 of 48
// functions, beside the whole object on 12 (`--spread`): the time next to what a function's share needs at that bandwidth.

import type { Cache } from "../src/client/api.ts";
import { chunkStride, layoutOf } from "../src/core/layout.ts";
import { connect } from "../src/entry/library.ts";
import { makeBytes } from "../test/e2e/support/bytes.ts";
import { type Figure, type Findings, quantile } from "./figures.ts";
import { openSite } from "./site.ts";

/** What can be chosen. */
export interface SpreadOptions {
  readonly isQuick: boolean;
  readonly note: (line: string) => void;
}

const MB = 1_000_000;
const BYTES = 100 * MB;
/** A function of the service may save up 50 ms of its bandwidth: the first 3.9 MB at 78 MB/s come at once. */
const RATES = [78 * MB, 7.8 * MB];
const NODES = 48;
const FACTOR_MAX = 1.3;
const OBJECTS = 6;
const READS = 30;
const READS_QUICK = 12;
const CODE = { dataChunks: 10, parityChunks: 2 };

/** Runs the suite. */
export async function spread({ isQuick, note }: SpreadOptions): Promise<Findings> {
  const figures: Figure[] = [];
  const run: Tally = { wrong: 0, errors: [] };
  for (const how of ["wide", "narrow"] as const) {
    const flags = ["--spread", how];
    const shape = { nodes: NODES, memoryMb: 512, freeze: "forwarder", flags } as const;
    const site = await openSite(shape);
    const cache = connect({ url: site.proxies[0].url, repairs: false });
    try {
      await site.admin.bandwidth("unlimited");
      const body = makeBytes(1, BYTES);
      for (let key = 0; key < OBJECTS; key++)
        await cache.put(`spread-${key}`, body, { code: CODE });
      for (const rate of [null, ...RATES]) {
        const held = rate === null ? "not held" : `${rate / MB} MB/s each`;
        note(`${how}, ${held} …`);
        await site.admin.bandwidth(rate ?? "unlimited");
        const times = await timesOf(cache, body, isQuick ? READS_QUICK : READS, run);
        figures.push(...figuresOf(how, held, rate, times));
      }
    } finally {
      await cache.close();
      await site.close();
    }
  }
  return { figures, ...run };
}

interface Tally {
  wrong: number;
  readonly errors: string[];
}

function figuresOf(
  how: "wide" | "narrow",
  held: string,
  rate: number | null,
  times: readonly number[],
): readonly Figure[] {
  const name = `${how === "narrow" ? "narrow, on 12" : "wide, on 36"} of ${NODES}, ${held}`;
  const p50 = quantile(times, 0.5);
  const told: Figure = { name: `${name}: GET p50`, unit: "ms", value: p50, most: null };
  if (rate === null) return [told];
  const { stripeBytes, stripeCount } = layoutOf(BYTES);
  const chunks = how === "narrow" ? stripeCount : 1;
  const slowestMs = ((chunkStride(stripeBytes, CODE.dataChunks) * chunks) / rate) * 1_000;
  return [
    told,
    { name: `${name}: what a function sends takes`, unit: "ms", value: slowestMs, most: null },
    {
      ...{ name: `${name}: GET / that`, unit: "x", value: p50 / slowestMs },
      most: how === "narrow" ? null : FACTOR_MAX,
    },
  ];
}

async function timesOf(
  cache: Cache,
  body: Uint8Array,
  reads: number,
  run: Tally,
): Promise<readonly number[]> {
  const memory = new Uint8Array(BYTES).fill(1);
  const times: number[] = [];
  for (let turn = 0; turn < reads; turn++) {
    const startedAt = performance.now();
    const found = await cache.getInto(`spread-${turn % OBJECTS}`, memory);
    times.push(performance.now() - startedAt);
    if (found.kind === "miss") run.errors.push(`a GET missed: ${found.reason}`);
    else if (Buffer.compare(memory, body) !== 0) run.wrong++;
  }
  return times;
}
