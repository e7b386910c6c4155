// Whether the simulation finds bugs that are there for certain: each patch beside this file is applied to a scratch copy
// of the sources, and seeds are run until one fails. `npm run sim:planted`, or with names of patches. It never touches
// the checkout.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";

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

const root = resolve(import.meta.dirname, "../../..");
const wanted = process.argv.slice(2);
const patches = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".patch"))
  .filter((file) => wanted.length === 0 || wanted.includes(basename(file, ".patch")));

for (const patch of patches) {
  const verdict = judge(join(import.meta.dirname, patch));
  const [first] = verdict.failed;
  const name = basename(patch, ".patch");
  if (first === undefined) {
    console.log(`${name}: NOT FOUND in ${verdict.seeds} seeds`);
    process.exitCode = 1;
    continue;
  }
  console.log(`${name}: found by seed ${first.seed}, in ${verdict.seconds.toFixed(1)} s`);
  console.log(`  ${first.violations[0]?.what ?? ""}`);
}
if (patches.length === 0) throw new Error("there is no such patch");

function judge(patch: string): Verdict {
  const scratch = mkdtempSync(join(tmpdir(), "infinicache-planted-"));
  try {
    for (const name of ["src", "package.json"])
      cpSync(join(root, name), join(scratch, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(scratch, "node_modules"));
    // Outside any repository, or git would look for the files in that one.
    const env = { ...process.env, GIT_CEILING_DIRECTORIES: tmpdir() };
    run("git", ["apply", "-C1", patch], scratch, env, [0]);
    const jobs = String(availableParallelism());
    const options = ["--seeds", String(SEEDS_MAX), "--jobs", jobs, "--stop-at-first", "--json"];
    const sim = [join(scratch, "src/entry/sim.ts"), ...options];
    // Proof of the cast: this is what the command prints with --json.
    return JSON.parse(run(process.execPath, sim, scratch, process.env, [0, 1])) as Verdict;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
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
