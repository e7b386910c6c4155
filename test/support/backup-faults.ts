// Reclaims in the middle of backup rounds, on either side (case 7 of docs/faults.md). Roles are told apart by age: each
// function's first instance is its primary until that is killed here.

import assert from "node:assert/strict";
import type { ProxyStatus } from "../../src/core/status.ts";
import { makeBytes } from "../e2e/support/bytes.ts";
import { type TestPool, until } from "./pool.ts";

const OBJECTS = 12;
const BYTES = 6_000_000;
/** Credit is given per chunk: with this delay its copies take several round trips, and a round lasts long enough. */
const DELAY_MS = 40;
const ROUND_MS_MAX = 90_000;

/** What was seen. */
export interface ReclaimFigures {
  /** Chunks and copies of the nodes at the moment of the kill. */
  readonly midway: readonly string[];
  readonly hits: number;
  readonly misses: number;
  readonly failovers: number;
}

/**
 * Objects are copied, then written anew; in the round that copies the new bytes, one side of the node's pair is killed,
 * and everything is read. The same `kills` times, with another node each. Throws when other bytes come than the newest.
 */
export async function reclaimDuringRounds(
  pool: TestPool,
  side: "primary" | "replica",
  kills: number,
): Promise<ReclaimFigures> {
  const cache = pool.client();
  const primaries = new Set((await pool.admin.instances()).map(({ id }) => id));
  for (let index = 0; index < OBJECTS; index++)
    await cache.put(`object ${index}`, makeBytes(index, BYTES));
  await until("all is copied", ROUND_MS_MAX, async () => isCopied(await pool.status()));
  const midway: string[] = [];
  let [hits, misses] = [0, 0];
  const hit = new Set<number>();
  for (let kill = 0; kill < kills; kill++) {
    // Each time other bytes under the same keys: half-copied nodes hold both.
    const seed = (index: number) => 1_000 * (kill + 1) + index;
    for (let index = 0; index < OBJECTS; index++)
      await cache.put(`object ${index}`, makeBytes(seed(index), BYTES), { deadlineMs: 60_000 });
    pool.functionFaults.treat(() => ({ delayMs: DELAY_MS }));
    let victim = -1;
    await until("a round in the middle", ROUND_MS_MAX, async () => {
      const { rows } = (await pool.status()).nodes;
      const row = rows.find(
        ({ node, isInRound, copies, chunks }) => isInRound && copies < chunks && !hit.has(node),
      );
      if (row === undefined) return false;
      const living = await pool.admin.instances();
      const chosen = living.filter(
        (each) =>
          each.function === `infinicache-${row.node}` &&
          primaries.has(each.id) === (side === "primary"),
      );
      // The second instance may be on its way only.
      if (chosen.length === 0) return false;
      for (const { id } of chosen) await pool.admin.kill({ instance: id });
      victim = row.node;
      midway.push(`${row.copies} of ${row.chunks}`);
      return true;
    });
    hit.add(victim);
    pool.functionFaults.treat(() => ({}));
    for (let index = 0; index < OBJECTS; index++) {
      const read = await cache.get(`object ${index}`, { deadlineMs: 30_000 });
      if (read.kind === "hit") {
        assert(makeBytes(seed(index), BYTES).equals(read.bytes), `object ${index}: other bytes`);
        hits++;
      } else misses++;
    }
    await until("all is copied again", ROUND_MS_MAX, async () => isCopied(await pool.status()));
  }
  return { midway, hits, misses, failovers: (await pool.status()).counters.failovers };
}

function isCopied({ nodes }: ProxyStatus): boolean {
  return nodes.rows.every(({ chunks, copies, isInRound }) => copies === chunks && !isInRound);
}
