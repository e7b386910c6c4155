/**
 * Writes what is published to `dist/`: JavaScript and declarations of `src/`, files there that are not
 * TypeScript, and the function bundle; then checks that the result can be imported and published.
 * It never touches the sources and never packs or publishes.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { bundleFunction, functionBundleBytesMax } from "./bundle-function.ts";

const root = resolve(import.meta.dirname, "..");
const dist = join(root, "dist");

rmSync(dist, { recursive: true, force: true });
compile();
nameDeclarationsAsBuilt();
copyOtherFiles();
refuseTypeScriptImports();
await bundle();
await checkPackage();

function compile(): void {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const args = [tsc, "--project", join(root, "tsconfig.build.json")];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit", cwd: root });
  if (status !== 0) fail("the sources do not compile");
}

function copyOtherFiles(): void {
  const source = join(root, "src");
  const isOther = (file: string) => /\.[a-z]+$/.test(file) && !/\.[cm]?ts$/.test(file);
  for (const file of globSync("**/*", { cwd: source }).filter(isOther)) {
    cpSync(join(source, file), join(dist, file));
  }
}

/** The compiler leaves the sources' extensions in declarations, where not every tool looks behind them. */
function nameDeclarationsAsBuilt(): void {
  for (const file of globSync("**/*.d.ts", { cwd: dist })) {
    const path = join(dist, file);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replaceAll(/((?:from|import\() ?"\.[^"]*)\.ts"/g, '$1.js"'));
  }
}

/** The compiler rewrites literal specifiers only; a computed one would fail in the user's hands. */
function refuseTypeScriptImports(): void {
  const importOfTypeScript = /(?:from|import)\s*\(?\s*["'`]\.[^"'`]*(?<!\.d)\.ts["'`]/;
  for (const file of globSync("**/*.{js,cjs,d.ts}", { cwd: dist })) {
    const found = importOfTypeScript.exec(readFileSync(join(dist, file), "utf8"));
    if (found !== null) fail(`dist/${file} still imports TypeScript: ${found[0]}`);
  }
}

async function bundle(): Promise<void> {
  const { bytes } = await bundleFunction(join(dist, "function", "index.cjs"));
  if (bytes > functionBundleBytesMax) {
    fail(`the function bundle has ${bytes} bytes, more than ${functionBundleBytesMax}`);
  }
  console.log(`dist/function/index.cjs: ${(bytes / 1024).toFixed(1)} KiB`);
}

async function checkPackage(): Promise<void> {
  const manifest: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  if (!existsSync(join(dist, "entry", "cli.js"))) fail("dist/entry/cli.js was not built");
  const { messages } = await publint({ pkgDir: root, level: "warning", strict: true });
  for (const message of messages) {
    console.error(formatMessage(message, manifest as Parameters<typeof formatMessage>[1]));
  }
  if (messages.length > 0) fail("publint found faults in the package");
}

function fail(reason: string): never {
  console.error(`build: ${reason}`);
  process.exit(1);
}
