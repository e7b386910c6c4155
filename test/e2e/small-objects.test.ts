// A pool that small objects have filled, and go on filling: its functions stay below the memory that they have, for the
// provider kills those that do not, and what they hold is gone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startEmbedded } from "../../src/entry/embedded.ts";
import { makeBytes } from "./support/bytes.ts";

const PUTS = 24_000;
const AT_ONCE = 64;

test("small objects: a full pool under PUTs loses no function, and has what was put last", async () => {
  const code = { dataChunks: 1, parityChunks: 2 };
  const pool = await startEmbedded({ nodes: 3, memoryMb: 160, code });
  try {
    // Large ones first, whose memory is to serve the small ones.
    for (let at = 0; at < 20; at++) await pool.cache.put(`large${at}`, makeBytes(at, 4_000_000));
    const bodies = Array.from({ length: 101 }, (_, at) => makeBytes(at, 500 + 400 * at));
    let next = 0;
    const putAll = async (): Promise<void> => {
      for (let at = next++; at < PUTS; at = next++)
        await pool.cache.put(`k${at}`, bodies[at % bodies.length]!);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, putAll));
    const { counters, nodes } = pool.status();
    assert.ok(counters.evictions > PUTS / 2, `${counters.evictions} evictions`);
    assert.ok(nodes.rows.every(({ usedBytes, budgetBytes }) => usedBytes > 0.9 * budgetBytes));
    assert.equal(counters.instancesLost, 0);
    for (let at = PUTS - 200; at < PUTS; at++) {
      const read = await pool.cache.get(`k${at}`);
      assert.ok(read.kind === "hit" && bodies[at % bodies.length]!.equals(read.bytes), `k${at}`);
    }
  } finally {
    await pool.close();
  }
});
