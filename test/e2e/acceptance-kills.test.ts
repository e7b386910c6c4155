// Acceptance: clients put and get while instances die under them. `npm run soak -- kills` does the same for a minute.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SEARCH_TRIES_MAX } from "../../src/proxy/link-state.ts";
import { runKills } from "./support/kills.ts";

test("kills: with one instance dying each second, no wrong byte, no error, no needless instance", async (context) => {
  const report = await runKills({ seconds: 15, clients: 10, nodes: 24, memoryMb: 256 });
  const { load, ...rest } = report;
  context.diagnostic(JSON.stringify({ ...load, ...rest }));
  assert.deepEqual(report.faults, []);
  assert.deepEqual(load.errors, []);
  assert.deepEqual(report.unexplained, []);
  assert(report.reclaims >= 12, `${report.reclaims} kills`);
  assert(load.hits > 0 && load.puts > 0);
  // Every start is the first of its node, or follows a death: one that answers the wake, and those of the search.
  const starts = 24 + (1 + SEARCH_TRIES_MAX) * report.reclaims;
  assert(report.instancesStarted <= starts, `${report.instancesStarted} of at most ${starts}`);
});
