// Claims about grants: what each allows, against a naive twin that spells the rules out, and that a listing narrowed
// to a namespace has exactly the keys that may be read.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Deed,
  type Grant,
  prefixWithin,
  refusalOf,
  TokenTable,
} from "../../../src/core/access.ts";

const name = fc.constantFrom("a", "ab", "b", "A", "a b");
const key = fc
  .tuple(
    fc.constantFrom("", "a", "ab", "b", "A", "a b"),
    fc.constantFrom("", "/", "/k", "/a/k", "k"),
  )
  .map(([namespace, rest]) => namespace + rest);
const grant: fc.Arbitrary<Grant> = fc.record({
  role: fc.constantFrom("read-only", "read-write", "admin"),
  namespace: fc.option(name),
  expiresAtMs: fc.option(fc.integer({ min: 0, max: 20 })),
});
const deed = fc.constantFrom<Deed>("read", "write", "inspect", "maintain");

function naive(given: Grant | null, asked: Deed, at: string | null, now: number): string {
  if (given === null) return "ICACHE_AUTH";
  if (given.expiresAtMs !== null && given.expiresAtMs <= now) return "ICACHE_AUTH";
  const roles = {
    "read-only": ["read", "inspect"],
    "read-write": ["read", "write", "inspect"],
    admin: ["read", "write", "inspect", "maintain"],
  };
  if (!roles[given.role].includes(asked)) return "ICACHE_DENIED";
  if (given.namespace === null) return "yes";
  if (asked === "inspect" || asked === "maintain") return "ICACHE_DENIED";
  if (at === null) return "yes";
  const [first, ...rest] = at.split("/");
  return rest.length > 0 && first === given.namespace ? "yes" : "ICACHE_DENIED";
}

test("access: refusals are those of the naive twin", () => {
  fc.assert(
    fc.property(
      fc.option(grant),
      deed,
      fc.option(key),
      fc.integer({ min: 0, max: 20 }),
      (given, asked, at, now) => {
        const refusal = refusalOf(given, asked, at, now);
        assert.equal(refusal?.code ?? "yes", naive(given, asked, at, now));
      },
    ),
  );
});

test("access: a prefix within a grant selects exactly the keys with that prefix that may be read", () => {
  fc.assert(
    fc.property(grant, key, fc.array(key), (given, prefix, keys) => {
      const within = prefixWithin(given, prefix);
      const selected = within === null ? [] : keys.filter((each) => each.startsWith(within));
      const expected = keys.filter(
        (each) =>
          each.startsWith(prefix) &&
          refusalOf({ ...given, expiresAtMs: null }, "read", each, 0) === null,
      );
      assert.deepEqual(selected, expected);
    }),
  );
});

test("access: a token is found by its digest until it expires, and nothing else is", () => {
  const entry = (digest: string, expiresAtMs: number | null) => ({
    sha256: digest,
    grant: { role: "admin", namespace: null, expiresAtMs } as const,
  });
  const table = new TokenTable(
    [entry("D(LONG)", null), entry("d(brief)", 10)],
    (text) => `d(${text})`,
  );
  assert.equal(table.identify("long", 1e15)?.role, "admin");
  assert.equal(table.identify("brief", 9)?.expiresAtMs, 10);
  assert.equal(table.identify("brief", 10), null);
  for (const text of ["", "LONG", "d(long)"]) assert.equal(table.identify(text, 0), null);
});
