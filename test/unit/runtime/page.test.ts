// The page docs/protocol/function.md against the code: its messages, limits and environment variables are
// those that there are. Its sentences are the names of the other tests of this folder.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { INVOCATION_MS_MAX, PART_BYTES_MAX } from "../../../src/core/limits.ts";
import { BYE_ANSWER_MS_MAX } from "../../../src/runtime/leave.ts";
import { REMAINING_MS_MIN } from "../../../src/runtime/runtime-core.ts";
import { ATTEMPT_MS_MIN, UNREACHABLE_MS_MAX } from "../../../src/runtime/session.ts";
import {
  CHUNK_BYTES_MAX,
  TRANSFER_IDLE_MS_MAX,
  TRANSFERS_MAX,
} from "../../../src/runtime/transfers.ts";
import { MESSAGES } from "../../../src/wire/messages.ts";

const root = new URL("../../../", import.meta.url);
const page = readFileSync(new URL("docs/protocol/function.md", root), "utf8");

/** The first two cells of each row of a section's table whose first cell is code. */
function rows(section: string): [string, string][] {
  const [, rest = ""] = page.split(`## ${section}\n`);
  const [own = ""] = rest.split("\n## ");
  return [...own.matchAll(/^\| `(\w+)` \| ([^|]+) \|/gm)].map((m) => [m[1] ?? "", m[2] ?? ""]);
}

test("function.md: lists every message of the link, with its direction", () => {
  const { directDial, taken } = MESSAGES;
  // Between client and proxy; those of the direct path begin with what the proxy says to functions.
  const clientOnly = (type: number): boolean =>
    type >= 0x10 && type < directDial.type && type !== taken.type;
  const isDirect = (type: number): boolean => type >= 0x10 && type < 0x60;
  const expected = Object.entries(MESSAGES).filter(([, { type }]) => !clientOnly(type));
  const listed = new Map(rows("Messages"));
  for (const [kind, { from, type }] of expected) {
    if (kind === "failed") continue; // Of client operations, although numbered with the common ones.
    const senders: readonly string[] = from;
    const isFromClient = isDirect(type) && senders.includes("client");
    const isIn = senders.includes("any") || senders.includes("proxy") || isFromClient;
    const isOut = senders.includes("any") || senders.includes("function");
    const direction = listed.get(kind) ?? "not listed";
    assert.ok(direction !== "not listed", `${kind} is not listed`);
    if (direction.includes("in")) assert.ok(isIn, `${kind} cannot come in`);
    if (direction.includes("out")) assert.ok(isOut, `${kind} cannot go out`);
    listed.delete(kind);
  }
  assert.deepEqual([...listed.keys()], []);
});

test("function.md: states the limits as they are", () => {
  const limits = {
    INVOCATION_MS_MAX,
    REMAINING_MS_MIN,
    UNREACHABLE_MS_MAX,
    ATTEMPT_MS_MIN,
    BYE_ANSWER_MS_MAX,
    TRANSFERS_MAX,
    TRANSFER_IDLE_MS_MAX,
    CHUNK_BYTES_MAX,
    PART_BYTES_MAX,
  };
  const listed = Object.fromEntries(rows("Limits").map(([name, value]) => [name, Number(value)]));
  assert.deepEqual(listed, limits);
});

test("function.md: names every environment variable that the function reads", () => {
  const source = readFileSync(new URL("src/entry/function.ts", root), "utf8");
  const read = new Set(
    [...source.matchAll(/"((?:INFINICACHE|AWS|MALLOC)_\w+)"/g)].map((m) => m[1]),
  );
  assert.deepEqual(new Set(rows("Environment").map(([name]) => name)), read);
});
