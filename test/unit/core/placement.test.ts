// Claims about placement, eviction and the arithmetic of layouts and codes, against naive twins.
// Sizes are drawn up to the largest there can be; no byte is moved.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  CODE_RULES_DEFAULT,
  chunkCount,
  codeFault,
  codeForSize,
  formatCode,
  parseCode,
  quorum,
  REPLICATED_BYTES_MAX,
} from "../../../src/core/code.ts";
import { ClockEviction } from "../../../src/core/eviction.ts";
import { KEY_BYTES_MAX, keyFault, nodeIndex } from "../../../src/core/ids.ts";
import {
  chunkLength,
  chunkStride,
  layoutFault,
  layoutOf,
  stripeAt,
  stripeLength,
  stripeOffset,
} from "../../../src/core/layout.ts";
import { STRIPE_BYTES_MAX } from "../../../src/core/limits.ts";
import { choosePlaces, choosePreferred } from "../../../src/core/placement.ts";
import type { Random } from "../../../src/core/ports.ts";

function chance(seed: number): Random {
  let state = seed;
  const u32 = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  return { u32, below: (bound) => Math.floor((u32() / 2 ** 32) * bound) };
}

test("placement: distinct nodes among the candidates, or null when there are too few", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1_000), { maxLength: 30 }),
      fc.integer({ min: 1, max: 12 }),
      fc.nat(),
      (free, count, seed) => {
        const candidates = free.map((freeBytes, node) => ({ node: nodeIndex(node), freeBytes }));
        const chosen = choosePlaces(candidates, count, chance(seed));
        assert.equal(chosen === null, candidates.length < count);
        if (chosen === null) return;
        assert.equal(new Set(chosen).size, count);
        assert.ok(chosen.every((node) => node < free.length));
      },
    ),
  );
});

test("placement: the choice of two fills nodes evenly", () => {
  const free = Array.from({ length: 50 }, () => 100_000);
  const random = chance(1);
  for (let stripe = 0; stripe < 500; stripe++) {
    const candidates = free.map((freeBytes, node) => ({ node: nodeIndex(node), freeBytes }));
    for (const node of choosePlaces(candidates, 6, random) ?? []) free[node]! -= 100;
  }
  assert.ok(
    Math.max(...free) - Math.min(...free) <= 1_000,
    `${Math.min(...free)} to ${Math.max(...free)}`,
  );
});

test("placement: preferred nodes first, all of them if they are too few, and never one that is much fuller", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ freeBytes: fc.nat(1_000), isAwake: fc.boolean() }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 12 }),
      fc.nat(1_000),
      fc.nat(),
      (nodes, count, slack, seed) => {
        const candidates = nodes.map(({ freeBytes }, node) => ({
          node: nodeIndex(node),
          freeBytes,
        }));
        const isAwake = (node: number): boolean => nodes[node]?.isAwake ?? false;
        const chosen = choosePreferred(candidates, count, isAwake, slack, chance(seed));
        assert.equal(chosen === null, nodes.length < count);
        if (chosen === null) return;
        assert.equal(new Set(chosen).size, count);
        const emptiest = Math.max(...nodes.map(({ freeBytes }) => freeBytes));
        const good = candidates.filter(
          ({ node, freeBytes }) => isAwake(node) && freeBytes + slack >= emptiest,
        );
        const taken = chosen.filter((node) => good.some((each) => each.node === node));
        assert.ok(
          taken.length >= Math.min(count, good.length),
          `${taken.length} of ${good.length}`,
        );
      },
    ),
  );
});

test("placement: preference costs evenness no more than the slack", () => {
  const free = Array.from({ length: 24 }, () => 100_000);
  const random = chance(1);
  for (let stripe = 0; stripe < 500; stripe++) {
    const candidates = free.map((freeBytes, node) => ({ node: nodeIndex(node), freeBytes }));
    const chosen = choosePreferred(candidates, 6, (node) => node < 12, 5_000, random) ?? [];
    for (const node of chosen) free[node]! -= 100;
  }
  const spread = Math.max(...free) - Math.min(...free);
  assert.ok(spread >= 4_000 && spread <= 6_500, `${spread}`);
});

/** CLOCK as in a textbook: a ring, a hand, a bit each. */
class NaiveClock {
  #ring: { member: number; isUsed: boolean }[] = [];

  insert(member: number): void {
    this.#ring.push({ member, isUsed: false });
  }

  touch(member: number): void {
    for (const each of this.#ring) if (each.member === member) each.isUsed = true;
  }

  remove(member: number): void {
    this.#ring = this.#ring.filter((each) => each.member !== member);
  }

  /** The ring is kept turned so that the hand points at its start. */
  victim(mayGo: (member: number) => boolean): number | null {
    for (let passed = 0; passed < 2 * this.#ring.length; passed++) {
      const at = this.#ring[0]!;
      if (!at.isUsed && mayGo(at.member)) return at.member;
      at.isUsed = false;
      this.#ring.push(this.#ring.shift()!);
    }
    return null;
  }
}

test("eviction: CLOCK chooses what a textbook clock would", () => {
  const act = fc.record({
    kind: fc.constantFrom("insert", "touch", "touch", "remove", "victim", "evict"),
    member: fc.nat(9),
  });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 100 }), (acts) => {
      const clock = new ClockEviction<number>();
      const naive = new NaiveClock();
      const members = new Set<number>();
      for (const { kind, member } of acts) {
        const isEven = (each: number): boolean => each % 2 === 0;
        if (kind === "insert" && !members.has(member)) {
          members.add(member);
          clock.insert(member);
          naive.insert(member);
        } else if (kind === "touch") {
          clock.touch(member);
          naive.touch(member);
        } else if (kind === "remove" && members.delete(member)) {
          clock.remove(member);
          naive.remove(member);
        } else if (kind === "victim") assert.equal(clock.victim(isEven), naive.victim(isEven));
        else if (kind === "evict") {
          const victim = clock.victim(() => true);
          assert.equal(
            victim,
            naive.victim(() => true),
          );
          assert.equal(victim === null, members.size === 0);
          if (victim === null) continue;
          members.delete(victim);
          clock.remove(victim);
          naive.remove(victim);
        }
      }
    }),
  );
});

test("layout: stripes cover every byte once, and none is longer than allowed", () => {
  fc.assert(
    fc.property(fc.oneof(fc.nat(1_000), fc.nat(2 ** 37)), fc.nat(), (bytes, where) => {
      const layout = layoutOf(bytes);
      assert.equal(layoutFault(layout), null);
      let sum = 0;
      for (let stripe = 0; stripe < layout.stripeCount; stripe++) {
        assert.equal(stripeOffset(layout, stripe), sum);
        const length = stripeLength(layout, stripe);
        assert.ok(length >= 1 && length <= STRIPE_BYTES_MAX);
        sum += length;
      }
      assert.equal(sum, bytes);
      if (bytes === 0) return;
      const offset = where % bytes;
      const stripe = stripeAt(layout, offset);
      assert.ok(
        offset >= stripeOffset(layout, stripe) &&
          offset < stripeOffset(layout, stripe) + stripeLength(layout, stripe),
      );
    }),
  );
});

test("layout: data chunks laid one after another are the stripe; parity has the stride", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: STRIPE_BYTES_MAX }),
      fc.integer({ min: 1, max: 20 }),
      (bytes, dataChunks) => {
        const stride = chunkStride(bytes, dataChunks);
        let sum = 0;
        for (let index = 0; index < dataChunks; index++) {
          const length = chunkLength(bytes, dataChunks, index);
          assert.ok(length <= stride);
          if (sum < bytes)
            assert.equal(sum, index * stride, "no gap before a chunk that holds bytes");
          sum += length;
        }
        assert.equal(sum, bytes);
        assert.equal(chunkLength(bytes, dataChunks, dataChunks), stride);
        if (dataChunks > 1) assert.ok(stride % 64 === 0 && stride % 4_096 !== 0);
      },
    ),
  );
});

test("code: sizes get copies, 4+2 or 10+2, with the bounds where they are said to be", () => {
  const of = (bytes: number): string => formatCode(codeForSize(CODE_RULES_DEFAULT, bytes));
  assert.deepEqual([0, REPLICATED_BYTES_MAX].map(of), ["1+2", "1+2"]);
  assert.deepEqual([REPLICATED_BYTES_MAX + 1, 9_999_999].map(of), ["4+2", "4+2"]);
  assert.deepEqual([10_000_000, 2 ** 40].map(of), ["10+2", "10+2"]);
});

test("code: what can be written can be read, and what is wrong is said", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 255 }), fc.nat(255), (dataChunks, parityChunks) => {
      const code = { dataChunks, parityChunks };
      const isGood = chunkCount(code) <= 255;
      assert.equal(codeFault(code) === null, isGood);
      if (isGood) assert.deepEqual(parseCode(formatCode(code)), code);
      else assert.equal(typeof parseCode(formatCode(code)), "string");
    }),
  );
  for (const wrong of ["", "10", "0+2", "10+", "+2", "10+2+1", "-1+2", "1.5+2", "1000+1"]) {
    assert.equal(typeof parseCode(wrong), "string", wrong);
  }
  assert.deepEqual(
    [quorum({ dataChunks: 10, parityChunks: 2 }), quorum({ dataChunks: 10, parityChunks: 0 })],
    [11, 10],
  );
});

test("key: bytes of UTF-8 count, and lone surrogates are refused", () => {
  assert.equal(keyFault("k".repeat(KEY_BYTES_MAX)), null);
  assert.notEqual(keyFault("k".repeat(KEY_BYTES_MAX + 1)), null);
  assert.notEqual(keyFault("ü".repeat(KEY_BYTES_MAX / 2 + 1)), null);
  assert.notEqual(keyFault(""), null);
  assert.notEqual(keyFault("\ud800"), null);
});
