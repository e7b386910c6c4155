// A near cache: what was read stays in this process's memory, and is handed out again only while it is current; keys
// that are declared write-once are not even asked about. With a proxy running:
//   node tools/node examples/near-cache.ts [host:port]

import { connect } from "../src/entry/library.ts";

const [url = process.env["INFINICACHE_URL"] ?? "127.0.0.1:6370"] = process.argv.slice(2);
const cache = connect({ url, near: { bytes: 64_000_000, writeOnce: ["layers/"] } });
const another = connect({ url });

try {
  await another.put("model", new Uint8Array(10_000_000).fill(1));
  for (const attempt of ["over the network", "from here"]) {
    const read = await cache.get("model");
    if (read.kind === "miss") throw new Error(`the model is not there: ${read.reason}`);
    console.log(`model ${read.bytes[0]}, ${attempt}: ${read.timings.totalMs.toFixed(2)} ms`);
  }

  // Another process puts a newer one: what is kept is not handed out any more.
  await another.put("model", new Uint8Array(10_000_000).fill(2));
  const read = await cache.get("model");
  if (read.kind === "hit") console.log(`model ${read.bytes[0]}`);

  // The bytes under these keys never change: after the first read nobody is asked.
  await another.put("layers/4f5c", new Uint8Array(1_000_000));
  for (let reads = 0; reads < 1_000; reads++) await cache.get("layers/4f5c");

  const { hits, hitsUnasked, misses, superseded } = cache.near() ?? {};
  console.log(`${hits} hits, ${hitsUnasked} unasked, ${misses} misses, ${superseded} superseded`);
} finally {
  await Promise.all([cache.close(), another.close()]);
}
