// Claims about a folder as an origin, and the names that keys get.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { directoryOrigin, namesOf } from "../../../src/host/directory-origin.ts";
import { partsOf } from "../../../src/origin/bodies.ts";
import { body, joined } from "../client/world.ts";
import { originConformance } from "../origin/store.conformance.ts";

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function fresh(): string {
  const folder = mkdtempSync(join(tmpdir(), "infinicache-origin-"));
  folders.push(folder);
  return folder;
}

const { signal } = new AbortController();
const put = { bytes: null, metadata: {}, expiresAtMs: null, ifAbsent: false, signal };

originConformance("a folder", async () => await directoryOrigin(fresh()));

test("folder: files that are there already are objects, and plain objects are plain files", async () => {
  const folder = fresh();
  mkdirSync(join(folder, "data", "2026"), { recursive: true });
  writeFileSync(join(folder, "data", "2026", "a.csv"), "1,2,3\n");
  const origin = await directoryOrigin(folder);
  const found = await origin.get("data/2026/a.csv", signal);
  assert(found !== null && found.bytes === 6);
  assert.equal(Buffer.from(await joined(found.body)).toString(), "1,2,3\n");
  await origin.put("data/b", partsOf(body(70_000)), put);
  assert.equal(Buffer.compare(readFileSync(join(folder, "data", "b")), body(70_000)), 0);
  assert.equal(await origin.get("data/2026", signal), null);
  assert.equal(await origin.get("data/b/c", signal), null);
});

test("folder: a body that ends like a footer is not taken for one, and a damaged footer is an error", async () => {
  const folder = fresh();
  const origin = await directoryOrigin(folder);
  await origin.put("k", partsOf(body(10)), { ...put, metadata: { a: "b" } });
  const file = readFileSync(join(folder, "k"));
  await origin.put("copy", partsOf(file), put);
  const copy = await origin.get("copy", signal);
  assert(copy !== null && copy.bytes === file.length);
  assert.deepEqual(copy.metadata, {});
  assert.equal(Buffer.compare(await joined(copy.body), file), 0);
  file[12]! ^= 1;
  writeFileSync(join(folder, "k"), file);
  await assert.rejects(origin.get("k", signal), { code: "ICACHE_ORIGIN" });
});

test("folder: what cannot be kept side by side is refused, and a PUT that fails leaves no file", async () => {
  const folder = fresh();
  const origin = await directoryOrigin(folder);
  await origin.put("a/b", partsOf(body(1)), put);
  await assert.rejects(origin.put("a", partsOf(body(1)), put), { code: "ICACHE_INVALID" });
  await assert.rejects(origin.put("a/b/c", partsOf(body(1)), put), { code: "ICACHE_INVALID" });
  assert.equal(await origin.remove("a", signal), false);
  assert.deepEqual(readdirSync(join(folder, ".infinicache-temp")), []);
});

test("folder: no two keys share a path, and no key leaves the folder", () => {
  const odd = fc.constantFrom(
    "",
    ".",
    "..",
    "%",
    "%2E",
    "%-",
    "%+",
    ".infinicache-temp",
    "\0",
    "\\",
    "a".repeat(300),
  );
  const segment = fc
    .oneof(odd, fc.string({ unit: "grapheme", maxLength: 300 }))
    .map((text) => text.replaceAll("/", ""));
  const key = fc.array(segment, { minLength: 1, maxLength: 4 });
  const path = (segments: readonly string[]) => segments.flatMap(namesOf);
  fc.assert(
    fc.property(key, key, (a, b) => {
      for (const name of path(a)) {
        assert(Buffer.byteLength(name) <= 255 && name.length > 0);
        assert(![".", "..", ".infinicache-temp"].includes(name) && !/[/\0\\]/.test(name));
      }
      if (a.join("/") !== b.join("/")) assert.notEqual(path(a).join("/"), path(b).join("/"));
    }),
  );
});
