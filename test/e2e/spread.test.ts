// Where the stripes of a large object lie, with real functions: on as few nodes as one stripe needs, since all functions
// share this machine, or on nodes of their own where that is asked for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type EmbeddedOptions, startEmbedded } from "../../src/entry/embedded.ts";
import { makeBytes } from "./support/bytes.ts";

const CODE = { dataChunks: 4, parityChunks: 2 } as const;
const NODES = 18;
/** Three stripes. */
const BYTES = 80_000_000;

test("spread: by itself narrow at a service of this machine, and wide where that is wished", async () => {
  assert.equal(await nodesOf({}), 6);
  assert.equal(await nodesOf({ spread: "narrow" }), 6);
  assert.equal(await nodesOf({ spread: "wide" }), 18);
});

/** Over how many nodes an object of three stripes is spread; it comes back whole. */
async function nodesOf(options: EmbeddedOptions): Promise<number> {
  const pool = await startEmbedded({ nodes: NODES, memoryMb: 512, code: CODE, ...options });
  try {
    const body = makeBytes(1, BYTES);
    await pool.cache.put("k", body);
    const read = await pool.cache.get("k");
    assert.ok(read.kind === "hit" && body.equals(read.bytes), read.kind);
    return pool.status().nodes.rows.filter(({ chunks }) => chunks > 0).length;
  } finally {
    await pool.close();
  }
}
