/**
 * What would be published, as its users have it: built, packed, installed alone in an empty folder, then run by the
 * oldest Node that is promised and by the newest, and compiled against. It never publishes anything. Here and not in
 * the ordinary tests because it needs the registry, and another Node of 100 MB.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "infinicache-package-"));
const installed = join(folder, "installed");
const children: ChildProcess[] = [];
const COMMAND_MS_MAX = 120_000;
const READY_MS_MAX = 30_000;
/** The sources as JavaScript with declarations, about 0.4 MB; beyond this, something else was packed. */
const TARBALL_BYTES_MAX = 1_000_000;

const oldNode = join(
  import.meta.dirname,
  "node_modules",
  `node-22-${process.platform}-${process.arch}`,
  "bin",
  "node",
);
const nodes: readonly (readonly [name: string, path: string])[] = [
  ["22.18", oldNode],
  ["24", process.execPath],
];

/** A user's environment: nothing of the npm that runs the tests, and `node` is the one asked for. */
function environmentOf(node: string): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(?:npm_|INFINICACHE_|TOOLS_NODE_|NODE_OPTIONS|NODE_TEST_)/.test(name),
  );
  const path = [dirname(node), ...(process.env["PATH"] ?? "").split(delimiter)].filter(
    (place) => !place.includes(`node_modules${process.platform === "win32" ? "\\" : "/"}.bin`),
  );
  return {
    ...Object.fromEntries(own),
    PATH: path.join(delimiter),
    INFINICACHE_RUNTIME_DIR: folder,
  };
}

/** What `npx infinicache` says where the package is installed; rejects when it fails. */
async function infinicache(node: string, args: readonly string[], url?: string): Promise<string> {
  const env = { ...environmentOf(node), ...(url === undefined ? {} : { INFINICACHE_URL: url }) };
  const { stdout, stderr } = await run("npx", ["--no-install", "infinicache", ...args], {
    cwd: installed,
    env,
    timeout: COMMAND_MS_MAX,
  });
  return stdout + stderr;
}

before(
  async () => {
    const env = environmentOf(process.execPath);
    const options = { cwd: root, env, timeout: COMMAND_MS_MAX };
    await run("npm", ["run", "--silent", "build"], options);
    await run("npm", ["pack", "--silent", "--pack-destination", folder], options);
    const install = ["install", "--no-audit", "--no-fund", "--prefix", installed, tarball()];
    await run("npm", install, { ...options, cwd: folder });
  },
  { timeout: 3 * COMMAND_MS_MAX },
);

after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

function tarball(): string {
  const name = readdirSync(folder).find((each) => each.endsWith(".tgz"));
  assert(name !== undefined, "npm pack wrote a tarball");
  return join(folder, name);
}

test("package: holds what runs, and neither sources nor tests", () => {
  const packed = join(installed, "node_modules", "infinicache");
  const names = readdirSync(packed, { recursive: true, encoding: "utf8" });
  assert.deepEqual(
    names.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts")),
    [],
  );
  assert.deepEqual(readdirSync(packed).sort(), [
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "NOTICE",
    "README.md",
    "bin",
    "dist",
    "package.json",
  ]);
  const { size } = statSync(tarball());
  assert(size <= TARBALL_BYTES_MAX, `${size} bytes`);
});

for (const [name, node] of nodes) {
  const skip = existsSync(node) ? false : `there is no Node ${name} for this platform`;
  test(`package, Node ${name}: the installed command serves, stores, returns and stops`, {
    skip,
  }, async () => {
    const file = join(folder, "object");
    const copy = join(folder, "copy");
    writeFileSync(file, randomBytes(10_000_000));
    const url = await startPool(node);
    await infinicache(node, ["put", "key", file], url);
    await infinicache(node, ["get", "key", "-o", copy], url);
    assert(readFileSync(copy).equals(readFileSync(file)));
    await infinicache(node, ["down", "--port", url.split(":")[1] ?? ""]);
  });
}

/** Starts `up` and answers with the address for clients. */
async function startPool(node: string): Promise<string> {
  const args = ["--no-install", "infinicache", "up", "--nodes", "24", "--port", "0", "--json"];
  const child = spawn("npx", args, {
    cwd: installed,
    env: environmentOf(node),
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const signal = AbortSignal.timeout(READY_MS_MAX);
  const [line] = await once(createInterface({ input: child.stdout }), "line", { signal });
  const ready = JSON.parse(String(line)) as { readonly ready: boolean; readonly client: string };
  assert(ready.ready);
  return ready.client;
}

test("package: the demonstration works where it is installed", async () => {
  const said = await infinicache(process.execPath, ["demo", "--port", "0"]);
  assert.match(said, /equal, byte for byte/);
});

test("package: an older Node is told what is needed", async () => {
  const disguise = join(folder, "disguise.cjs");
  writeFileSync(
    disguise,
    'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.1.0" } });',
  );
  const command = join(installed, "node_modules", "infinicache", "bin", "infinicache.cjs");
  await assert.rejects(run(process.execPath, ["--require", disguise, command, "status"]), {
    code: 1,
    stderr: /infinicache needs Node 22\.18 or newer/,
  });
});

test("package: a program compiles against it, and a wrong one does not", async () => {
  const good = `
    import { type Cache, CacheError, connect, type Miss } from "infinicache";
    const cache: Cache = connect({ url: "127.0.0.1:6370" });
    export async function read(key: string): Promise<Uint8Array | Miss> {
      await cache.put(key, new TextEncoder().encode("hello"), { ttlMs: 1_000 });
      const found = await cache.get(key);
      return found.kind === "hit" ? found.bytes : found;
    }
    export const codeOf = (error: unknown): string =>
      error instanceof CacheError ? error.code : "";`;
  writeFileSync(join(installed, "program.mts"), good);
  await compile("program.mts");
  const wrong = good.replace("Promise<Uint8Array | Miss>", "Promise<number>");
  writeFileSync(join(installed, "wrong.mts"), wrong);
  await assert.rejects(compile("wrong.mts"), { stdout: /TS2322/ });
});

async function compile(file: string): Promise<void> {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const compilerOptions = { module: "nodenext", target: "es2024", strict: true, types: [] };
  const config = join(installed, "tsconfig.json");
  writeFileSync(config, JSON.stringify({ compilerOptions, files: [file] }));
  const args = [tsc, "--project", config, "--noEmit"];
  await run(process.execPath, args, { cwd: installed, timeout: COMMAND_MS_MAX });
}
