/**
 * What is installed and published: lock files name one registry, versions are exact, nothing runs at install
 * time, and the function bundle stays small. It reads manifests and writes to a temporary folder only.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { bundleFunction, functionBundleBytesMax } from "../../tools/bundle-function.ts";
import { root } from "./sources.ts";

type Json = Readonly<Record<string, unknown>>;

const readJson = (path: string) => JSON.parse(readFileSync(join(root, path), "utf8")) as Json;

/** Packages of a lock file that would be fetched from elsewhere than the public registry. */
function findForeignSources(lock: Json): string[] {
  const packages = (lock["packages"] ?? {}) as Readonly<Record<string, Json>>;
  return Object.entries(packages).flatMap(([name, { resolved, link }]) => {
    if (typeof resolved !== "string" || link === true) return [];
    return resolved.startsWith("https://registry.npmjs.org/") ? [] : [`${name}: ${resolved}`];
  });
}

/** Optional packages that a lock file leaves out: `npm ci` refuses it where they can be fetched. */
function findMissingOptionals(lock: Json): string[] {
  const packages = (lock["packages"] ?? {}) as Readonly<Record<string, Json>>;
  return Object.values(packages)
    .flatMap(({ optionalDependencies }) => Object.keys((optionalDependencies ?? {}) as Json))
    .filter((name) => packages[`node_modules/${name}`] === undefined);
}

/** Dependencies of a manifest that are not pinned to one version. */
function findLooseVersions(manifest: Json): string[] {
  const kinds = ["dependencies", "devDependencies", "optionalDependencies"];
  return kinds
    .flatMap((kind) => Object.entries((manifest[kind] ?? {}) as Record<string, string>))
    .filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
    .map(([name, version]) => `${name}@${version}`);
}

const locks = ["package-lock.json", "test/clients/package-lock.json"].filter((path) =>
  existsSync(join(root, path)),
);

test("package: lock files name no other host than registry.npmjs.org", () => {
  for (const path of locks) assert.deepEqual(findForeignSources(readJson(path)), [], path);
});

test("package: lock files know the packages of other platforms (or run tools/complete-lock.ts)", () => {
  for (const path of locks) assert.deepEqual(findMissingOptionals(readJson(path)), [], path);
  const packages = { "node_modules/a": { optionalDependencies: { "a-linux": "1.0.0" } } };
  assert.deepEqual(findMissingOptionals({ packages }), ["a-linux"]);
});

test("package: a foreign host planted in a lock file is found", () => {
  const lock = {
    packages: {
      "": {},
      "node_modules/a": { resolved: "https://registry.npmjs.org/a/-/a-1.0.0.tgz" },
      "node_modules/b": { resolved: "http://10.0.0.1:4873/b/-/b-1.0.0.tgz" },
      "node_modules/c": { resolved: "tools/c", link: true },
      "node_modules/d": { version: "1.0.0" },
    },
  };
  assert.deepEqual(findForeignSources(lock), [
    "node_modules/b: http://10.0.0.1:4873/b/-/b-1.0.0.tgz",
  ]);
});

test("package: every dependency is pinned to one version", () => {
  assert.deepEqual(findLooseVersions(readJson("package.json")), []);
  assert.deepEqual(findLooseVersions(readJson("tools/dev-node/package.json")), []);
  assert.deepEqual(findLooseVersions({ dependencies: { a: "^1.0.0", b: "2.0.0" } }), ["a@^1.0.0"]);
});

test("package: nothing runs when it is installed", () => {
  const scripts = Object.keys(readJson("package.json")["scripts"] as Json);
  const atInstall = ["preinstall", "install", "postinstall", "prepare"];
  assert.deepEqual(
    scripts.filter((name) => atInstall.includes(name)),
    [],
  );
});

test("package: the function bundle is one file of at most 200 KiB", async () => {
  const folder = mkdtempSync(join(tmpdir(), "infinicache-bundle-"));
  try {
    const outFile = join(folder, "index.cjs");
    const { bytes } = await bundleFunction(outFile);
    assert.ok(bytes <= functionBundleBytesMax, `${bytes} bytes`);
    assert.doesNotMatch(readFileSync(outFile, "utf8"), /aws-sdk|sqlite|commander/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
