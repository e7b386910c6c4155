/**
 * The arrows of imports between the rooms of `src/`, and the checker's own test with planted violations.
 * It looks at sources as text and runs none of them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { findForbiddenImports, rooms } from "./arrows.ts";
import { readSources } from "./sources.ts";

test("arrows: every room imports only what it may", () => {
  assert.deepEqual(readSources(["src"], ["ts"]).flatMap(findForbiddenImports), []);
});

test("arrows: the table has no cycle", () => {
  const isBelow = (above: string, room: string, depth = 0): boolean =>
    depth > 20 ||
    (rooms[above]?.rooms ?? []).some((each) => each === room || isBelow(each, room, depth + 1));
  for (const room of Object.keys(rooms)) assert.equal(isBelow(room, room), false, room);
});

test("arrows: planted violations are found", () => {
  const planted: readonly [path: string, text: string, expected: RegExp][] = [
    ["src/core/ring.ts", 'import { a } from "../wire/frame.ts";', /core must not import wire/],
    ["src/core/ring.ts", 'import type { a } from "../wire/frame.ts";', /core must not import wire/],
    ["src/core/ring.ts", 'import "node:fs";', /core must not import node:fs/],
    ["src/erasure/code.ts", 'export * from "../core/ids.ts";', /erasure must not import core/],
    ["src/proxy/deep/a.ts", 'import("../../erasure/code.ts");', /proxy must not import erasure/],
    ["src/proxy/a.ts", 'type A = import("../client/a.ts").A;', /proxy must not import client/],
    ["src/runtime/a.ts", 'import { z } from "zod";', /runtime must not import zod/],
    ["src/cli/main.ts", 'import "../entry/cli.ts";', /cli must not import entry/],
    ["src/cli/main.ts", 'import { build } from "../../tools/b.ts";', /it is not src/],
    ["src/core/a.ts", 'import { b } from "./b.js";', /must end in \.ts/],
    ["src/attic/a.ts", "export const a = 1;", /not a room/],
    ["src/core/a.ts", '\nconst a = require("../host/a.ts");', /a\.ts:2: core must not import host/],
  ];
  for (const [path, text, expected] of planted) {
    const findings = findForbiddenImports({ path, text });
    assert.equal(findings.length, 1, `${path}: ${text}`);
    assert.match(findings[0] ?? "", expected);
  }
});

test("arrows: allowed imports pass", () => {
  const text = `
    import { a } from "./a.ts"; import { b } from "../core/b.ts"; import net from "node:net";
    import { LambdaClient } from "@aws-sdk/client-lambda"; const s = 'import "zod"'; // import "zod"`;
  assert.deepEqual(findForbiddenImports({ path: "src/platform/aws.ts", text }), []);
});
