// A proxy in the application's own process: no hop to it, and no machine to pay for it.
//   node tools/node examples/embedded.ts [URL of a Lambda service]
// Without a URL it starts a local Lambda service as well. In an application the import is "infinicache/proxy".

import { startEmbedded } from "../src/entry/embedded.ts";

const [lambda] = process.argv.slice(2);
const pool = await startEmbedded({
  nodes: 12,
  memoryMb: 128,
  ...(lambda === undefined ? {} : { lambda }),
});

try {
  const { cache } = pool;
  // A thousand callers of one key make one load, and what was loaded is then in the functions.
  let loads = 0;
  const load = async () => {
    loads += 1;
    return new Uint8Array(5_000_000).fill(42);
  };
  await Promise.all(Array.from({ length: 1_000 }, () => cache.getOrSet("report", load)));
  console.log(`1000 callers, ${loads} load`);

  const read = await cache.get("report");
  if (read.kind === "miss") throw new Error(`the report is not there: ${read.reason}`);
  console.log(`Read ${read.bytes.length} bytes in ${read.timings.totalMs.toFixed(1)} ms`);

  const { objects, cost } = pool.status();
  console.log(`${objects} object, ${cost.total.invocations} invocations so far`);
} finally {
  await pool.close();
}
