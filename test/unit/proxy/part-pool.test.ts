// Claims about the memory that a proxy keeps for parts: used again, and bounded together with what is in use.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Part, PartPool } from "../../../src/proxy/part-pool.ts";
import { TRANSFER_BYTES_DEFAULT } from "../../../src/proxy/transfer-credit.ts";

const MIB = 1_024 * 1_024;

test("part pool: a buffer that came back is the next one, up to twice what transfers may hold", () => {
  const pool = new PartPool();
  const most = (2 * TRANSFER_BYTES_DEFAULT) / MIB;
  const parts = Array.from({ length: most }, () => new Part(pool, pool.take(MIB), 0));
  const known = new Set(parts.map(({ bytes }) => bytes.buffer));
  for (const part of parts.slice(most / 2)) part.release();
  assert.equal(pool.budget.heldBytes, TRANSFER_BYTES_DEFAULT);
  // As many more come while half is in use: all of them lie where others lay.
  const again = Array.from({ length: most / 2 }, () => new Part(pool, pool.take(MIB), 0));
  for (const { bytes } of again) assert.ok(known.has(bytes.buffer));
});

test("part pool: beyond what it keeps buffers are used again as long as so many are in use, and no longer", () => {
  const pool = new PartPool();
  const kept = (2 * TRANSFER_BYTES_DEFAULT) / MIB;
  const seen = new Set<ArrayBufferLike>();
  let made = 0;
  const take = (): Part => {
    const bytes = pool.take(MIB);
    if (!seen.has(bytes.buffer)) made++;
    seen.add(bytes.buffer);
    return new Part(pool, bytes, 0);
  };
  const many = Array.from({ length: 2 * kept }, take);
  made = 0;
  for (let round = 0; round < 8; round++) {
    for (const part of many.splice(kept)) part.release();
    while (many.length < 2 * kept) many.push(take());
  }
  // Of each byte that comes back a little of the peak is forgotten: a buffer in each round.
  assert.ok(made <= 8);
  for (const part of many.splice(kept / 2)) part.release();
  for (let round = 0; round < 1_024 * kept; round++) take().release();
  // Now half as much as it keeps is in use, and was for long: the other half is kept, and no more.
  made = 0;
  for (let index = 0; index < kept; index++) take();
  assert.equal(made, kept / 2);
});
