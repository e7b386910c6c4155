// Claims about the table of messages and what encodes them.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FieldCursor, FrameWriter } from "../../../src/wire/fields.ts";
import { FIELD_BYTES_MAX, HEADER_BYTES } from "../../../src/wire/frame.ts";
import { decodeMessage, FrameEncoder, type Peer } from "../../../src/wire/message-codec.ts";
import { MESSAGES, type Message } from "../../../src/wire/messages.ts";
import { struct, u53 } from "../../../src/wire/schema.ts";
import { arbitraryMessage, KINDS } from "./arbitrary-messages.ts";

const ENVELOPE = { channel: 1, term: 0, invocation: 0 };
const encoder = new FrameEncoder();

function senderOf(kind: Message["kind"]): Peer {
  const from = MESSAGES[kind].from as readonly string[];
  return (["client", "proxy", "function"] as const).find((peer) => from.includes(peer)) ?? "client";
}

for (const kind of KINDS) {
  test(`codec: ${kind} comes back as it was`, () => {
    fc.assert(
      fc.property(arbitraryMessage(kind), (message) => {
        const frame = encoder.encode(ENVELOPE, message, kind === "data" ? 1 : 0);
        const range = { at: HEADER_BYTES, end: frame.length };
        const { type } = MESSAGES[kind];
        assert.deepEqual(decodeMessage(senderOf(kind), type, frame, range), message);
      }),
      { numRuns: 40 },
    );
  });
}

test("codec: the fast paths write what the table describes", () => {
  const writer = new FrameWriter();
  for (const kind of ["data", "credit"] as const) {
    fc.assert(
      fc.property(arbitraryMessage(kind), (message) => {
        const frame = encoder.encode(ENVELOPE, message, kind === "data" ? 1 : 0);
        writer.restart();
        // Proof of the cast: struct reads the fields by their names, as the message has them.
        struct(MESSAGES[kind].fields).write(writer, message as never);
        const expected = writer.bytes.subarray(HEADER_BYTES, HEADER_BYTES + writer.fieldBytes);
        assert.deepEqual(frame.subarray(HEADER_BYTES), expected);
        const cursor = new FieldCursor(frame, HEADER_BYTES, frame.length);
        assert.deepEqual({ kind, ...struct(MESSAGES[kind].fields).read(cursor) }, message);
      }),
      { numRuns: 50 },
    );
  }
});

test("codec: a frame is never written again, however many follow", () => {
  const first = encoder.encode(ENVELOPE, { kind: "ping", nonce: 1 }, 0);
  const kept = Uint8Array.from(first);
  for (let nonce = 0; nonce < 2_000; nonce++) encoder.encode(ENVELOPE, { kind: "pong", nonce }, 0);
  assert.deepEqual(first, kept);
});

test("codec: values that do not fit are the sender's error, and the encoder stays good", () => {
  const wrong: readonly (readonly [Message, number])[] = [
    [{ kind: "ping", nonce: -1 }, 0],
    [{ kind: "ping", nonce: 1.5 }, 0],
    [{ kind: "ping", nonce: 2 ** 32 }, 0],
    [{ kind: "ping", nonce: 1 }, 1],
    [{ kind: "challenge", nonce: new Uint8Array(31) }, 0],
    [{ kind: "stat", key: "k".repeat(1_025) }, 0],
    [{ kind: "stat", key: "ü".repeat(513) }, 0],
    // As from a caller in plain JavaScript.
    [{ kind: "stat", key: 12_345 as unknown as string }, 0],
    [{ kind: "data", stripe: 0, index: 256, attempt: 0, offset: 0 }, 1],
    [{ kind: "data", stripe: 0, index: 0, attempt: 0, offset: 0 }, 0],
    [{ kind: "data", stripe: 0, index: 0, attempt: 0, offset: 0 }, 1_048_577],
    [{ kind: "cleared", count: 2 ** 53 }, 0],
    [{ kind: "erasures", stripe: 0, indexes: Array.from({ length: 256 }, () => 0) }, 0],
  ];
  for (const [message, bodyBytes] of wrong) {
    assert.throws(() => encoder.encode(ENVELOPE, message, bodyBytes), RangeError, message.kind);
  }
  const long = { key: "k".repeat(1_024), bytes: 1, version: 1, createdAtMs: 1, expiresAtMs: 0 };
  const listing: Message = { kind: "listing", objects: Array(100).fill(long), isLast: true };
  assert.throws(() => encoder.encode(ENVELOPE, listing, 0), /longer than 65504 bytes/);
  assert.equal(encoder.encode(ENVELOPE, { kind: "ping", nonce: 1 }, 0).length, HEADER_BYTES + 4);
});

test("codec: the longest lists of fixed rows fit into a frame", () => {
  const row = { keyHash: new Uint8Array(16), version: 1, stripe: 0, index: 0, bytes: 1 };
  const inventory: Message = { kind: "inventory", chunks: Array(1_000).fill(row), isLast: true };
  const drop: Message = { kind: "chunkDrop", chunks: Array(1_000).fill(row) };
  for (const message of [inventory, drop]) {
    assert.ok(encoder.encode(ENVELOPE, message, 0).length <= HEADER_BYTES + FIELD_BYTES_MAX);
  }
});

test("codec: numbers up to 2^53 - 1 survive", () => {
  const writer = new FrameWriter();
  for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 52 + 1, Number.MAX_SAFE_INTEGER]) {
    writer.restart();
    u53.write(writer, value);
    assert.equal(u53.read(new FieldCursor(writer.bytes, HEADER_BYTES, HEADER_BYTES + 8)), value);
  }
});

test("codec: type numbers are unique", () => {
  assert.equal(new Set(KINDS.map((kind) => MESSAGES[kind].type)).size, KINDS.length);
});
