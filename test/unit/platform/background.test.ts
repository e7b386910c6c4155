// Claims about putting processes into the background: both are told, a system that is asked too often is asked again,
// and a process that has ended is left alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Background,
  type BackgroundMeans,
} from "../../../src/platform/lambda-service/background.ts";

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** A system that refuses what it is told to, and whose time passes when the test says so. */
function begin(hasGroups = true) {
  const processes: number[] = [];
  const groups: number[] = [];
  const refusals: { code: string; of: "process" | "group"; times: number }[] = [];
  let due: (() => void)[] = [];
  const asked = (of: "process" | "group"): void => {
    const refusal = refusals.find((each) => each.of === of && each.times > 0);
    if (refusal === undefined) return;
    refusal.times -= 1;
    throw failure(refusal.code);
  };
  const means: BackgroundMeans = {
    setProcess: (pid, nice) => {
      asked("process");
      assert.equal(nice, 12);
      processes.push(pid);
    },
    setGroup: hasGroups
      ? (pid) => {
          asked("group");
          groups.push(pid);
        }
      : null,
    later: (act) => due.push(act),
  };
  const pass = (): void => {
    const acts = due;
    due = [];
    for (const act of acts) act();
  };
  const timers = (): number => due.length;
  return { background: new Background(means, 2), processes, groups, refusals, pass, timers };
}

test("background: a process and its group are told, where there are groups", () => {
  for (const hasGroups of [true, false]) {
    const { background, processes, groups } = begin(hasGroups);
    background.add(7);
    background.add(8);
    assert.deepEqual(processes, [7, 8]);
    assert.deepEqual(groups, hasGroups ? [7, 8] : []);
  }
});

test("background: a system that was asked too often is asked again later, for all, once for each", () => {
  const { background, groups, refusals, pass } = begin();
  refusals.push({ code: "EAGAIN", of: "group", times: 3 });
  for (const pid of [1, 2, 3]) background.add(pid);
  assert.deepEqual(groups, []);
  pass();
  pass();
  assert.deepEqual(groups, []);
  pass();
  assert.deepEqual(groups, [1, 2, 3]);
  pass();
  assert.deepEqual(groups, [1, 2, 3]);
});

test("background: a process that has ended is not asked for again, and what is refused stays as it is", () => {
  const { background, processes, groups, refusals, pass } = begin();
  refusals.push({ code: "EAGAIN", of: "group", times: 1 });
  for (const pid of [1, 2]) background.add(pid);
  background.remove(1);
  pass();
  assert.deepEqual(groups, [2]);
  refusals.push({ code: "EACCES", of: "process", times: 1 });
  background.add(3);
  refusals.push({ code: "ENOENT", of: "group", times: 1 });
  background.add(4);
  background.add(5);
  assert.deepEqual(
    [processes, groups],
    [
      [1, 2, 4, 5],
      [2, 3, 5],
    ],
  );
});

test("background: however many come and go while the system refuses, it is asked by one timer", () => {
  const { background, refusals, timers, pass, groups } = begin();
  refusals.push({ code: "EAGAIN", of: "group", times: 2 });
  for (let pid = 1; pid < 50; pid++) {
    background.add(pid);
    background.remove(pid);
  }
  background.add(50);
  assert.equal(timers(), 1);
  pass();
  assert.equal(timers(), 1);
  pass();
  assert.deepEqual([groups, timers()], [[50], 0]);
});

test("background: instances stand behind a service that stands back itself, as far as there is room", () => {
  const { background } = begin();
  assert.equal(background.nice, 12);
  assert.equal(new Background(undefined, 15).nice, 19);
  assert.equal(new Background(undefined, -5).nice, 5);
});
