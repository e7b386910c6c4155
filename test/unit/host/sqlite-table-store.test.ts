// Claims about the durable table: what comes back after which end, what is doubted, and errors that say what to do.
// Each test has a directory of its own and one process; kill -9 is in test/e2e.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { RETRY_OUTCOMES_MAX } from "../../../src/core/limits.ts";
import { emptyTableImage, MemoryTable } from "../../../src/core/memory-table.ts";
import type {
  LoadedTable,
  StoredObject,
  TableChange,
  TableStore,
} from "../../../src/core/ports.ts";
import {
  SqliteTableStore,
  type SqliteTableStoreOptions,
} from "../../../src/host/sqlite-table-store.ts";
import { StateError, stateError } from "../../../src/host/state-error.ts";

function directory(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "infinicache-state-"));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function object(key: string, version: number): StoredObject {
  return {
    key,
    version,
    bytes: 5_000_000_000,
    dataChunks: 4,
    parityChunks: 2,
    stripeCount: 1,
    stripeBytes: 33_554_432,
    lastStripeBytes: 7,
    createdAtMs: 1_790_000_000_000,
    expiresAtMs: 0,
    metadata: [["content-type", "ümläut/\u0000plain"]],
    places: [
      { node: 3, instance: "00112233445566778899aabbccddeeff" },
      { node: 70_000, instance: "" },
    ],
  };
}

function opened(
  path: string,
  options?: SqliteTableStoreOptions,
): { store: SqliteTableStore; loaded: LoadedTable } {
  const store = new SqliteTableStore(path, options);
  return { store, loaded: store.load() };
}

function sorted(loaded: LoadedTable): StoredObject[] {
  return [...loaded.objects].sort((a, b) => a.version - b.version);
}

test("state: what was committed comes back, one term on, in the same generation", (context) => {
  const path = directory(context);
  const nowMs = (): number => 1_790_000_000_000;
  const first = opened(path, { nowMs });
  assert.equal(first.loaded.doubt, null);
  assert.ok(first.loaded.generation > 0);
  const keys = ["a", "ключ", "\u0000null\u0000", "🦀".repeat(200), "B", "b"];
  first.store.commit([
    ...keys.map((key, at) => ({ kind: "put" as const, object: object(key, at + 1) })),
    { kind: "put", object: object("b", 9) },
    { kind: "remove", key: "B" },
    { kind: "remove", key: "absent" },
    { kind: "reserveVersions", below: 1_000 },
    { kind: "reserveVersions", below: 500 },
  ]);
  first.store.close();
  const second = opened(path, { nowMs });
  assert.equal(second.loaded.generation, first.loaded.generation);
  assert.equal(first.loaded.term, 1_790_000_000);
  assert.equal(second.loaded.term, first.loaded.term + 1);
  assert.equal(second.loaded.nextVersion, 1_000);
  assert.equal(second.loaded.doubt, null);
  const expected = keys.slice(0, 4).map((key, at) => object(key, at + 1));
  assert.deepEqual(sorted(second.loaded), [...expected, object("b", 9)]);
  second.store.close();
});

test("state: a commit is all or nothing", (context) => {
  const path = directory(context);
  const { store } = opened(path);
  const bad = { ...object("y", 2), places: [{ node: 1, instance: "not hex" }] };
  assert.throws(() => {
    store.commit([
      { kind: "put", object: object("x", 1) },
      { kind: "put", object: bad },
    ]);
  }, RangeError);
  store.commit([{ kind: "put", object: object("z", 3) }]);
  store.close();
  const again = opened(path);
  assert.deepEqual(again.loaded.objects, [object("z", 3)]);
  again.store.close();
});

test("state: a version that was stored is never handed out again, even unreserved", (context) => {
  const path = directory(context);
  const { store } = opened(path);
  store.commit([{ kind: "put", object: object("x", 41) }]);
  store.close();
  const again = opened(path);
  assert.equal(again.loaded.nextVersion, 42);
  again.store.close();
});

test("state: two processes, or two proxies of one, cannot share a directory; the error names the holder", (context) => {
  const path = directory(context);
  const { store } = opened(path);
  assert.throws(
    () => new SqliteTableStore(path),
    (error) =>
      error instanceof StateError &&
      error.reason === "inUse" &&
      error.message.includes(`process ${process.pid}`),
  );
  store.close();
  opened(path).store.close();
});

/** Leaves the state as a death of the process does: nothing closed. The files are copied from under the open store. */
function crashed(context: TestContext, path: string, options: SqliteTableStoreOptions): string {
  const { store } = opened(path, options);
  store.commit([{ kind: "put", object: object("x", 1) }]);
  const copy = directory(context);
  for (const name of readdirSync(path)) {
    if (name.startsWith("table.sqlite")) writeFileSync(join(copy, name), readBytes(path, name));
  }
  store.close();
  return copy;
}

function readBytes(path: string, name: string): Uint8Array {
  return readFileSync(join(path, name));
}

test("state: not closed, it is good in the same boot and doubted in another", (context) => {
  const same = crashed(context, directory(context), { bootId: "one" });
  const again = opened(same, { bootId: "one" });
  assert.deepEqual(again.loaded.objects, [object("x", 1)]);
  assert.equal(again.loaded.doubt, null);
  again.store.close();
  const other = crashed(context, directory(context), { bootId: "one" });
  const before = opened(crashed(context, directory(context), { bootId: "one" }), { bootId: "one" });
  before.store.close();
  const doubted = opened(other, { bootId: "two" });
  assert.match(doubted.loaded.doubt ?? "", /the machine went down while the proxy was running/);
  assert.deepEqual(doubted.loaded.objects, []);
  assert.equal(doubted.loaded.nextVersion, 1);
  doubted.store.commit([{ kind: "put", object: object("y", 1) }]);
  doubted.store.close();
  assert.ok(readdirSync(other).some((name) => name.endsWith(".aside")));
  const later = opened(other, { bootId: "three" });
  assert.deepEqual(later.loaded.objects, [object("y", 1)]);
  assert.equal(later.loaded.generation, doubted.loaded.generation);
  later.store.close();
});

test("state: after a doubt the generation is another and the term higher", (context) => {
  const path = directory(context);
  const first = opened(path, { bootId: "one" });
  const copy = crashed(context, directory(context), { bootId: "one" });
  first.store.close();
  const before = opened(copy, { bootId: "one", nowMs: () => 0 });
  const { generation, term } = before.loaded;
  const stolen = directory(context);
  for (const name of readdirSync(copy)) {
    if (name.startsWith("table.sqlite")) writeFileSync(join(stolen, name), readBytes(copy, name));
  }
  before.store.close();
  const after = opened(stolen, { bootId: "two", nowMs: () => 0 });
  assert.notEqual(after.loaded.generation, generation);
  assert.equal(after.loaded.term, term + 1);
  after.store.close();
});

test("state: a damaged file is moved aside and a new generation begins; three such files are kept", (context) => {
  const path = directory(context);
  let nowMs = 1_790_000_000_000;
  const generations = new Set<number>();
  let lastTerm = 0;
  for (let round = 0; round < 6; round++) {
    nowMs += 5_000;
    writeFileSync(join(path, "table.sqlite"), "not a database ".repeat(1_000));
    const { store, loaded } = opened(path, { nowMs: () => nowMs });
    assert.match(loaded.doubt ?? "", /damaged; it was moved to .*\.aside/);
    assert.ok(loaded.term > lastTerm);
    lastTerm = loaded.term;
    generations.add(loaded.generation);
    store.close();
  }
  assert.equal(generations.size, 6);
  assert.equal(readdirSync(path).filter((name) => name.endsWith(".aside")).length, 3);
});

test("state: damage in the middle of the file is found, too", (context) => {
  const path = directory(context);
  const { store } = opened(path);
  store.commit(
    Array.from({ length: 2_000 }, (_, at) => ({
      kind: "put" as const,
      object: object(`key ${at}`, at + 1),
    })),
  );
  store.close();
  const bytes = Uint8Array.from(readBytes(path, "table.sqlite"));
  bytes.fill(0xa5, 40_960, 81_920);
  writeFileSync(join(path, "table.sqlite"), bytes);
  const again = opened(path);
  assert.match(again.loaded.doubt ?? "", /damaged/);
  again.store.close();
});

test("state: a later release's file is left alone, with words that help", (context) => {
  const path = directory(context);
  const database = new DatabaseSync(join(path, "table.sqlite"));
  database.exec("CREATE TABLE future (a); PRAGMA user_version = 99");
  database.close();
  const store = new SqliteTableStore(path);
  assert.throws(() => store.load(), /was written by a later release/);
  store.close();
  assert.ok(!readdirSync(path).some((name) => name.endsWith(".aside")));
});

test("state: a directory that cannot be written says so", (context) => {
  const path = directory(context);
  const file = join(path, "file");
  writeFileSync(file, "");
  assert.throws(() => new SqliteTableStore(join(file, "state")), { name: "StateError" });
  if (process.getuid?.() === 0) return; // Root may write everywhere.
  chmodSync(path, 0o500);
  assert.throws(() => new SqliteTableStore(join(path, "state")), /write permission/);
});

test("state: each failure of the file system is said in words that help", () => {
  const thrown = (properties: object): Error => Object.assign(new Error("raw"), properties);
  const cases: readonly (readonly [Error, RegExp])[] = [
    [thrown({ code: "EACCES" }), /cannot write in \/state: give this user write permission/],
    [thrown({ code: "EROFS" }), /read-only/],
    [thrown({ code: "ENOSPC" }), /the disk of \/state is full: free some space/],
    [thrown({ code: "ERR_SQLITE_ERROR", errcode: 13 }), /the disk of \/state is full/],
    [thrown({ code: "ERR_SQLITE_ERROR", errcode: 8 | (1 << 8) }), /read-only/],
    [thrown({ code: "ERR_SQLITE_ERROR", errcode: 14 }), /write permission/],
    [thrown({ code: "ERR_SQLITE_ERROR", errcode: 10 }), /cannot be used: raw/],
  ];
  for (const [error, words] of cases) {
    const said = stateError(error, "/state");
    assert.match(said.message, words);
    assert.equal(said.cause, error);
    assert.equal(stateError(said, "/elsewhere"), said);
  }
});

test("state: a table in memory survives its table and shuts out the one before", () => {
  const image = emptyTableImage(7);
  const first = new MemoryTable(image);
  const { term: firstTerm, nextVersion: firstVersion, generation } = first.load();
  assert.deepEqual([generation, firstTerm, firstVersion], [7, 1, 1]);
  first.commit([
    { kind: "put", object: object("x", 4) },
    { kind: "put", object: object("y", 5) },
    { kind: "remove", key: "y" },
    { kind: "reserveVersions", below: 64 },
  ]);
  const second = new MemoryTable(image);
  const { term, nextVersion, objects } = second.load();
  assert.deepEqual([term, nextVersion, objects], [2, 64, [object("x", 4)]]);
  assert.throws(() => first.commit([]), { name: "AssertionError" });
});

test("state: outcomes and replicas come back with the table, the outcomes in order and the oldest given up first", (context) => {
  const path = directory(context);
  const outcome = (sequence: number): TableChange => ({
    kind: "outcome",
    outcome: { clientId: "ab".repeat(16), sequence, change: "put", value: sequence + 7 },
  });
  const replica = (node: number, instance: string): TableChange => ({
    kind: "replica",
    replica: { node, instance, below: 12 },
  });
  const stores = [
    () => new SqliteTableStore(path),
    (
      (image) => () =>
        new MemoryTable(image)
    )(emptyTableImage(7)),
  ];
  for (const open of stores) {
    let store: TableStore = open();
    assert.deepEqual(store.load().outcomes, []);
    store.commit([outcome(1), replica(3, "aa"), replica(4, "bb")]);
    store.commit([replica(3, "cc"), replica(4, ""), outcome(2)]);
    store.close();
    store = open();
    const loaded = store.load();
    assert.deepEqual(loaded.replicas, [{ node: 3, instance: "cc", below: 12 }]);
    assert.deepEqual(
      loaded.outcomes.map(({ sequence, value }) => [sequence, value]),
      [
        [1, 8],
        [2, 9],
      ],
    );
    store.commit(Array.from({ length: RETRY_OUTCOMES_MAX }, (_, at) => outcome(at + 3)));
    store.close();
    store = open();
    const { outcomes } = store.load();
    assert.deepEqual(
      [outcomes.length, outcomes[0]?.sequence, outcomes.at(-1)?.sequence],
      [RETRY_OUTCOMES_MAX, 3, RETRY_OUTCOMES_MAX + 2],
    );
    store.close();
  }
});
