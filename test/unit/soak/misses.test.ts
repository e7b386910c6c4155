// Which GETs of a soak had to hit: the rule, case by case.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Mutation } from "../../../src/sim/history.ts";
import { countMisses } from "../../support/soak/misses.ts";
import type { Read } from "../../support/soak/records.ts";

const NEVER = Number.POSITIVE_INFINITY;

test("soak: a miss counts when an acknowledged PUT came before it", () => {
  const { counted, misses } = countMisses([miss("a", 20, 30)], [put("a", 1, 10)], [], 0);
  assert.equal(counted, 1);
  assert.deepEqual(
    misses.map(({ why, ageMs, tookMs }) => [why, ageMs, tookMs]),
    [["lost", 20, 10]],
  );
});

test("soak: a miss counts although another PUT of the key is under way or has failed", () => {
  const mutations = [put("a", 1, 10), put("a", 12, 40), put("a", 13, NEVER)];
  assert.equal(countMisses([miss("a", 20, 30)], mutations, [], 0).counted, 1);
});

test("soak: a GET does not count when nothing was acknowledged before it began", () => {
  const mutations = [put("a", 1, 25), put("b", 1, 2), put("a", 1, NEVER)];
  const { counted, uncounted } = countMisses([miss("a", 20, 30)], mutations, [], 0);
  assert.deepEqual([counted, uncounted], [0, 1]);
});

test("soak: a GET does not count when a DELETE may have come between", () => {
  for (const removal of [
    remove("a", 11, 12),
    remove("a", 5, 15),
    remove("a", 25, 50),
    remove("a", 11, NEVER),
  ])
    assert.equal(countMisses([miss("a", 20, 30)], [put("a", 1, 10), removal], [], 0).counted, 0);
});

test("soak: a GET counts when the DELETE came before the PUT or after the GET", () => {
  for (const removal of [remove("a", 0, 0.5), remove("a", 31, 40)])
    assert.equal(countMisses([miss("a", 20, 30)], [put("a", 1, 10), removal], [], 0).counted, 1);
});

test("soak: a lost key is a miss again at every GET until it is put anew", () => {
  const reads = [miss("a", 20, 30), { ...miss("a", 40, 50), why: "absent" }, hit("a", 70, 80)];
  const report = countMisses(reads, [put("a", 1, 10), put("a", 55, 60)], [], 0);
  assert.deepEqual(report.missesBy, { lost: 1, absent: 1 });
  assert.equal(report.ratio, 1 / 3);
});

test("soak: a miss names the last kill before it ended, and how many primaries went", () => {
  const victims = [
    { function: "f-1", role: "primary" },
    { function: "f-2", role: "replica" },
  ] as const;
  const kills = [
    { at: 5, victims: [] },
    { at: 25, victims },
    { at: 35, victims: [] },
  ];
  const [found] = countMisses([miss("a", 20, 30)], [put("a", 1, 10)], kills, 0).misses;
  assert.deepEqual([found?.kill, found?.sinceKillMs, found?.primariesKilled], [2, 5, 1]);
});

test("soak: what began before the count began is left out", () => {
  const report = countMisses([miss("a", 20, 30)], [put("a", 1, 10)], [], 25);
  assert.deepEqual([report.counted, report.uncounted], [0, 0]);
});

function mutation(kind: "put" | "remove", key: string, begunAt: number, endedAt: number): Mutation {
  return {
    ...{ kind, key, begunAt, endedAt, write: 1, bytes: 1, wallBegunAt: begunAt, ttlMs: 0 },
    ...{ ifAbsent: false, wallEndedAt: endedAt, version: null, isVoid: false },
  };
}

function put(key: string, begunAt: number, endedAt: number): Mutation {
  return mutation("put", key, begunAt, endedAt);
}

function remove(key: string, begunAt: number, endedAt: number): Mutation {
  return mutation("remove", key, begunAt, endedAt);
}

function miss(key: string, begunAt: number, endedAt: number): Read {
  const read = { kind: "read", key, begunAt, endedAt, mark: null, bytes: 0 } as const;
  return { ...read, reconstructed: 0, why: "lost" };
}

function hit(key: string, begunAt: number, endedAt: number): Read {
  return { ...miss(key, begunAt, endedAt), mark: 1, bytes: 1, why: null };
}
