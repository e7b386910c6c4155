// The original's toy client: sets an object, gets it back, and says how long that took. With a proxy running:
//   node tools/node examples/toy-client.ts [host:port] [megabytes]

import { randomBytes } from "node:crypto";
import { connect } from "../src/entry/library.ts";

const [url = process.env["INFINICACHE_URL"] ?? "127.0.0.1:6370", megabytes = "10"] =
  process.argv.slice(2);
const sent = randomBytes(Number(megabytes) * 1_000_000);
const cache = connect({ url });

try {
  const beganAt = performance.now();
  const put = await cache.put("foo", sent);
  const putMs = performance.now() - beganAt;
  if (put.kind === "stored") console.log(`Set foo: ${put.bytes} bytes, total ${ms(putMs)}`);

  const read = await cache.get("foo");
  if (read.kind === "miss") throw new Error(`foo is not there: ${read.reason}`);
  const { totalMs, receiveMs, decodeMs, reconstructed } = read.timings;
  console.log(
    `Got foo: ${read.bytes.length} bytes, total ${ms(totalMs)}, receive ${ms(receiveMs)}, decode ${ms(decodeMs)}` +
      ` (${reconstructed} chunks reconstructed)`,
  );
  if (!sent.equals(read.bytes)) throw new Error("foo came back different");
  console.log("The bytes are the same.");
} finally {
  await cache.close();
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
