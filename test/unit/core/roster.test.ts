// The roster against a Map: the same for any sequence of changes, also while it is walked; and what a Map does that it
// must not: keep what was deleted alive.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Roster } from "../../../src/core/roster.ts";
import { leftBy } from "./left-by.ts";

const key = fc.integer({ min: 0, max: 12 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("set" as const), key, value: fc.nat() }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("delete" as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) },
);

test("roster: is a Map, in its order, for any sequence of changes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const roster = new Roster<number, number>();
      const twin = new Map<number, number>();
      for (const each of steps) {
        if (each.kind === "clear") {
          roster.clear();
          twin.clear();
        } else if (each.kind === "set") {
          roster.set(each.key, each.value);
          twin.set(each.key, each.value);
        } else assert.equal(roster.delete(each.key), twin.delete(each.key));
        assert.equal(roster.size, twin.size);
        assert.deepEqual([...roster], [...twin]);
        assert.deepEqual([...roster.keys()], [...twin.keys()]);
        assert.deepEqual([...roster.values()], [...twin.values()]);
        for (let at = 0; at <= 12; at++) {
          assert.equal(roster.get(at), twin.get(at));
          assert.equal(roster.has(at), twin.has(at));
        }
      }
    }),
  );
});

test("roster: what is deleted while it is walked does not come, what is added does", () => {
  for (const make of [() => new Roster<string, string>(), () => new Map<string, string>()]) {
    const each = make();
    for (const name of ["a", "b", "c"]) each.set(name, name);
    const seen: string[] = [];
    for (const value of each.values()) {
      seen.push(value);
      if (value === "a") {
        each.delete("b");
        each.set("d", "d");
      }
    }
    assert.deepEqual(seen, ["a", "c", "d"]);
  }
});

test("roster: gives back what a burst took, once it is empty", () => {
  const roster = new Roster<number, object>();
  for (let at = 0; at < 5_000; at++) roster.set(at, {});
  for (let at = 0; at < 5_000; at++) roster.delete(at);
  roster.set(1, {});
  assert.deepEqual([...roster.keys()], [1]);
});

test("roster: after a full collection what was deleted still goes with the young", () => {
  const roster = new Roster<number, object>();
  let last = 0;
  const add = (value: object): number => {
    roster.set(++last, value);
    return last;
  };
  const left = leftBy({ add, delete: (key) => roster.delete(key) });
  assert(left < 4e6, `${left} bytes are left`);
});
