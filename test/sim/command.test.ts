// The command behind `npm run sim`: it teaches, and what it cannot understand ends it with a word and exit code 2.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const COMMAND = ["tools/node", "src/entry/sim.ts"].map((path) =>
  fileURLToPath(new URL(`../../${path}`, import.meta.url)),
);

function run(...options: readonly string[]) {
  return spawnSync(process.execPath, [...COMMAND, ...options], { encoding: "utf8" });
}

test("sim command: --help names every option", () => {
  const { status, stdout } = run("--help");
  assert.equal(status, 0);
  for (const option of ["seeds", "from", "jobs", "seed", "trace", "minimise", "replay", "json"])
    assert.match(stdout, new RegExp(`--${option}\\b`));
});

test("sim command: an option that does not exist, or a number that is none, is refused without a trace", () => {
  for (const [options, word] of [
    [["--sed", "3"], /--sed.*--help/s],
    [["--seed", "x"], /--seed must be a whole number/],
  ] as const) {
    const { status, stdout, stderr } = run(...options);
    assert.equal(status, 2);
    assert.equal(stdout, "");
    assert.match(stderr, word);
    assert.doesNotMatch(stderr, /\n {4}at /);
  }
});
