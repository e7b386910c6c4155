/**
 * A reporter for `node --test` that prints failures only, with their file and cause, and writes the counts
 * as one JSON line to the file named in INFINICACHE_TEST_COUNTS. It never prints what passed.
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
}

/** Turns the events of a run into text. */
export async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type === "test:fail") yield* describeFailure(event.data);
    else if (event.type === "test:stderr" || event.type === "test:stdout") yield event.data.message;
    else if (event.type === "test:summary" && event.data.file === undefined) {
      const { tests, passed, skipped, todo } = event.data.counts;
      writeCounts({ passed, failed: tests - passed - skipped - todo, skipped });
    }
  }
}

export { report as default };

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

function writeCounts(counts: TestCounts): void {
  const file = process.env["INFINICACHE_TEST_COUNTS"];
  if (file !== undefined) writeFileSync(file, JSON.stringify(counts));
}
