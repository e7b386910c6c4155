// Bugs are planted in the sources to see whether the simulation finds them (`npm run sim:planted`). A patch that does not
// apply any more finds nothing: this notices at once, without a seed being run.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { applyPatch, plantedBugs, root } from "../sim/planted/patches.ts";

test("planted bugs: there are the four that the simulation must find", () => {
  const names = plantedBugs().map(({ name }) => name);
  for (const name of [
    "stale-copy-served",
    "second-instance-started",
    "versions-mixed",
    "deleted-key-back",
  ])
    assert.ok(names.includes(name), name);
});

for (const bug of plantedBugs()) {
  test(`planted bugs: ${bug.name} can still be planted`, () => {
    const { status, stderr } = spawnSync("git", applyPatch(bug, "check"), {
      cwd: root,
      encoding: "utf8",
    });
    const hint = `plant the same bug in today's sources: test/sim/planted/${bug.name}.patch`;
    assert.equal(status, 0, `${hint}\n${stderr}`);
  });
}
