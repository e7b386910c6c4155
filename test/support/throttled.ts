// Case 12 of the faults, for as long as a suite has time: the provider refuses to start invocations, by throttling and then
// altogether, while functions are warm.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeBytes } from "../e2e/support/bytes.ts";
import { startPool, until } from "./pool.ts";

const BYTES = 4_000_000;

/** Warm functions go on serving while Invoke is refused, and everything is read again afterwards. */
export async function throttledWhileWarm(context: TestContext, faultMs: number): Promise<void> {
  const pool = await startPool(context, { nodes: 8, code: "4+2", linger: "30s" });
  const cache = pool.client();
  const body = makeBytes(12, BYTES);
  for (const fault of ["throttleMs", "unavailableMs"] as const) {
    for (let index = 0; index < 5; index++) await cache.put(`object ${index}`, body);
    // Invocations end after 45 s at most; new ones give the warm functions most of that.
    await pool.admin.faults({ [fault]: faultMs });
    const endsAt = performance.now() + faultMs;
    let [hits, misses] = [0, 0];
    while (performance.now() < endsAt) {
      const read = await cache.get(`object ${hits % 5}`, { deadlineMs: 2_000 });
      assert(read.kind === "miss" || body.equals(read.bytes));
      if (read.kind === "hit") hits++;
      else {
        misses++;
        assert.equal(read.reason, "unreachable");
      }
      await sleep(50);
    }
    const { counters } = await pool.status();
    context.diagnostic(
      `${fault} for ${faultMs} ms: ${hits} hits, ${misses} misses, ${counters.throttles} throttles so far`,
    );
    assert(hits > 0, "warm functions served nothing");
    await until("all hit again", 60_000, async () => {
      const reads = await Promise.all(
        Array.from({ length: 5 }, (_, index) =>
          cache.get(`object ${index}`, { deadlineMs: 5_000 }),
        ),
      );
      return reads.every((read) => read.kind === "hit" && body.equals(read.bytes));
    });
  }
  assert.equal((await pool.admin.counters()).instancesStarted, 8);
}
