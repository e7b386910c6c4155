// The pages made from the tables of src/cli are those in docs/. It checks text, not whether the text is true.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { commandPages } from "../../../tools/command-pages.ts";

const root = resolve(import.meta.dirname, "..", "..", "..");

for (const [path, text] of Object.entries(commandPages())) {
  test(`${path}: is what the tables say (else: node tools/node tools/command-pages.ts)`, () => {
    assert.equal(readFileSync(join(root, path), "utf8"), text);
  });
}
