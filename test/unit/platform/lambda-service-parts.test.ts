// The pure parts of the local Lambda service: choice, billing, bandwidth, lineage, names, log tail,
// options, configuration rules.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFunctionReference } from "../../../src/platform/lambda-service/arn.ts";
import { ByteBucket, bytesPerSecond } from "../../../src/platform/lambda-service/bandwidth.ts";
import { billedMs, reportLine } from "../../../src/platform/lambda-service/billing.ts";
import { chooseInstance } from "../../../src/platform/lambda-service/choice.ts";
import { ServiceError } from "../../../src/platform/lambda-service/errors.ts";
import { parseConfiguration } from "../../../src/platform/lambda-service/function-configuration.ts";
import { extendLineage } from "../../../src/platform/lambda-service/lineage.ts";
import { LOG_TAIL_BYTES, LogTail } from "../../../src/platform/lambda-service/log-tail.ts";
import {
  LambdaServiceOptionsError,
  resolveOptions,
} from "../../../src/platform/lambda-service/options.ts";
import { seededRandom } from "../../../src/platform/lambda-service/seeded-random.ts";
import { findSignatureProblem } from "../../../src/platform/lambda-service/sigv4.ts";
import { Slots } from "../../../src/platform/lambda-service/slots.ts";
import { parseReport } from "../../../src/platform/report.ts";

const IDLE = [{ lastUsedMs: 20 }, { lastUsedMs: 30 }, { lastUsedMs: 10 }];

test("choice: most recent, least recent, and nothing when nothing is idle", () => {
  const random = seededRandom(1);
  assert.equal(chooseInstance(IDLE, "most-recent", 0, random)?.lastUsedMs, 30);
  assert.equal(chooseInstance(IDLE, "least-recent", 0, random)?.lastUsedMs, 10);
  assert.equal(chooseInstance([], "most-recent", 0, random), null);
});

test("choice: random reaches every instance, cold starts as often as it is told", () => {
  const random = seededRandom(5);
  const seen = new Set<number>();
  for (let round = 0; round < 100; round++) {
    seen.add(chooseInstance(IDLE, "random", 0, random)?.lastUsedMs ?? 0);
  }
  assert.equal(seen.size, 3);
  let cold = 0;
  for (let round = 0; round < 10_000; round++) {
    if (chooseInstance(IDLE, "cold", 0.25, random) === null) cold += 1;
  }
  assert.ok(Math.abs(cold / 10_000 - 0.25) < 0.02, `${cold}`);
});

test("random: a seed decides the sequence, and values are spread evenly", () => {
  const first = seededRandom(42);
  const second = seededRandom(42);
  const counts = Array.from({ length: 10 }, () => 0);
  for (let round = 0; round < 10_000; round++) {
    const value = first.below(10);
    assert.equal(second.below(10), value);
    counts[value] = (counts[value] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(count > 850 && count < 1150, `${counts.join(" ")}`);
});

test("billing: 1 ms includes INIT, 100 ms rounds up and does not", () => {
  const usage = { durationMs: 100.2, initMs: 50.5, memoryMb: 128, maxMemoryMb: 50 };
  assert.equal(billedMs("1ms", usage), 151);
  assert.equal(billedMs("100ms", usage), 200);
  assert.equal(billedMs("1ms", { ...usage, durationMs: 0.01, initMs: null }), 1);
  assert.equal(billedMs("100ms", { ...usage, durationMs: 100 }), 100);
});

test("report: what the service writes is what the adapter reads", () => {
  const usage = { durationMs: 12.345, initMs: 45.6, memoryMb: 1536, maxMemoryMb: 99 };
  const line = reportLine("a-b-c", usage, 58, "ok");
  assert.equal(
    line,
    "REPORT RequestId: a-b-c\tDuration: 12.35 ms\tBilled Duration: 58 ms\tMemory Size: 1536 MB\t" +
      "Max Memory Used: 99 MB\tInit Duration: 45.60 ms\t\n",
  );
  assert.deepEqual(parseReport(`START\nhello\nEND\n${line}`), {
    durationMs: 12.35,
    billedMs: 58,
    memoryMb: 1536,
    maxMemoryMb: 99,
    initMs: 45.6,
  });
});

test("report: a line of AWS, with X-Ray and status fields after it", () => {
  const log =
    "REPORT RequestId: 8f507cfc-xmpl-4697\tDuration: 2000.00 ms\tBilled Duration: 2000 ms\t" +
    "Memory Size: 128 MB\tMax Memory Used: 31 MB\tStatus: timeout\t\nXRAY TraceId: 1-2-3\tSegmentId: 4\n";
  assert.deepEqual(parseReport(log), {
    durationMs: 2000,
    billedMs: 2000,
    memoryMb: 128,
    maxMemoryMb: 31,
    initMs: null,
  });
});

test("report: only the last line counts, and a mutilated one is none", () => {
  const usage = { durationMs: 1, initMs: null, memoryMb: 128, maxMemoryMb: 1 };
  const forged = reportLine("x", usage, 999_999, "ok");
  const real = reportLine("x", usage, 1, "ok");
  assert.equal(parseReport(forged + real)?.billedMs, 1);
  assert.equal(parseReport(forged + real.slice(0, 40)), null);
  assert.equal(parseReport(""), null);
  assert.equal(parseReport("no REPORT RequestId: x\tDuration: 1 ms"), null);
});

test("log tail: keeps the last 4 KB of any amount", () => {
  const tail = new LogTail();
  for (let line = 0; line < 10_000; line++) tail.append(`line ${line}\n`);
  const text = tail.bytes().toString();
  assert.equal(text.length, LOG_TAIL_BYTES);
  assert.ok(text.endsWith("line 9998\nline 9999\n"));
});

test("bandwidth: flat, by the curve of 2020, by number", () => {
  assert.equal(bytesPerSecond("flat", 128), 78e6);
  assert.equal(bytesPerSecond("curve-2020", 128), 50e6);
  assert.equal(bytesPerSecond("curve-2020", 64), 50e6);
  assert.equal(bytesPerSecond("curve-2020", 576), 67.5e6);
  assert.equal(bytesPerSecond("curve-2020", 10_240), 160e6);
  assert.equal(bytesPerSecond(1234, 128), 1234);
  assert.equal(bytesPerSecond("unlimited", 128), Number.POSITIVE_INFINITY);
});

test("bandwidth: the bucket keeps to its rate over a second, whatever the parts", () => {
  for (const partBytes of [1000, 65_536, 1_048_576]) {
    const bucket = new ByteBucket(10e6, 0);
    let now = 0;
    let sent = 0;
    while (now < 1000) {
      const waitMs = bucket.take(partBytes, now);
      sent += partBytes;
      now += Math.max(waitMs, 0.01);
    }
    // One burst above the rate at most, and one part of debt.
    assert.ok(sent >= 10e6 && sent <= 10.6e6 + partBytes, `${sent} bytes in parts of ${partBytes}`);
  }
});

test("bandwidth: a new rate holds at once; unlimited never waits", () => {
  const bucket = new ByteBucket(Number.POSITIVE_INFINITY, 0);
  assert.equal(bucket.take(1e9, 0), 0);
  bucket.setRate(1e6, 10);
  assert.ok(bucket.take(1e6, 10) > 900);
  bucket.setRate(Number.POSITIVE_INFINITY, 20);
  assert.equal(bucket.take(1e9, 20), 0);
});

test("lineage: counts a function in its own chain and stops it after the maximum", () => {
  const fresh = (): string => "1-5-0";
  let header: string | null = null;
  for (let count = 1; count <= 16; count++) {
    header = extendLineage(header, "aaaaaaaa", fresh);
    assert.equal(header, `Root=1-5-0;Sampled=0;Lineage=aaaaaaaa:${count}`);
  }
  assert.equal(extendLineage(header, "aaaaaaaa", fresh), null);
  const other = extendLineage(header, "bbbbbbbb", fresh);
  assert.equal(other, "Root=1-5-0;Sampled=0;Lineage=aaaaaaaa:16,bbbbbbbb:1");
  assert.equal(extendLineage(other, "aaaaaaaa", fresh), null);
});

test("lineage: what is not a lineage is ignored, other fields are kept", () => {
  assert.equal(
    extendLineage("Root=1-2-3;Parent=4;Lineage=;;x=1;Lineage=zz", "aaaaaaaa", () => "none"),
    "Root=1-2-3;Parent=4;Lineage=aaaaaaaa:1;x=1;Sampled=0",
  );
});

test("names: bare, qualified, partial and full ARNs", () => {
  const arn = "arn:aws:lambda:us-east-1:123456789012:function:node-1";
  for (const text of ["node-1", "function:node-1", "123456789012:function:node-1", arn]) {
    assert.deepEqual(parseFunctionReference(text), { name: "node-1", qualifier: null }, text);
    assert.deepEqual(parseFunctionReference(`${text}:$LATEST`), {
      name: "node-1",
      qualifier: "$LATEST",
    });
  }
  for (const text of ["", "a b", "a/b", "a:b:c", `${arn}:1:2`, "x".repeat(65)]) {
    assert.equal(parseFunctionReference(text), null, text);
  }
});

test("options: all problems are told together", () => {
  assert.throws(
    () => resolveOptions({ port: 70_000, accountId: "x", coldProbability: 2 }),
    (error) => error instanceof LambdaServiceOptionsError && error.problems.length === 3,
  );
  assert.ok(Object.isFrozen(resolveOptions({})));
});

test("configuration: AWS's ranges and reserved names", () => {
  const good = { Role: "r", Runtime: "nodejs24.x", Handler: "index.handler" };
  const parsed = parseConfiguration(good, null);
  assert.equal(parsed.memoryMb, 128);
  assert.equal(parsed.timeoutS, 3);
  const changed = parseConfiguration({ MemorySize: 1536 }, parsed);
  assert.deepEqual(changed, { ...parsed, memoryMb: 1536 });
  const wrong: Readonly<Record<string, unknown>>[] = [
    { MemorySize: 127 },
    { MemorySize: 10_241 },
    { Timeout: 0 },
    { Timeout: 901 },
    { Timeout: 1.5 },
    { Runtime: "python3.13" },
    { Handler: "nothing" },
    { Architectures: ["riscv"] },
    { Environment: { Variables: { AWS_REGION: "x" } } },
    { Environment: { Variables: { A: 1 } } },
    { Environment: { Variables: { A: "x".repeat(5000) } } },
  ];
  for (const change of wrong) {
    assert.throws(
      () => parseConfiguration({ ...good, ...change }, null),
      (error) => error instanceof ServiceError && error.type === "InvalidParameterValueException",
      JSON.stringify(change).slice(0, 80),
    );
  }
});

test("sigv4: absent, malformed and well-formed headers", () => {
  const good =
    "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/lambda/aws4_request, " +
    `SignedHeaders=host;x-amz-date, Signature=${"0".repeat(64)}`;
  assert.equal(findSignatureProblem(good, "20261121T010203Z"), null);
  const absent = findSignatureProblem(undefined, undefined);
  assert.equal(absent?.status, 403);
  assert.equal(absent?.type, "MissingAuthenticationTokenException");
  assert.equal(findSignatureProblem("Basic x", "20261121T010203Z")?.status, 403);
  assert.equal(findSignatureProblem(good, "yesterday")?.status, 403);
});

test("slots: never more holders than slots, and first come first served", async () => {
  const slots = new Slots(2);
  const order: number[] = [];
  let inside = 0;
  let insideMax = 0;
  const work = async (index: number): Promise<void> => {
    await slots.enter();
    order.push(index);
    inside += 1;
    insideMax = Math.max(insideMax, inside);
    await Promise.resolve();
    inside -= 1;
    slots.leave();
  };
  await Promise.all(Array.from({ length: 20 }, (_, index) => work(index)));
  assert.equal(insideMax, 2);
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  );
});
