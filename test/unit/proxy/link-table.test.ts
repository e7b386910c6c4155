// Claims about the link's table: every cell, the scripted runs of test/scenarios/link.txt, and the page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import type { LinkEvent, LinkState } from "../../../src/proxy/link-state.ts";
import { LINK_TABLE } from "../../../src/proxy/link-table.ts";
import { LINK_PAGE, linkPage, outcomesOf } from "../../../tools/link-page.ts";
import { parseScenarios, play } from "./link-scenario.ts";

/** An instance that was awake is gone; those with `takeOver` where a backup's invocation was under way. */
const GONE = [
  "asleep: interrupt, lost",
  "awake: lost, takeOver, adopt, interrupt",
  "detached: lost, takeOver, interrupt",
  "leaving: lost, takeOver, interrupt",
  "severed: lost, takeOver, adopt, interrupt",
  "waking: interrupt, lost, invoke",
  "waking: lost, takeOver, interrupt",
];

/** What may come of each event; what is not named here changes nothing in that state. */
const CELLS: {
  readonly [S in LinkState["kind"]]: { readonly [E in LinkEvent["kind"]]?: readonly string[] };
} = {
  asleep: { need: ["waking: invoke"] },
  backoff: { tick: ["—", "waking: invoke", "asleep"] },
  waking: {
    hello: ["awake", "awake: adopt", "searching: hold, invoke"],
    returned: ["backoff", "backoff: giveUp"],
    crashed: ["backoff", "backoff: giveUp"],
    notStarted: ["backoff", "backoff: giveUp"],
    unknown: ["detached: giveUp"],
  },
  searching: {
    hello: [
      "—",
      "awake",
      "awake: release",
      "awake: adopt",
      "awake: release, adopt",
      "awake: release, lost, adopt",
      "searching: hold, invoke",
    ],
    bye: ["—", "searching: byeOk"],
    disconnected: ["—", "searching"],
    returned: ["—", "searching", "backoff", "awake: release"],
    crashed: ["—", "searching: lost", "backoff", "awake: release"],
    notStarted: ["—", "searching", "backoff", "awake: release"],
    unknown: ["—", "searching", "detached: giveUp", "detached: release, giveUp"],
  },
  awake: {
    bye: ["leaving: interrupt, byeOk", "detached: interrupt, byeOk"],
    disconnected: ["severed: interrupt", "detached: interrupt"],
    returned: ["asleep: interrupt", "waking: interrupt, invoke"],
    crashed: GONE,
    notStarted: ["—", "awake (its outcome unknown)"],
    unknown: ["—", "awake (its outcome unknown)"],
    tick: ["—", "asleep: interrupt", "waking: interrupt, invoke"],
  },
  severed: {
    hello: ["awake"],
    returned: ["asleep", "waking: invoke"],
    crashed: GONE,
    notStarted: ["detached: giveUp"],
    unknown: ["detached: giveUp"],
  },
  leaving: {
    returned: ["asleep", "waking: invoke"],
    crashed: GONE,
    notStarted: ["detached"],
    unknown: ["detached"],
  },
  detached: {
    need: ["detached: giveUp"],
    hello: [
      "awake (its outcome unknown)",
      "awake (its outcome unknown): adopt",
      "searching: hold, invoke",
    ],
    bye: ["detached: byeOk"],
    tick: ["—", "asleep", "waking: invoke"],
  },
};

for (const kind of Object.keys(LINK_TABLE) as LinkState["kind"][]) {
  test(`link table: what can come of every event while ${kind}`, () => {
    for (const event of Object.keys(LINK_TABLE[kind]) as LinkEvent["kind"][]) {
      const actual = outcomesOf(kind, event).map((outcome) => outcome.replaceAll("**", ""));
      const expected = CELLS[kind][event] ?? ["—"];
      assert.deepEqual(actual.sort(), [...expected].sort(), `${kind}, ${event}`);
    }
  });
}

const file = resolve(import.meta.dirname, "../../scenarios/link.txt");
for (const scenario of parseScenarios(readFileSync(file, "utf8"))) {
  test(`link: ${scenario.name}`, () => {
    const { expected, actual } = play(scenario);
    assert.deepEqual(actual, expected);
  });
}

test("link page: says what the table does (write it anew with tools/link-page.ts)", () => {
  assert.equal(readFileSync(LINK_PAGE, "utf8"), linkPage());
});
