// The soak of `npm run soak -- survive` in two minutes: kills come closer together, and leaks are looked for only in
// what is left over at the end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { runSurvive } from "../support/soak/survive.ts";

/** Far fewer GETs than in half an hour: a single loss that backups cannot help is a large share. */
const HIT_RATIO_MIN = 0.995;

test("soak: two minutes of kills with backups lose next to nothing, and nothing wrong comes or is left over", async (context) => {
  const report = await runSurvive({
    ...{ minutes: 2, rate: 8, clients: 8, keys: 40, nodes: 24, memoryMb: 256, hasBackup: true },
    ...{ oneEveryMs: 13_000, manyEveryMs: 50_000, many: 5 },
    note: (line) => context.diagnostic(line),
  });
  const { hits, faults, leftOver, counters, errors } = report;
  context.diagnostic(JSON.stringify({ ...hits, errors }));
  assert.deepEqual(faults, []);
  assert.deepEqual(leftOver, []);
  assert.equal(counters.evictions, 0);
  assert(hits.counted >= 100, `${hits.counted} GETs`);
  assert(hits.ratio >= HIT_RATIO_MIN, `${hits.hits} of ${hits.counted}`);
});
