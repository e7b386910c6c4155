// Reclaims in the middle of a backup round: one side of a node's pair is gone while copies are on their way. What is
// read afterwards is the newest bytes, from whichever instance is left; a half-made copy is never counted on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { reclaimDuringRounds } from "../support/backup-faults.ts";
import { startPool } from "../support/pool.ts";

const KILLS = 2;

for (const side of ["primary", "replica"] as const) {
  test(`7: the ${side} reclaimed during a backup round: the newest bytes each time, and the next round ends`, async (context) => {
    const plan = { nodes: 6, code: "4+2", memoryMb: 256, backupInterval: "1s" };
    const pool = await startPool(context, plan);
    const figures = await reclaimDuringRounds(pool, side, KILLS);
    context.diagnostic(JSON.stringify(figures));
    assert.equal(figures.misses, 0, "one loss of six is below parity");
    assert.equal(figures.midway.length, KILLS);
  });
}
