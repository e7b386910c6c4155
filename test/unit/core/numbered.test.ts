// The numbered table against a Map: the same for any sequence of changes, however long some of what is in it stays.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Numbered } from "../../../src/core/numbered.ts";
import { leftBy } from "./left-by.ts";

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("add" as const) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("delete" as const), which: fc.nat(80) }) },
  // So many short ones pass while others stay that their places come round again.
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), count: fc.nat(100) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) },
);

test("numbered: is a Map with rising keys, in its order, for any sequence of changes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const table = new Numbered<object>();
      const twin = new Map<number, object>();
      let last = 0;
      const add = (): number => {
        const value = {};
        const number = table.next();
        assert.equal(table.add(value), number);
        assert.ok(number > last, "a number was given twice");
        last = number;
        twin.set(number, value);
        return number;
      };
      for (const each of steps) {
        if (each.kind === "add") add();
        else if (each.kind === "delete")
          assert.equal(table.delete(each.which), twin.delete(each.which));
        else if (each.kind === "clear") {
          table.clear();
          twin.clear();
          last = 0;
        } else {
          for (let count = 0; count < each.count; count++) {
            const number = add();
            assert.equal(table.delete(number), twin.delete(number));
          }
        }
        assert.equal(table.size, twin.size);
        assert.deepEqual(table.values(), [...twin.values()]);
        for (let number = 0; number <= last + 1; number++) {
          assert.equal(table.get(number), twin.get(number));
        }
      }
    }),
  );
});

test("numbered: what goes while it is visited is not visited, what comes is not either", () => {
  const table = new Numbered<{ readonly name: string }>();
  const numbers = new Map(["a", "b", "c"].map((name) => [name, table.add({ name })]));
  const seen: string[] = [];
  table.visit(({ name }) => {
    seen.push(name);
    if (name !== "a") return;
    table.delete(numbers.get("b") ?? 0);
    for (let count = 0; count < 100; count++) table.add({ name: "late" });
  });
  assert.deepEqual(seen, ["a", "c"]);
});

test("numbered: one that stays makes the table no longer, however many pass", () => {
  const table = new Numbered<object>();
  const staying = {};
  const number = table.add(staying);
  let last = number;
  for (let count = 0; count < 100_000; count++) {
    last = table.add({});
    table.delete(last);
  }
  assert.equal(table.get(number), staying);
  // One number in sixteen is passed over: those that would stand where it stands.
  assert.ok(last < 110_000, `${last} numbers for 100,000 values`);
});

test("numbered: numbers above 2^31 and 2^32 are told apart", () => {
  const table = new Numbered<object>();
  const value = {};
  assert.equal(table.add(value), 1);
  for (const number of [2 ** 31 + 1, 2 ** 32 + 1, 2 ** 33 + 1, 1.5, -1, Number.NaN]) {
    assert.equal(table.get(number), undefined, String(number));
    assert.equal(table.delete(number), false);
  }
  assert.equal(table.get(1), value);
});

test("numbered: after a full collection what was deleted still goes with the young", () => {
  const left = leftBy(new Numbered<object>());
  assert(left < 4e6, `${left} bytes are left`);
});
