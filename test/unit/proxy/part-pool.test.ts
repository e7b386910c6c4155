// Claims about the memory that a proxy keeps for parts: used again, and bounded together with what is in use.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Part, PartPool } from "../../../src/proxy/part-pool.ts";
import { TRANSFER_BYTES_MAX } from "../../../src/proxy/transfer-credit.ts";

const MIB = 1_024 * 1_024;

test("part pool: a buffer that came back is the next one, and what is in use and kept is twice what transfers may hold", () => {
  const pool = new PartPool();
  const most = (2 * TRANSFER_BYTES_MAX) / MIB;
  const parts = Array.from({ length: most }, () => new Part(pool, pool.take(MIB), 0));
  const known = new Set(parts.map(({ bytes }) => bytes.buffer));
  for (const part of parts.slice(most / 2)) part.release();
  assert.equal(pool.budget.heldBytes, TRANSFER_BYTES_MAX);
  // As many more come while half is in use: all of them lie where others lay.
  const again = Array.from({ length: most / 2 }, () => new Part(pool, pool.take(MIB), 0));
  for (const { bytes } of again) assert.ok(known.has(bytes.buffer));
  // One more is beyond the bound: it is let go as long as so much is in use.
  const extra = new Part(pool, pool.take(MIB), 0);
  assert.ok(!known.has(extra.bytes.buffer));
  extra.release();
  assert.notEqual(pool.take(MIB).buffer, extra.bytes.buffer);
});
