/**
 * No ambient time, chance, cryptography or network outside the rooms that own them, and the checker's own
 * test with planted violations. It looks at sources as text and runs none of them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findAmbientUses } from "./ambient.ts";
import { readSources } from "./sources.ts";

test("ambient: time, chance, cryptography and network come through ports", () => {
  assert.deepEqual(readSources(["src"], ["ts"]).flatMap(findAmbientUses), []);
});

test("ambient: planted violations are found, and name the port", () => {
  const planted: readonly [text: string, expected: RegExp][] = [
    ["const a = Date.now();", /:1: Date\.now is ambient: use the WallClock port/],
    ["const a = new Date();", /new Date\(\) without a time is ambient: use the WallClock port/],
    ["setTimeout(() => {}, 1);", /setTimeout is ambient: use the Clock port/],
    ["const later = { after: setTimeout };", /setTimeout/],
    ["globalThis.setImmediate(f);", /setImmediate/],
    ["const a = [1].map(Math.random);", /Math\.random is ambient: use the Random port/],
    ["crypto.randomUUID();", /crypto is ambient: use the Crypto port/],
    ["const t = performance.now();", /performance/],
    ["const s = AbortSignal.timeout(5);", /AbortSignal\.timeout is ambient: use the Clock port/],
    ["process.hrtime.bigint();", /process\.hrtime/],
    ['import { connect } from "node:net";', /node:net is ambient: use the Transport port/],
    ['import { setTimeout as sleep } from "node:timers/promises";', /node:timers/],
    ["await fetch(url);", /fetch/],
  ];
  for (const [text, expected] of planted) {
    const findings = findAmbientUses({ path: "src/core/a.ts", text });
    assert.equal(findings.length, 1, `${text}: ${findings.join("; ")}`);
    assert.match(findings[0] ?? "", expected);
  }
});

test("ambient: names of one's own, types, members and comments pass", () => {
  const text = `
    // Date.now() and setTimeout() are banned here.
    import type { Socket } from "node:net";
    interface Clock { setTimeout(f: () => void): void; readonly performance: number }
    function f(clock: Clock, fetch: () => void, at: number) {
      clock.setTimeout(() => fetch());
      const date = new Date(at), s = "Math.random()";
      return { crypto: clock.performance, date, s };
    }
    type T = typeof globalThis;`;
  assert.deepEqual(findAmbientUses({ path: "src/core/a.ts", text }), []);
});

test("ambient: host and platform may use them", () => {
  const text = "export const now = () => Date.now();";
  assert.deepEqual(findAmbientUses({ path: "src/host/system-clock.ts", text }), []);
  assert.deepEqual(findAmbientUses({ path: "src/platform/local.ts", text }), []);
});
