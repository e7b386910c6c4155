// The documents' own code: every block of TypeScript compiles, and the blocks marked as runnable run, against a
// pool that the first shell block of the README starts itself.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { CliFixture, terminate } from "./cli-fixture.ts";

const root = resolve(import.meta.dirname, "..", "..");
const fixture = new CliFixture();
after(() => fixture.end());

interface Block {
  readonly document: string;
  readonly language: string;
  readonly isRunnable: boolean;
  readonly text: string;
}

function blocksOf(document: string): Block[] {
  const text = readFileSync(join(root, document), "utf8");
  const pattern = /(<!-- test: run -->\n)?^```(\w+)\n(.*?)^```$/gms;
  return [...text.matchAll(pattern)].map(([, mark, language = "", body = ""]) => ({
    document,
    language,
    isRunnable: mark !== undefined,
    text: body,
  }));
}

const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "examples/README.md",
  ...globSync("docs/**/*.md", { cwd: root }),
];
const blocks = documents.flatMap(blocksOf);

test("documents: every block of TypeScript compiles", () => {
  const sources = new Map<string, string>();
  for (const block of blocks.filter(({ language }) => language === "ts")) {
    // A module of its own each, so that names do not meet.
    const path = join(root, `document-${sources.size}.ts`);
    sources.set(path, `${block.text}\nexport {};\n`);
  }
  assert(sources.size > 0);
  const config = ts.readConfigFile(join(root, "tsconfig.json"), (path) =>
    ts.sys.readFile(path),
  ).config;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const paths = {
    infinicache: [join(root, "src", "entry", "library.ts")],
    "infinicache/proxy": [join(root, "src", "entry", "embedded.ts")],
    "infinicache/origin": [join(root, "src", "entry", "origin.ts")],
  };
  const plain = ts.createCompilerHost({ ...options, paths });
  const getSourceFile: typeof plain.getSourceFile = (path, version) => {
    const text = sources.get(path);
    return text === undefined
      ? plain.getSourceFile(path, version)
      : ts.createSourceFile(path, text, version);
  };
  const fileExists = (path: string) => sources.has(path) || plain.fileExists(path);
  const host = { ...plain, getSourceFile, fileExists };
  const program = ts.createProgram([...sources.keys()], { ...options, paths }, host);
  const problems = ts
    .getPreEmitDiagnostics(program)
    .filter(({ file }) => file !== undefined && sources.has(file.fileName))
    .map(
      ({ file, messageText }) =>
        `${ts.flattenDiagnosticMessageText(messageText, "\n")} in:\n${file?.text}`,
    );
  assert.deepEqual(problems, []);
});

test("documents: links to files of the repository lead somewhere", () => {
  const broken = documents.flatMap((document) => {
    const text = readFileSync(join(root, document), "utf8");
    const targets = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)].map(
      ([, target = ""]) => target,
    );
    return targets
      .filter((target) => !ts.sys.fileExists(resolve(root, document, "..", target)))
      .filter((target) => !ts.sys.directoryExists(resolve(root, document, "..", target)))
      .map((target) => `${document}: ${target}`);
  });
  assert.deepEqual(broken, []);
});

test("README: the shell lines run as they stand, on other ports", async () => {
  const port = await freeBlock();
  for (const { text } of blocks.filter((each) => each.isRunnable && each.language === "sh")) {
    const command = `"${process.execPath}" --disable-warning=ExperimentalWarning "${join(root, "src/entry/cli.ts")}"`;
    const script = text
      .replaceAll("npx infinicache", command)
      .replaceAll(/\b637(\d)\b/g, (_, digit: string) => String(port + Number(digit)));
    writeFileSync(fixture.path("photo.jpg"), randomBytes(2_000_000));
    const environment = {
      ...fixture.environment,
      INFINICACHE_PORT: String(port),
      INFINICACHE_URL: `127.0.0.1:${port}`,
    };
    const { status, stderr } = spawnSync("bash", ["-euo", "pipefail", "-c", script], {
      cwd: fixture.folder,
      env: environment,
      encoding: "utf8",
      timeout: 60_000,
    });
    assert.equal(status, 0, stderr);
  }
});

test("README: the library's example runs as it stands", async () => {
  const up = await fixture.start(["up", "--port", "0", "--memory", "128"]);
  const folder = mkdtempSync(join(tmpdir(), "infinicache-readme-"));
  try {
    const library = pathToFileURL(join(root, "src", "entry", "library.ts")).href;
    for (const { text } of blocks.filter((each) => each.isRunnable && each.language === "ts")) {
      const path = join(folder, "example.ts");
      writeFileSync(
        path,
        text.replace('"infinicache"', `"${library}"`).replaceAll("127.0.0.1:6370", up.ready.client),
      );
      const options = { encoding: "utf8", timeout: 60_000 } as const;
      const { status, stdout, stderr } = spawnSync(process.execPath, [path], options);
      assert.equal(status, 0, stderr);
      assert.match(stdout, /20000000 bytes as/);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  assert.equal(await terminate(up), 0);
});

/** The first of five ports that are free together, as far as one can know. */
async function freeBlock(): Promise<number> {
  for (let port = 20_000 + (process.pid % 20_000); ; port += 10) {
    const answers = await Promise.all([0, 1, 2, 3, 4].map((offset) => isFree(port + offset)));
    if (answers.every((answer) => answer)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((answer) => {
    server.once("error", () => answer(false));
    server.listen(port, "127.0.0.1", () => server.close(() => answer(true)));
  });
}
