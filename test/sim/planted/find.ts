// Whether the simulation finds bugs that are there for certain: each patch beside this file is applied to a scratch copy
// of the sources, and seeds are run until one breaks the promise that the patch names. That seed must be without fault
// where nothing was planted. `npm run sim:planted -- [--jobs N] [--from S] [names]`. It never touches the checkout.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { applyPatch, type PlantedBug, plantedBugs, root } from "./patches.ts";

/** A planted bug must be found within so many seeds. */
const SEEDS_MAX = 300;
const MS_MAX = 20 * 60_000;

interface Verdict {
  readonly seeds: number;
  readonly seconds: number;
  readonly failed: readonly {
    readonly seed: number;
    readonly violations: readonly { readonly what: string }[];
  }[];
}

const { values, positionals } = parseArgs({
  options: {
    jobs: { type: "string", default: String(availableParallelism()) },
    from: { type: "string", default: "1" },
  },
  allowPositionals: true,
});
const from = Number(values.from);
const bugs = plantedBugs().filter(
  ({ name }) => positionals.length === 0 || positionals.includes(name),
);
if (bugs.length === 0) throw new Error("there is no such patch");

for (const bug of bugs) {
  const sentence = search(bug);
  console.log(`${bug.name}: ${sentence ?? "NOT FOUND"}`);
  if (sentence === null) process.exitCode = 1;
}

/** How it was found, or null. */
function search(bug: PlantedBug): string | null {
  const scratch = mkdtempSync(join(tmpdir(), "infinicache-planted-"));
  try {
    for (const name of ["src", "package.json"])
      cpSync(join(root, name), join(scratch, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(scratch, "node_modules"));
    // Outside any repository, or git would look for the files in that one.
    const env = { ...process.env, GIT_CEILING_DIRECTORIES: tmpdir() };
    run("git", applyPatch(bug, "apply"), scratch, env, [0]);
    let next = from;
    let seconds = 0;
    while (next < from + SEEDS_MAX) {
      const verdict = simulate(scratch, next, from + SEEDS_MAX - next);
      seconds += verdict.seconds;
      const [first] = verdict.failed;
      if (first === undefined) return null;
      const what = first.violations.find((each) => bug.found.test(each.what))?.what;
      if (what !== undefined && simulate(root, first.seed, 1).failed.length === 0) {
        const seeds = first.seed - from + 1;
        return `found by seed ${first.seed}, after ${seeds} seeds, in ${seconds.toFixed(1)} s\n  ${what}`;
      }
      // What the bug has set going is another fault: it counts only where its own promise is broken, too.
      console.log(`  (seed ${first.seed} says: ${first.violations[0]?.what.slice(0, 100)})`);
      next = first.seed + 1;
    }
    return null;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function simulate(sources: string, first: number, seeds: number): Verdict {
  const options = ["--from", String(first), "--seeds", String(seeds), "--jobs", values.jobs];
  const sim = [join(sources, "src/entry/sim.ts"), ...options, "--stop-at-first", "--json"];
  // Proof of the cast: this is what the command prints with --json.
  return JSON.parse(run(process.execPath, sim, sources, process.env, [0, 1])) as Verdict;
}

function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  allowed: readonly number[],
): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    encoding: "utf8",
    timeout: MS_MAX,
    maxBuffer: 64 * 1_024 * 1_024,
  });
  if (error !== undefined) throw error;
  if (status === null || !allowed.includes(status))
    throw new Error(`${command} ended with ${status ?? "a signal"}: ${stderr}`);
  return stdout;
}
