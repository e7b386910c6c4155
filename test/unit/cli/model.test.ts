// `model …` by the command line: what the models say reaches people and machines, and wrong options are told
// together. The arithmetic has its own tests beside it.

import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import { runProgram } from "../../../src/cli/program.ts";
import { SystemClock } from "../../../src/host/system-clock.ts";

async function model(line: string): Promise<{ code: number; out: string; err: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const unused = () => assert.fail("a model starts nothing and asks nobody");
  const code = await runProgram(["model", ...line.split(" ")], {
    composition: { connect: unused, startLambda: unused, startPool: unused, startLocal: unused },
    clock: new SystemClock(),
    version: "1.2.3",
    environment: {},
    folder: "/",
    stdin: Readable.from([]),
    stdout,
    stderr,
    signal: new AbortController().signal,
  });
  const read = (stream: PassThrough) => String(stream.read() ?? "");
  return { code, out: read(stdout), err: read(stderr) };
}

test("model availability: prints r, p_d(r), P(r), and what objects of some stripes lose", async () => {
  const { code, out } = await model("availability --per-minute 3,12 --stripes 1,3");
  assert.equal(code, 0);
  const lines = out.split("\n").map((line) => line.trim().split(/\s{2,}/));
  assert(lines.some((cells) => cells.join(" ") === "3 0.50 2.1e-5 2.1e-5 1.0e-5"));
  assert(lines.some((cells) => cells[0] === "12" && cells[3] === "3.9e-3"));
  assert(lines.some((cells) => cells[0] === "3" && cells[1] === "5.9e-3"));
});

test("model availability --json: every P_i, P(r) and sum, as numbers", async () => {
  const { out } = await model("availability --json");
  const report = JSON.parse(out);
  assert.equal(report.code, "10+2");
  assert.deepEqual(
    report.objects.map((each: { stripes: number }) => each.stripes),
    [1, 3, 32],
  );
  const three = report.rows.find((row: { reclaimed: number }) => row.reclaimed === 3);
  assert.equal(three.chunksLost.length, 13);
  assert.equal(three.stripeLoss.toExponential(1), "2.1e-5");
  assert.equal((report.objects[0].availabilityPerHour * 100).toFixed(2), "99.77");
});

test("model availability --replicas: a node is lost only with both of its instances", async () => {
  const line = "availability --nodes 24 --per-minute 29 --stripes 1 --replicas";
  const { out } = await model(line);
  assert.match(out, /over 24 functions with a replica each/);
  const report = JSON.parse((await model(`${line} --json`)).out);
  assert.equal(report.hasReplicas, true);
  assert(Math.abs(report.objects[0].lossPerInterval - 0.92) < 0.005);
});

test("model availability: more rows than fit are left out by weight, and counted", async () => {
  const { out } = await model("availability --reclaims poisson:265 --interval 1h");
  assert.match(out, /and \d+ more that matter less/);
  assert(out.split("\n").length < 40);
});

test("model availability: all that is wrong with the options is told at once, and nothing is printed", async () => {
  const { code, out, err } = await model(
    "availability --nodes 5000 --code 10 --interval never --reclaims poisson: --stripes 0",
  );
  assert.equal(code, 2);
  assert.equal(out, "");
  for (const option of ["nodes", "code", "interval", "reclaims", "stripes"])
    assert.match(err, new RegExp(`--${option}: `));
});

test("model availability: options that do not fit each other are refused", async () => {
  const refused: readonly [string, RegExp][] = [
    ["--nodes 11", /--nodes: a stripe of 10\+2 needs 12 functions/],
    ["--interval 90s", /--interval: must be whole minutes/],
    ["--reclaims mass:2 --interval 3h", /--interval: must be at most the 2 h/],
    ["--reclaims mass --per-minute 3", /--per-minute: cannot be joined with --reclaims/],
    ["--nodes 20 --per-minute 21", /--per-minute: must be counts from 0 to 20/],
    ["--per-minute 3:0", /--per-minute: must be counts/],
  ];
  for (const [options, message] of refused) {
    const { code, err } = await model(`availability ${options}`);
    assert.equal(code, 2, options);
    assert.match(err, message);
  }
});

test("model cost: the paper's figures at the prices of 2020 stand beside today's", async () => {
  const { code, out } = await model("cost --backup 5m --chunk-time 100ms --json");
  assert.equal(code, 0);
  const { costs } = JSON.parse(out);
  const then = costs.find((each: { prices: string }) => each.prices === "lambda-2020");
  const now = costs.find((each: { prices: string }) => each.prices === "lambda-arm");
  assert.equal(then.warmUp.toFixed(4), "0.0648");
  assert.equal(then.perGet.toExponential(2), "3.24e-5");
  assert.equal(Math.round(then.crossover / 1_000), 312);
  assert(now.total < then.total && now.crossover > then.crossover);
});

test("model cost: prints a column for each price table", async () => {
  const { out } = await model("cost");
  assert.match(out, /^dollars an hour +lambda-x86 +lambda-arm +lambda-2020$/m);
  assert.match(out, /^warm-up .*\$0\.065$/m);
});
