// The near cache against a naive twin that keeps everything: what is kept is always what was last read of a key, since
// this client last changed it, and all of it together stays within its bound.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { GetOutcome } from "../../../src/client/get-contract.ts";
import { Near, type NearRead, partOf } from "../../../src/client/near.ts";

const KEYS = ["a/1", "a/2", "b/1", "once/1"];
const BYTES_MAX = 20_000;
const ADDRESS = "here";

interface Told {
  readonly version: number;
  readonly bytes: number;
  readonly isWhole: boolean;
  readonly ttlMs: number;
  readonly address?: string;
}

/** A hit as a read brings it, and its bytes, by which its version is known again. */
function hitOf({ version, bytes, isWhole, ttlMs, address = ADDRESS }: Told): {
  readonly outcome: GetOutcome;
  readonly came: Uint8Array;
} {
  const end = isWhole ? bytes : Math.max(0, bytes - 1);
  const code = { dataChunks: 1, parityChunks: 2 };
  const layout = { bytes, stripeCount: 1, stripeBytes: bytes, lastStripeBytes: bytes };
  const times = { createdAtMs: 5, expiresAtMs: ttlMs };
  const rest = { version, generation: 1, firstStripe: 0, endStripe: 1, metadata: [] };
  const message = { kind: "found", ...rest, ...code, ...layout, ...times } as const;
  const found = { message, layout, code, start: 0, end, address };
  const timings = { foundMs: 0, receiveMs: 0, decodeMs: 0, totalMs: 0, reconstructed: 0 };
  return { outcome: { kind: "hit", found, ...timings }, came: new Uint8Array(end).fill(version) };
}

const key = fc.constantFrom(...KEYS);
const bytes = fc.constantFrom(0, 1, 500, 4_000, 5_000, 5_001);
const step = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant("begin" as const), key }), weight: 4 },
  {
    arbitrary: fc.record({
      ...{ kind: fc.constant("hit" as const), at: fc.nat(), bytes },
      ...{ isWhole: fc.boolean(), ttlMs: fc.constantFrom(0, 0, 9) },
    }),
    weight: 4,
  },
  fc.record({
    ...{ kind: fc.constant("miss" as const), at: fc.nat() },
    reason: fc.constantFrom("absent" as const, "unreachable" as const),
  }),
  fc.record({ kind: fc.constantFrom("unchanged" as const, "failed" as const), at: fc.nat() }),
  fc.record({ kind: fc.constant("drop" as const), key }),
  fc.record({ kind: fc.constant("dropPrefix" as const), prefix: fc.constantFrom("", "a/", "b/") }),
);

test("near: whatever happens, what is kept is what was read last since the last change, within the bound", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const near = new Near({ bytes: BYTES_MAX, writeOnce: ["once/"] });
      const twin = new Map<string, Told>();
      const reads: { read: NearRead; isVoid: boolean }[] = [];
      let version = 0;
      const drop = (isIt: (name: string) => boolean): void => {
        for (const name of KEYS) if (isIt(name)) twin.delete(name);
        for (const under of reads) under.isVoid ||= isIt(under.read.key);
      };
      for (const each of steps) {
        if (each.kind === "begin") {
          const read = near.begin(each.key);
          const expected = twin.get(each.key);
          assert.ok(read.kept === null || read.kept.known.version === expected?.version);
          if (read.kept !== null) {
            assert.equal(read.kept.bytes.length, expected?.bytes);
            const mark = read.kept.known.version % 256;
            assert.ok(read.kept.bytes.every((byte) => byte === mark));
          }
          reads.push({ read, isVoid: false });
        } else if (each.kind === "drop") {
          near.drop(each.key);
          drop((name) => name === each.key);
        } else if (each.kind === "dropPrefix") {
          near.dropPrefix(each.prefix);
          drop((name) => name.startsWith(each.prefix));
        } else {
          const under = reads.splice(each.at % Math.max(1, reads.length), 1)[0];
          if (under === undefined) continue;
          const { read, isVoid } = under;
          if (each.kind === "hit") {
            version += 1;
            const told = { ...each, version, isWhole: each.isWhole || each.bytes === 0 };
            const { outcome, came } = hitOf(told);
            read.end(outcome, came);
            if (read.kept !== null && twin.get(read.key)?.version === read.kept.known.version)
              twin.delete(read.key);
            if (told.isWhole && each.bytes <= BYTES_MAX / 4 && !isVoid) twin.set(read.key, told);
          } else if (each.kind === "miss") {
            read.end(each, new Uint8Array(0));
            const isSame = twin.get(read.key)?.version === read.kept?.known.version;
            if (each.reason === "absent" && read.kept !== null && isSame) twin.delete(read.key);
          } else
            read.end(
              each.kind === "failed" ? null : { ...each, kind: "unchanged", totalMs: 1 },
              new Uint8Array(0),
            );
        }
        for (const name of KEYS) {
          const unasked = near.unasked(name);
          if (unasked === null) continue;
          assert.ok(name.startsWith("once/") && twin.get(name)?.ttlMs === 0);
          assert.equal(unasked.known.version, twin.get(name)?.version);
        }
        const { bytes: kept, objects } = near.status;
        assert.ok(kept <= BYTES_MAX && objects <= twin.size);
        if (objects === 0) assert.equal(kept, 0);
      }
    }),
    { numRuns: 500 },
  );
});

test("near: what is read again stays, and what is read once goes first", () => {
  const near = new Near({ bytes: 20_000 });
  const read = (name: string, version: number): boolean => {
    const begun = near.begin(name);
    if (begun.kept !== null) {
      begun.end({ kind: "unchanged", totalMs: 1 }, new Uint8Array(0));
      return true;
    }
    const { outcome, came } = hitOf({ version, bytes: 2_000, isWhole: true, ttlMs: 0 });
    assert.equal(begun.end(outcome, came), true);
    return false;
  };
  read("hot", 1);
  for (let version = 2; version < 100; version++) {
    read(`scan ${version}`, version);
    assert.equal(read("hot", 1), true, `after ${version}`);
  }
  assert.ok(near.status.evictions > 80);
});

test("near: the same version of another proxy is another object, and an older one takes nobody's place", () => {
  const near = new Near({ bytes: 100_000 });
  const bring = (version: number, address: string): boolean => {
    const { outcome, came } = hitOf({ version, bytes: 10, isWhole: true, ttlMs: 0, address });
    const [begun] = [near.begin("k")];
    return begun.end(outcome, came);
  };
  const [first, second] = [near.begin("k"), near.begin("k")];
  const [newer, older] = [5, 4].map((version) =>
    hitOf({ version, bytes: 10, isWhole: true, ttlMs: 0 }),
  );
  assert.ok(newer !== undefined && older !== undefined);
  assert.equal(first.end(newer.outcome, newer.came), true);
  assert.equal(second.end(older.outcome, older.came), false);
  assert.equal(bring(1, "there"), true);
  assert.deepEqual(near.begin("k").kept?.known, { address: "there", generation: 1, version: 1 });
  assert.deepEqual(partOf(near.begin("k").kept!, { start: 4, end: 400 }).part.length, 6);
});
