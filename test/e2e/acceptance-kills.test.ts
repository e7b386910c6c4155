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
  // Every start is the first of its node, the successor of a killed one, or part of a search for one.
  const starts = 24 + report.reclaims + SEARCH_TRIES_MAX * report.searches;
  assert(report.instancesStarted <= starts, `${report.instancesStarted} of at most ${starts}`);
  assert(
    report.searches <= report.reclaims,
    `${report.searches} searches, ${report.reclaims} kills`,
  );
});
