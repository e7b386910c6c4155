// The journal against a naive twin: a map of what may be found after a power cut at any point.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Journal } from "../../../src/origin/journal.ts";
import { body, joined, pieces } from "../client/world.ts";
import { MemoryFiles } from "./memory-files.ts";

type Step =
  | { readonly kind: "put"; readonly key: string; readonly bytes: number }
  | { readonly kind: "remove" | "done"; readonly key: string }
  | {
      readonly kind: "cut";
      readonly after: number;
      readonly kept: number;
      readonly isSpoilt: boolean;
    };

const key = fc.constantFrom("a", "b", "c");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("put" as const), key, bytes: fc.nat(3_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("done" as const), key }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("cut" as const),
      after: fc.nat(8),
      kept: fc.constantFrom(0, 0.3, 0.9, 1),
      isSpoilt: fc.boolean(),
    }),
  },
);

const options = { bytesMax: 1_000_000, segmentBytes: 4_000, now: () => 5 };

/** Bytes of a change, -1: a removal; with the number of the change, so that no two are alike. */
type Found = string | null;

async function foundIn(journal: Journal): Promise<Map<string, Found>> {
  const found = new Map<string, Found>();
  for (const [name, entry] of journal.entries) {
    const bytes = await joined(journal.body(entry));
    const number = Number(entry.metadata["number"]);
    const expected = entry.kind === "put" ? body(entry.bytes, number) : new Uint8Array(0);
    assert.equal(Buffer.compare(bytes, expected), 0, "a body is that of its change");
    found.set(name, `${entry.kind} ${number}`);
  }
  return found;
}

test("journal: whatever is acknowledged is found after a power cut at any point, and nothing older", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      let files = new MemoryFiles();
      let journal = await Journal.open(files, options);
      const may = new Map<string, ReadonlySet<Found>>();
      const of = (name: string): ReadonlySet<Found> => may.get(name) ?? new Set([null]);
      let number = 0;
      for (const each of [...steps, { kind: "cut", after: 0, kept: 0, isSpoilt: false } as const]) {
        if (each.kind === "cut") {
          files.operationsLeft = each.after;
          const doing = await attempt(journal, { kind: "put", key: "a", bytes: 2_500 }, ++number);
          if (doing !== null)
            may.set(
              "a",
              doing === "done"
                ? new Set([`put ${number}`])
                : new Set([...of("a"), `put ${number}`]),
            );
          files = files.afterPowerCut(each.kept, each.isSpoilt);
          journal = await Journal.open(files, options);
          const found = await foundIn(journal);
          for (const name of ["a", "b", "c"]) {
            const value = found.get(name) ?? null;
            assert(of(name).has(value), `${name}: ${value} is none of ${[...of(name)].join()}`);
            may.set(name, new Set([value]));
          }
          continue;
        }
        if (each.kind === "done") {
          const entry = journal.entries.get(each.key);
          if (entry === undefined) continue;
          await journal.done(entry);
          assert.equal(journal.entries.has(each.key), false);
          may.set(each.key, new Set([...of(each.key), null]));
          continue;
        }
        number += 1;
        assert.equal(await attempt(journal, each, number), "done");
        may.set(each.key, new Set([`${each.kind} ${number}`]));
      }
      // Everything done: the files go, but for the one that is written to.
      for (const entry of [...journal.entries.values()]) await journal.done(entry);
      assert(files.segments.size <= 2, `${files.segments.size} files are left`);
    }),
    { numRuns: 150, includeErrorInReport: true },
  );
});

async function attempt(
  journal: Journal,
  step:
    | Exclude<Step, { readonly kind: "cut" | "done" }>
    | { readonly kind: "put"; readonly key: string; readonly bytes: number },
  number: number,
): Promise<"done" | "failed"> {
  const bytes = step.kind === "put" ? step.bytes : 0;
  const change = {
    key: step.key,
    kind: step.kind === "put" ? "put" : "remove",
    metadata: { number: String(number) },
    expiresAtMs: null,
  } as const;
  return await journal.append(change, pieces(body(bytes, number), 700), bytes).then(
    () => "done" as const,
    () => "failed" as const,
  );
}

test("journal: many at once share syncs, and all are found", async () => {
  const files = new MemoryFiles();
  const journal = await Journal.open(files, options);
  await Promise.all(
    Array.from({ length: 50 }, async (_, at) => {
      const change = {
        key: `k${at}`,
        kind: "put",
        metadata: { number: `${at + 1}` },
        expiresAtMs: null,
      } as const;
      await journal.append(change, pieces(body(1_500, at + 1), 400), null);
    }),
  );
  const again = await Journal.open(files.afterPowerCut(0, false), options);
  assert.equal((await foundIn(again)).size, 50);
});

test("journal: damage before its end is told, not cut off", async () => {
  const files = new MemoryFiles();
  const journal = await Journal.open(files, options);
  for (let at = 0; at < 8; at++)
    await journal.append(
      { key: `k${at}`, kind: "put", metadata: {}, expiresAtMs: null },
      pieces(body(2_000), 900),
      null,
    );
  const [first] = files.segments.values();
  first!.bytes[100]! ^= 1;
  await assert.rejects(Journal.open(files, options), { code: "ICACHE_ORIGIN" });
});

test("journal: it refuses beyond its bound in plain words, and after a write has failed for good", async () => {
  const files = new MemoryFiles();
  const journal = await Journal.open(files, { ...options, bytesMax: 10_000 });
  const put = async (name: string, bytes: number) =>
    await journal.append(
      { key: name, kind: "put", metadata: {}, expiresAtMs: null },
      pieces(body(bytes), 900),
      null,
    );
  await put("a", 6_000);
  await assert.rejects(put("b", 6_000), { code: "ICACHE_OVERLOADED" });
  assert.equal(journal.refused, 1);
  assert.deepEqual([...journal.entries.keys()], ["a"]);
  files.operationsLeft = 0;
  await assert.rejects(put("c", 1), { code: "ICACHE_ORIGIN" });
  files.operationsLeft = 100;
  await assert.rejects(put("c", 1), { code: "ICACHE_ORIGIN" });
});

test("journal: files stay while somebody reads them", async () => {
  const files = new MemoryFiles();
  const journal = await Journal.open(files, options);
  const change = { key: "k", kind: "put", metadata: {}, expiresAtMs: null } as const;
  const entry = await journal.append(change, pieces(body(9_000, 3), 900), null);
  const iterator = journal.body(entry)[Symbol.asyncIterator]();
  const seen = [await iterator.next()];
  await journal.done(entry);
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
    seen.push(next);
  const bytes = Buffer.concat(seen.map(({ value }) => value as Uint8Array));
  assert.equal(Buffer.compare(bytes, body(9_000, 3)), 0);
  assert(files.segments.size <= 2);
});
