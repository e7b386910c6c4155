// Claims about the table of a backup round, over every sequence of events that chance makes, possible or not.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  BACKUP_TABLE,
  type BackupEffect,
  type BackupEvent,
  type BackupState,
  stepBackup,
} from "../../../src/proxy/backup-table.ts";

const EVENTS = Object.keys(BACKUP_TABLE.calling) as readonly BackupEvent["kind"][];

const eventOf = (kind: BackupEvent["kind"], isPrimary: boolean, agrees: boolean): BackupEvent =>
  kind === "greeted" ? { kind, isPrimary, agrees } : { kind };

test("round: copies only with the primary held and another instance awake, and lets everybody go once", () => {
  let copied = 0;
  const moment = fc.tuple(fc.constantFrom(...EVENTS), fc.boolean(), fc.boolean());
  // Chance alone comes as far as copying once in thousands of runs: half of them begin on the way there.
  const way = fc.constantFrom<[BackupEvent["kind"], boolean, boolean][]>(
    [],
    [
      ["started", false, false],
      ["held", false, false],
    ],
  );
  const anything = fc.array(moment, { maxLength: 24 });
  fc.assert(
    fc.property(way, anything, (begun, after) => {
      const moments = [...begun, ...after];
      let state: BackupState = { kind: "calling" };
      const done: BackupEffect[] = [];
      for (const [kind, isPrimary, agrees] of moments) {
        const wasOver: boolean = isOver(state);
        const before: BackupState = state;
        const step = stepBackup(state, eventOf(kind, isPrimary, agrees));
        state = step.state;
        for (const effect of step.effects) {
          if (effect === "invite") assert.ok(done.includes("hold"));
          if (effect === "copy") assert.ok(done.includes("receive"));
          if (effect === "receive") assert.ok(done.includes("invite") && !isPrimary);
          done.push(effect);
        }
        if (wasOver) assert.deepEqual(state, before, "the end is the end");
      }
      const count = (effect: BackupEffect): number => done.filter((each) => each === effect).length;
      for (const once of ["hold", "invite"] as const) assert.ok(count(once) <= 1);
      const severed = moments.filter(([kind]) => kind === "replicaSevered").length;
      for (const anew of ["receive", "compare"] as const) assert.ok(count(anew) <= 1 + severed);
      assert.equal(count("release"), state.kind === "over" ? 1 : 0);
      if (count("copy") > 0) copied++;
    }),
    { numRuns: 5_000 },
  );
  assert.ok(copied > 0, "the runs reached what they are about");
});

test("round: whatever its state, it is over when its time is up twice", () => {
  for (const kind of Object.keys(BACKUP_TABLE) as BackupState["kind"][]) {
    const from: BackupState =
      kind === "dismissing" || kind === "over" ? { kind, isComplete: true } : { kind };
    const stopped = stepBackup(from, { kind: "stopped" });
    assert.equal(stepBackup(stopped.state, { kind: "stopped" }).state.kind, "over", kind);
  }
});

function isOver(state: BackupState): boolean {
  return state.kind === "over";
}
