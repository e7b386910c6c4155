/**
 * Runs the tests, suite by suite, and ends with one line `N passed, N failed`.
 *
 *   npm test                          unit, then simulations, then end to end
 *   npm run test:unit -- wire         files of a suite whose path contains "wire"
 *   npm test -- --name "get: answers" tests whose name matches
 *
 * A run in which nothing ran is a failure. It never retries. A suite that is cut short, by its time or by a signal to this
 * process, leaves nothing behind: neither processes nor folders.
 */
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ProcessGroup } from "./process-group.ts";
import { prepareClients } from "./test-clients.ts";
import type { TestCounts } from "./test-reporter.ts";

interface Suite {
  readonly name: string;
  readonly globs: readonly string[];
  /** A process for each file: for tests whose subject are processes. */
  readonly isIsolated: boolean;
  /** What one test (and with isolation one file) may take. */
  readonly testMsMax: number;
  readonly suiteMsMax: number;
}

const suites: readonly Suite[] = [
  {
    name: "tidy",
    globs: ["test/tidy/**/*.test.ts"],
    isIsolated: false,
    testMsMax: 60_000,
    suiteMsMax: 120_000,
  },
  {
    name: "unit",
    globs: ["test/unit/**/*.test.ts", "test/tidy/**/*.test.ts"],
    isIsolated: false,
    testMsMax: 60_000,
    suiteMsMax: 180_000,
  },
  {
    name: "sim",
    globs: ["test/sim/**/*.test.ts", "test/scenarios/**/*.test.ts"],
    isIsolated: false,
    testMsMax: 240_000,
    suiteMsMax: 300_000,
  },
  {
    name: "e2e",
    globs: ["test/e2e/**/*.test.ts"],
    isIsolated: true,
    testMsMax: 240_000,
    suiteMsMax: 900_000,
  },
  {
    name: "faults",
    globs: ["test/faults/**/*.test.ts"],
    isIsolated: true,
    testMsMax: 1_500_000,
    suiteMsMax: 5_400_000,
  },
  {
    name: "clients",
    globs: ["test/clients/**/*.test.{ts,js,mjs}"],
    isIsolated: true,
    testMsMax: 240_000,
    suiteMsMax: 480_000,
  },
];
const ordinarySuites = ["unit", "sim", "e2e"];

const root = resolve(import.meta.dirname, "..");
process.chdir(root);
const { values: flags, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    suite: { type: "string", multiple: true, default: ordinarySuites },
    name: { type: "string" },
    brief: { type: "boolean", default: false },
  },
});

let current: ProcessGroup | undefined;
let isStopped = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    isStopped = true;
    if (current === undefined) process.exit(1);
    void current.end(signal);
  });
}

const total = { passed: 0, failed: 0, skipped: 0 };
for (const name of flags.suite) {
  const suite = suites.find((each) => each.name === name);
  if (suite === undefined) throw new Error(`no suite is called ${name}`);
  const counts = await runSuite(suite);
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
  if (isStopped) process.exit(1);
}
if (total.passed + total.failed === 0) {
  console.log("no test ran");
  // Client tests live in a folder that a published source archive may lack.
  if (existsSync("test/clients") || !flags.suite.includes("clients")) process.exitCode = 1;
}
if (total.failed > 0) process.exitCode = 1;
if (total.skipped > 0) console.log(`${total.skipped} skipped`);
console.log(`${total.passed} passed, ${total.failed} failed`);

async function runSuite(suite: Suite): Promise<TestCounts> {
  const files = suite.globs
    .flatMap((pattern) => globSync(pattern, { exclude: (path) => path.includes("node_modules") }))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort();
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0, isComplete: true };
  if (suite.name === "clients" && !(await prepareClients())) {
    return { passed: 0, failed: 1, skipped: 0, isComplete: false };
  }
  const startedAt = performance.now();
  const counts = await runFiles(suite, files);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (!flags.brief || counts.failed > 0) {
    const sum = `${counts.passed} of ${counts.passed + counts.failed} in ${files.length} files`;
    console.log(`${suite.name}: ${sum}, ${seconds} s`);
  }
  return counts;
}

async function runFiles(suite: Suite, files: readonly string[]): Promise<TestCounts> {
  const folder = mkdtempSync(join(tmpdir(), "infinicache-test-"));
  const countsFile = join(folder, "counts.json");
  try {
    const exitCode = await runNode(suite, files, folder, countsFile);
    const counts: TestCounts = existsSync(countsFile)
      ? (JSON.parse(readFileSync(countsFile, "utf8")) as TestCounts)
      : { passed: 0, failed: 0, skipped: 0, isComplete: false };
    if (!counts.isComplete) {
      console.log(`FAIL ${suite.name}: cut short (exit code ${exitCode ?? "none"})`);
      return { ...counts, failed: counts.failed + 1 };
    }
    // Something outside every test can fail, too: a file that does not load, a handle left open.
    const isUnexplained = exitCode !== 0 && counts.failed === 0;
    if (isUnexplained) console.log(`FAIL ${suite.name}: exit code ${exitCode ?? "none"}`);
    return isUnexplained ? { ...counts, failed: 1 } : counts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
    removeFolders(basename(folder));
  }
}

/** What files that were killed could not remove: folders that bear the name of this run. */
function removeFolders(run: string): void {
  for (const name of readdirSync(tmpdir()))
    if (name.startsWith(`infinicache-acceptance-${run}-`))
      rmSync(join(tmpdir(), name), { recursive: true, force: true, maxRetries: 3 });
}

/** The exit code, or null when the suite had to be killed. */
async function runNode(
  suite: Suite,
  files: readonly string[],
  folder: string,
  countsFile: string,
): Promise<number | null> {
  const args = [
    "--disable-warning=ExperimentalWarning",
    "--test",
    `--test-isolation=${suite.isIsolated ? "process" : "none"}`,
    ...(suite.isIsolated ? ["--test-concurrency=1"] : []),
    `--test-timeout=${suite.testMsMax}`,
    `--test-reporter=${join(root, "tools", "test-reporter.ts")}`,
    ...(flags.name === undefined ? [] : [`--test-name-pattern=${flags.name}`]),
    ...files,
  ];
  const env = {
    ...process.env,
    TEST_COUNTS_FILE: countsFile,
    TEST_RUN: basename(folder),
    TEST_WATCH_HANDLES: suite.isIsolated ? "0" : "1",
  };
  const group = new ProcessGroup(process.execPath, args, { stdio: "inherit", env });
  current = group;
  const timer = setTimeout(() => {
    console.log(`FAIL ${suite.name}: killed after ${suite.suiteMsMax / 1000} s`);
    console.log("     (a test that hangs, or a socket, timer or child that a test left open)");
    void group.end("SIGKILL");
  }, suite.suiteMsMax);
  try {
    return await group.ended;
  } finally {
    clearTimeout(timer);
    current = undefined;
  }
}
