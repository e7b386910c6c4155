// The suite `codes`: the paper's grid (FAST'20, its figure of latencies by code, object size and function memory). Functions
// of 128 to 3008 MB had 50 to 160 MB/s then; each is held to what it had. Six codes, objects of 10 to 100 MB, medians of GETs.
// Today every function has about 78 MB/s whatever its memory: that is a row of its own.

import { connect } from "../src/entry/library.ts";
import { makeBytes } from "../test/e2e/support/bytes.ts";
import { type Figure, type Findings, quantile } from "./figures.ts";
import { openSite, type Site } from "./site.ts";

/** What can be chosen. */
export interface CodesOptions {
  readonly isQuick: boolean;
  readonly note: (line: string) => void;
}

const MB = 1_000_000;
const NODES = 24;
const SIZES = [10, 20, 40, 60, 80, 100];
const SIZES_QUICK = [10, 100];
const READS = 9;
const READS_QUICK = 3;

/** Functions of one kind: their memory, and what each is held to. */
interface Kind {
  readonly memoryMb: number;
  readonly megabytesPerSecond: number;
}

/** By memory as the paper reports it, the ends measured and between them evenly by doublings; and all as they are today. */
const KINDS: readonly Kind[] = [
  { memoryMb: 128, megabytesPerSecond: 50 },
  { memoryMb: 256, megabytesPerSecond: 74 },
  { memoryMb: 512, megabytesPerSecond: 98 },
  { memoryMb: 1_024, megabytesPerSecond: 123 },
  { memoryMb: 2_048, megabytesPerSecond: 147 },
  { memoryMb: 3_008, megabytesPerSecond: 160 },
  { memoryMb: 1_536, megabytesPerSecond: 78 },
];

const CODES: readonly (readonly [data: number, parity: number])[] = [
  [10, 0],
  [10, 1],
  [10, 2],
  [10, 4],
  [5, 1],
  [4, 2],
];

/** Runs the suite. */
export async function codes({ isQuick, note }: CodesOptions): Promise<Findings> {
  const figures: Figure[] = [];
  const found = { wrong: 0, errors: [] as string[] };
  for (const kind of isQuick ? [KINDS[0]!, KINDS[5]!] : KINDS) {
    // Held to their bandwidth as on AWS, so placed as on AWS.
    const flags = ["--spread", "wide"];
    const shape = { nodes: NODES, memoryMb: kind.memoryMb, freeze: "forwarder", flags } as const;
    const site = await openSite(shape);
    try {
      for (const size of isQuick ? SIZES_QUICK : SIZES) {
        note(`${kind.memoryMb} MB, ${kind.megabytesPerSecond} MB/s each: objects of ${size} MB …`);
        figures.push(...(await readBack(site, kind, size, isQuick ? READS_QUICK : READS, found)));
      }
    } finally {
      await site.close();
    }
  }
  return { figures, ...found };
}

/** One object after the other in each code: functions of 128 MB could not hold all of them. Put with no bound, read with it. */
async function readBack(
  site: Site,
  { memoryMb, megabytesPerSecond }: Kind,
  size: number,
  reads: number,
  found: { wrong: number; readonly errors: string[] },
): Promise<readonly Figure[]> {
  const cache = connect({ url: site.proxies[0].url, repairs: false });
  const body = makeBytes(size, size * MB);
  const into = new Uint8Array(size * MB);
  const figures: Figure[] = [];
  try {
    for (const [dataChunks, parityChunks] of CODES) {
      await site.admin.bandwidth("unlimited");
      await cache.put("object", body, { code: { dataChunks, parityChunks } });
      await site.admin.bandwidth(megabytesPerSecond * MB);
      const times: number[] = [];
      // The first wakes functions and touches memory.
      for (let turn = 0; turn <= reads; turn++) {
        const startedAt = performance.now();
        const read = await cache.getInto("object", into);
        if (turn > 0) times.push(performance.now() - startedAt);
        if (read.kind === "miss") found.errors.push(`a GET missed: ${read.reason}`);
        else if (Buffer.compare(into, body) !== 0) found.wrong++;
      }
      const code = `${dataChunks}+${parityChunks}`;
      const name = `${memoryMb} MB at ${megabytesPerSecond} MB/s, ${code}, ${size} MB: GET p50`;
      figures.push({ name, unit: "ms", value: quantile(times, 0.5), most: null });
    }
    await cache.clear("");
  } finally {
    await cache.close();
  }
  return figures;
}
