/**
 * Checks everything that can be known without running the program: format, lint, types, tidy, unused code.
 * Runs all of them even when one fails, and ends with one line `N passed, N failed`.
 * It never changes a file; `npm run format` does.
 */
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const bin = (name: string) => join(root, "node_modules", ".bin", name);
const stepMsMax = 180_000;

const steps: readonly { name: string; command: readonly [string, ...string[]] }[] = [
  { name: "format and lint (biome)", command: [bin("biome"), "check", "--error-on-warnings", "."] },
  { name: "lint by types (oxlint)", command: [bin("oxlint"), "--type-aware", "--deny-warnings"] },
  { name: "types (tsc)", command: [bin("tsc"), "--noEmit", "--pretty", "false"] },
  {
    name: "tidy",
    command: [process.execPath, join(root, "tools", "test.ts"), "--suite", "tidy", "--brief"],
  },
  { name: "unused code (knip)", command: [bin("knip"), "--no-progress"] },
];

const failed = steps.filter(({ name, command: [program, ...args] }) => {
  const startedAt = performance.now();
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: root,
    encoding: "utf8",
    timeout: stepMsMax,
    maxBuffer: 64 * 1024 * 1024,
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${status === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
  if (status !== 0) console.log(`${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}`);
  return status !== 0;
});

console.log(`${steps.length - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;
