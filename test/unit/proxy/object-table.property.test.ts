// The object table and the accounts of the nodes under random sequences, compared with what a naive twin says.
// No function takes part: what one would hold is what it was told.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chunkCost } from "../../../src/core/chunk-cost.ts";
import { ClockEviction } from "../../../src/core/eviction.ts";
import { instanceId, nodeIndex, type ObjectKey } from "../../../src/core/ids.ts";
import { layoutOf } from "../../../src/core/layout.ts";
import { chunkFingerprint, StoreDigest } from "../../../src/core/store-digest.ts";
import { compareUtf8 } from "../../../src/core/utf8-order.ts";
import { createCounters } from "../../../src/proxy/counters.ts";
import { HotObjects } from "../../../src/proxy/hot-objects.ts";
import { NodeSpace } from "../../../src/proxy/node-space.ts";
import { ObjectTable } from "../../../src/proxy/object-table.ts";
import { chunkBytesOf, chunkIdOf, type ObjectVersion } from "../../../src/proxy/object-version.ts";
import { emptyImage, MemoryStore } from "./memory-store.ts";

const NODES = 4;
const CODE = { dataChunks: 2, parityChunks: 1 };

class Tables {
  readonly image = emptyImage();
  readonly spaces = Array.from({ length: NODES }, (_, node) => new NodeSpace(nodeIndex(node), 1e6));
  readonly table: ObjectTable;
  readonly versions: ObjectVersion[] = [];
  wallMs = 1_000;

  constructor() {
    this.table = new ObjectTable(1, {
      store: new MemoryStore(this.image),
      wallClock: { now: () => this.wallMs },
      eviction: new ClockEviction(),
      spaces: this.spaces,
      counters: createCounters(),
      losses: { note: () => {}, forget: () => {} },
      hot: new HotObjects(0),
    });
  }

  /** Stores an object as a PUT does; `missing` chunks were never confirmed. */
  put(key: string, bytes: number, firstNode = 0, missing = -1, expiresAtMs = 0): ObjectVersion {
    const version = this.table.drawVersion();
    const layout = layoutOf(bytes);
    const places = Array.from({ length: layout.stripeCount * 3 }, (_, at) => {
      const node = nodeIndex((firstNode + at) % NODES);
      return { node, instance: at === missing ? null : instanceId(`i${node}`) };
    });
    const object: ObjectVersion = {
      key: key as ObjectKey, // A plain ASCII key.
      keyHash: new Uint8Array(16).fill(key.charCodeAt(0)),
      version,
      code: CODE,
      layout,
      createdAtMs: this.wallMs,
      expiresAtMs,
      metadata: [],
      places,
      usedAt: 0,
      pins: 0,
      isCurrent: true,
    };
    places.forEach(({ node, instance }, index) => {
      if (instance === null) return;
      const id = chunkIdOf(object, 0, index);
      this.spaces[node]?.reserve(id, chunkBytesOf(object, 0, index));
      this.spaces[node]?.confirm(id, instance);
    });
    this.table.commit(object);
    this.versions.push(object);
    return object;
  }

  /** All that must add up, whatever happened. */
  check(): void {
    const expected = this.spaces.map(() => new Map<string, number>());
    for (const object of this.versions) {
      if (!object.isCurrent && object.pins === 0) continue;
      object.places.forEach(({ node, instance }, index) => {
        if (instance !== null)
          expected[node]?.set(`${object.version}.0.${index}`, chunkBytesOf(object, 0, index));
      });
    }
    for (const space of this.spaces) {
      const names = [...space.chunks.keys()].sort();
      assert.deepEqual(
        names,
        [...(expected[space.node]?.keys() ?? [])].sort(),
        "held: current or pinned, no more, no less",
      );
      const records = [...space.chunks.values()];
      assert.equal(
        space.usedBytes,
        records.reduce((sum, { bytes }) => sum + chunkCost(bytes), 0),
      );
      assert.equal(space.holdsChunks, records.length > 0);
    }
    const current = this.versions.filter(({ isCurrent }) => isCurrent);
    assert.deepEqual(
      [...this.image.objects.keys()].sort(),
      current.map(({ key }) => key as string).sort(),
    );
    assert.equal(this.table.size, current.length);
    assert.equal(
      this.table.bytes,
      current.reduce((sum, { layout }) => sum + layout.bytes, 0),
    );
  }

  /** An instance that did what it was told has this digest. */
  checkDigests(): void {
    for (const space of this.spaces) {
      const instance = instanceId(`i${space.node}`);
      space.takeDrops(instance);
      const digest = new StoreDigest();
      for (const { id } of space.chunks.values())
        digest.toggle(chunkFingerprint(id.keyHash, id.version, id.stripe, id.index));
      assert.deepEqual(space.digest(instance), digest.value());
    }
  }
}

const step = fc.record({
  kind: fc.constantFrom(
    "put",
    "put",
    "remove",
    "pin",
    "unpin",
    "evict",
    "miss",
    "lose",
    "expire",
    "clear",
    "drops",
  ),
  key: fc.constantFrom("a", "b", "c", "d"),
  at: fc.nat(7),
  bytes: fc.integer({ min: 0, max: 500 }),
});

test("object table: whatever happens, chunks are held exactly while a current or pinned version has them", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const tables = new Tables();
      const pinned: ObjectVersion[] = [];
      for (const { kind, key, at, bytes } of steps) {
        const { table } = tables;
        if (kind === "put")
          tables.put(key, bytes, at % NODES, at === 7 ? 1 : -1, at === 6 ? tables.wallMs + 50 : 0);
        else if (kind === "remove") table.remove(key as ObjectKey);
        else if (kind === "evict") table.evictOne();
        else if (kind === "clear" && at === 0) table.clear(key);
        else if (kind === "drops") tables.checkDigests();
        else if (kind === "lose")
          table.loseInstance(nodeIndex(at % NODES), instanceId(`i${at % NODES}`));
        else if (kind === "expire") {
          tables.wallMs += 30;
          table.sweepExpired();
          table.sweepExpired();
        } else if (kind === "miss") {
          const object = table.peek(key);
          if (object !== null && object.places.length > 0) {
            table.markMissing(object, 0, at % 3);
            table.forgetIfLost(object, 0);
          }
        } else if (kind === "pin") {
          const found = table.lookup(key as ObjectKey);
          if (found.kind === "found") {
            table.pin(found.object);
            pinned.push(found.object);
          }
        } else if (kind === "unpin") {
          const object = pinned.splice(at % Math.max(1, pinned.length), 1)[0];
          if (object !== undefined) table.unpin(object);
        }
        tables.check();
      }
      tables.checkDigests();
      for (const object of pinned) tables.table.unpin(object);
      tables.table.clear("");
      tables.check();
      for (const { usedBytes } of tables.spaces) assert.equal(usedBytes, 0, "nothing leaks");
      tables.checkDigests();
    }),
    { numRuns: 400 },
  );
});

test("object table: an eviction never takes a pinned version, and says so when nothing may go", () => {
  const tables = new Tables();
  const object = tables.put("a", 100);
  tables.table.pin(object);
  assert.equal(tables.table.evictOne(), false);
  tables.table.unpin(object);
  assert.equal(tables.table.evictOne(), true);
  tables.check();
});

test("object table: versions are never drawn twice, also not after a crash at any moment", () => {
  const image = emptyImage();
  const seen = new Set<number>();
  for (let life = 0; life < 5; life++) {
    const store = new MemoryStore(image);
    const context = {
      store,
      wallClock: { now: () => 0 },
      eviction: new ClockEviction<ObjectVersion>(),
      spaces: [],
      counters: createCounters(),
      losses: { note: () => {}, forget: () => {} },
      hot: new HotObjects(0),
    };
    const table = new ObjectTable(store.load().nextVersion, context);
    for (let drawn = 0; drawn < 700 * life + 1; drawn++) {
      const version = table.drawVersion();
      assert.ok(!seen.has(version), `${version} was drawn before`);
      seen.add(version);
    }
  }
  assert.ok(image.commits < 20, "one durable write per block, not per version");
});

test("object table: pages of a listing are the keys in the order of their UTF-8 bytes", () => {
  const keys = fc.uniqueArray(
    fc.string({ unit: "binary", minLength: 1, maxLength: 4 }).filter((key) => key.isWellFormed()),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(
      keys,
      fc.integer({ min: 1, max: 7 }),
      fc.string({ maxLength: 1 }),
      (names, limit, prefix) => {
        const tables = new Tables();
        for (const name of names) tables.put(name, 0);
        const listed: string[] = [];
        for (let after = "", isLast = false; !isLast; ) {
          const page = tables.table.list(prefix, after, limit);
          listed.push(...page.objects.map(({ key }) => key));
          assert.ok(page.objects.length <= limit);
          isLast = page.isLast;
          after = listed.at(-1) ?? "";
        }
        const bytes = (text: string): Buffer => Buffer.from(text, "utf8");
        const expected = names
          .filter((name) => name.startsWith(prefix))
          .sort((a, b) => Buffer.compare(bytes(a), bytes(b)));
        assert.deepEqual(listed, expected);
      },
    ),
    { numRuns: 60 },
  );
  assert.equal(Math.sign(compareUtf8("\u{ffff}", "\u{10000}")), -1);
});
