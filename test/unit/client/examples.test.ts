// The examples in docs/library.md and in the doc comments of the library compile against the library as it is.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import ts from "typescript";

const root = join(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** The code after each `@example`, without the comment's stars. */
function docExamples(path: string): string[] {
  return [...read(path).matchAll(/@example\n(.*?)\n\s*\*\//gs)].map(([, block = ""]) =>
    block.replace(/^\s*\* ?/gm, ""),
  );
}

const given =
  'import { CacheError, connect, type Cache } from "infinicache";\ndeclare const cache: Cache;\ndeclare const bytes: Uint8Array;\n';

test("every example of the library compiles", () => {
  const pages = [...read("docs/library.md").matchAll(/```ts\n(.*?)```/gs)].map(
    ([, block = ""]) => block,
  );
  const comments = ["src/client/api.ts", "src/core/errors.ts"]
    .flatMap(docExamples)
    .map(
      (code) =>
        `${given}export async function example(body: Uint8Array) {\n${code}\nreturn [connect, CacheError, cache, bytes, body];\n}`,
    );
  const entry = [
    ...docExamples("src/entry/library.ts").map(
      (code) => `import { connect } from "infinicache";\n${code}\nexport {};`,
    ),
    ...docExamples("src/entry/embedded.ts").map(
      (code) => `import { startEmbedded } from "infinicache/proxy";\n${code}\nexport {};`,
    ),
  ];
  assert.ok(
    pages.length >= 3 && comments.length >= 12 && entry.length === 2,
    "the examples were found",
  );
  const sources = new Map(
    [...pages, ...comments, ...entry].map((code, i) => [
      join(root, `test/unit/client/example-${i}.ts`),
      code,
    ]),
  );
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    types: ["node"],
    lib: ["lib.es2024.d.ts"],
    target: ts.ScriptTarget.ES2024,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    paths: {
      infinicache: [join(root, "src/entry/library.ts")],
      "infinicache/proxy": [join(root, "src/entry/embedded.ts")],
    },
  };
  const host = ts.createCompilerHost(options);
  host.fileExists = (path) => sources.has(path) || ts.sys.fileExists(path);
  host.readFile = (path) => sources.get(path) ?? ts.sys.readFile(path);
  const program = ts.createProgram([...sources.keys()], options, host);
  const faults = [...sources.keys()].flatMap((path) =>
    ts.getPreEmitDiagnostics(program, program.getSourceFile(path)),
  );
  const texts = faults.map(
    ({ file, messageText }) =>
      `${file?.text ?? ""}\n${ts.flattenDiagnosticMessageText(messageText, "\n")}`,
  );
  assert.deepEqual(texts, []);
});
