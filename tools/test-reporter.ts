/**
 * A reporter for `node --test` that prints failures only, with their file and cause, and writes the counts
 * as one JSON line to the file named in TEST_COUNTS_FILE. It never prints what passed.
 * Without isolation it shares the process with the tests, and ends a run that only an open handle keeps alive.
 */
import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";

/** What one run of `node --test` counted. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** False: the run was cut short, and more would have come. */
  readonly isComplete: boolean;
}

/** How long a run whose tests have all ended may linger before it is said to have left something open. */
const lingerMsMax = 5_000;

const counts = { passed: 0, failed: 0, skipped: 0 };
let runningCount = 0;
let lastEventAt = performance.now();

/** Turns the events of a run into text. */
export async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  if (process.env["TEST_WATCH_HANDLES"] === "1") watchHandles();
  for await (const event of events) {
    lastEventAt = performance.now();
    count(event);
    if (event.type === "test:pass" || event.type === "test:fail") writeCounts(false);
    if (event.type === "test:fail") yield* describeFailure(event.data);
    else if (event.type === "test:stderr" || event.type === "test:stdout") yield event.data.message;
    // Activity after a test's end is a fault that no test can be blamed for any more.
    else if (event.type === "test:diagnostic" && /^(?:Error|Warning):/.test(event.data.message)) {
      yield `\nFAIL ${event.data.message}\n`;
    }
  }
  writeCounts(true);
}

export { report as default };

function count(event: TestEvent): void {
  if (event.type === "test:enqueue") runningCount += 1;
  if (event.type === "test:complete") runningCount -= 1;
  if (event.type !== "test:pass" && event.type !== "test:fail") return;
  if (event.data.details.type === "suite" || event.data.todo !== undefined) return;
  if (event.data.skip !== undefined) counts.skipped += 1;
  else counts[event.type === "test:pass" ? "passed" : "failed"] += 1;
}

function watchHandles(): void {
  const check = () => {
    const isRunning = runningCount > 0 || counts.passed + counts.failed + counts.skipped === 0;
    if (isRunning || performance.now() - lastEventAt < lingerMsMax) return;
    const open = process.getActiveResourcesInfo().join(", ");
    process.stdout.write(`\nFAIL all tests have ended, but a test left open: ${open}\n`);
    counts.failed += 1;
    writeCounts(true);
    process.exit(1);
  };
  setInterval(check, 1_000).unref();
}

type Failure = Extract<TestEvent, { type: "test:fail" }>["data"];

function* describeFailure(failure: Failure): Generator<string> {
  const { error } = failure.details;
  // A parent fails because its children did; they have spoken already.
  if ("failureType" in error && error.failureType === "subtestsFailed") return;
  const cause = error.cause ?? error;
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause);
  const place = failure.file === undefined ? "" : relative(process.cwd(), failure.file);
  yield `\nFAIL ${failure.name}\n     ${place}:${failure.line ?? "?"}\n`;
  yield `${withoutNodeFrames(text).replaceAll(/^/gm, "     ")}\n`;
}

function withoutNodeFrames(stack: string): string {
  const lines = stack.split("\n");
  return lines.filter((line) => !/^\s+at .*\(?node:/.test(line)).join("\n");
}

function writeCounts(isComplete: boolean): void {
  const file = process.env["TEST_COUNTS_FILE"];
  if (file !== undefined) writeFileSync(file, JSON.stringify({ ...counts, isComplete }));
}
