/**
 * Headers, lengths and types of all our files, and the checker's own test with planted violations.
 * It looks at sources as text and runs none of them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findMisshapes } from "./shape.ts";
import { readSources } from "./sources.ts";

const header = "/**\n * What it is.\n * What it never does.\n */\n";

test("shape: every file has a header, a readable length and honest types", () => {
  const folders = ["src", "test", "tools", "bench", "examples", "bin"];
  const sources = readSources(folders, ["ts", "cjs"]);
  assert.deepEqual(sources.flatMap(findMisshapes), []);
});

test("shape: planted violations are found", () => {
  const planted: readonly [text: string, expected: RegExp][] = [
    ["export const a = 1;\n", /header has 0 lines/],
    [`// One line.\n${"export {};\n".repeat(120)}`, /header has 1 lines of text, not 2 to 8/],
    [`${"// A line.\n".repeat(9)}export const a = 1;\n`, /header has 9 lines/],
    [`${header}${"export {};\n".repeat(397)}`, /401 lines, more than 400/],
    [`${header}const a: any = 1;\n`, /a\.ts:5: any/],
    [`${header}export default 1;\n`, /default export/],
    [`${header}export default function f() {}\n`, /default export/],
    [`${header}const a = 1;\nexport { a as default };\n`, /a\.ts:6: default export/],
    [`${header}// @ts-ignore\nconst a = 1;\n`, /@ts-ignore/],
    [`${header}// @ts-nocheck\n`, /@ts-nocheck/],
  ];
  for (const [text, expected] of planted) {
    const findings = findMisshapes({ path: "src/core/a.ts", text });
    assert.equal(
      findings.length,
      1,
      `${JSON.stringify(text.slice(0, 80))}: ${findings.join("; ")}`,
    );
    assert.match(findings[0] ?? "", expected);
  }
});

test("shape: a good file passes, with either kind of comment and the word any in a sentence", () => {
  const good = [
    `${header}const any = "any";\nexport { any };\n`,
    "// What it is, and what it never does.\nexport {};\n",
    "// What it is, of any kind.\n// What it never does.\nexport {};\n",
    `#!/usr/bin/env node\n${header}export {};\n`,
  ];
  for (const text of good) assert.deepEqual(findMisshapes({ path: "src/core/a.ts", text }), []);
});
