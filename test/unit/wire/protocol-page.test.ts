// The pages of the protocol say what the code does.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FIELD_BYTES_MAX, HEADER_BYTES, PROTOCOL_VERSION } from "../../../src/wire/frame.ts";
import { FrameEncoder } from "../../../src/wire/message-codec.ts";
import { MESSAGES } from "../../../src/wire/messages.ts";
import { LOCKED_FIELD_BYTES_MAX } from "../../../src/wire/parser.ts";
import { PROTOCOL_PAGE, protocolPage } from "../../../tools/protocol-page.ts";

const frames = readFileSync(new URL("../../../docs/protocol/frames.md", import.meta.url), "utf8");

test("protocol: messages.md is what its generator writes", () => {
  const hint = "run `node tools/node tools/protocol-page.ts`";
  assert.equal(readFileSync(PROTOCOL_PAGE, "utf8"), protocolPage(), hint);
});

test("protocol: messages.md has every message once", () => {
  const rows = protocolPage().matchAll(/^\| 0x[0-9a-f]{2} \| `(\w+)` \|/gm);
  const named = Array.from(rows, ([, kind]) => kind);
  assert.equal(new Set(named).size, named.length);
  assert.deepEqual(new Set(named), new Set(Object.keys(MESSAGES)));
});

test("protocol: the frame that frames.md shows is the one that is sent", () => {
  const shown = /```hex\n([0-9a-f \n]+)```/.exec(frames)?.[1]?.replaceAll(/\s/g, "");
  const envelope = { channel: 7, term: 2, invocation: 5 };
  const frame = new FrameEncoder().encode(envelope, { kind: "ping", nonce: 0x01020304 }, 0);
  assert.equal(shown, Buffer.from(frame).toString("hex"));
});

test("protocol: frames.md states the limits of the code", () => {
  for (const count of [HEADER_BYTES, FIELD_BYTES_MAX, LOCKED_FIELD_BYTES_MAX]) {
    assert.ok(frames.includes(count.toLocaleString("en-US")), String(count));
  }
  assert.ok(frames.includes(`version ${PROTOCOL_VERSION}`));
});
