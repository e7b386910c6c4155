// Claims about tokens at the proxy's core: who is let in, that each message that begins something is refused before
// anything is looked up, and that a refusal is an error and the same for keys that exist and keys that do not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Access, type Grant, TokenTable } from "../../../src/core/access.ts";
import type { Message } from "../../../src/wire/messages.ts";
import { all, bodyOf, first } from "./client.ts";
import { put } from "./steps.ts";
import { World } from "./world.ts";

const whole = { namespace: null, expiresAtMs: null };
const GRANTS: Readonly<Record<string, Grant>> = {
  admin: { ...whole, role: "admin" },
  writer: { ...whole, role: "read-write" },
  reader: { ...whole, role: "read-only" },
  "of a": { ...whole, role: "read-write", namespace: "a" },
  brief: { ...whole, role: "admin", expiresAtMs: 1_000_000_000_000 },
};
const ACCESS: Access = new TokenTable(
  Object.entries(GRANTS).map(([sha256, grant]) => ({ sha256, grant })),
  (text) => text,
);

function began(): World {
  const world = new World({ nodes: 3, access: ACCESS });
  const admin = world.client(1, "admin");
  for (const key of ["a/k", "b/k"]) {
    assert.equal(first(put(world, admin, key, bodyOf(300, 1)), "putDone").outcome, "stored");
  }
  world.settle();
  return world;
}

const layout = { dataChunks: 2, parityChunks: 1 };
const place = { stripe: 0, index: 0 };
const digest = { digestLow: 0, digestHigh: 0 };

function writes(key: string): Message[] {
  const times = { ttlMs: 0, ifAbsent: false, lease: 0, deadlineMs: 1_000, metadata: [] };
  return [
    { kind: "putOpen", key, sequence: 1_000, bytes: 1, ...layout, ...times },
    { kind: "remove", key, sequence: 1_001 },
    { kind: "clear", prefix: key, sequence: 1_002 },
    { kind: "lease", key, purpose: "load", deadlineMs: 1_000 },
    { kind: "lease", key, purpose: "change", deadlineMs: 1_000 },
    { kind: "repair", key, version: 1, ...place, bytes: 1, ...digest },
  ];
}

const NOTHING_KNOWN = { knownGeneration: 0, knownVersion: 0, isWholeBad: false };

function reads(key: string): Message[] {
  const range = {
    rangeStart: 0,
    rangeEnd: 1,
    stripesAhead: 1,
    wantAll: false,
    deadlineMs: 1_000,
    ...NOTHING_KNOWN,
  };
  return [
    { kind: "get", key, ...range },
    { kind: "stat", key },
    { kind: "list", prefix: key, after: "", limit: 10 },
  ];
}

/** What the message is answered with. */
function answers(world: World, token: string, message: Message): Message[] {
  const client = world.client(9, token);
  const exchange = client.open(message);
  world.settle();
  client.connection.close("done");
  return exchange.messages;
}

const DENIED = [{ kind: "failed", code: "ICACHE_DENIED", reason: "the token does not allow this" }];

test("admission: without a token, with a wrong one and with an expired one the hello is refused alike", () => {
  const world = began();
  world.wallMs = 1_000_000_000_000;
  for (const token of ["", "wrong", "brief"]) {
    const client = world.client(2, token);
    assert.deepEqual(client.exchanges.get(0)?.messages, [
      { kind: "refused", code: "ICACHE_AUTH", reason: "the token is absent, wrong or expired" },
    ]);
    assert.equal(client.closeReason !== null, true);
  }
});

test("admission: one who may only read is refused each change, whether there is the object or not", () => {
  const world = began();
  for (const key of ["a/k", "a/absent"]) {
    for (const message of writes(key))
      assert.deepEqual(answers(world, "reader", message), DENIED, message.kind);
  }
  assert.equal(answers(world, "reader", { kind: "stat", key: "a/k" })[0]?.kind, "found");
  assert.equal(answers(world, "reader", { kind: "status" })[0]?.kind, "statusReport");
});

test("admission: another namespace's keys are refused by each message, whether there is the object or not", () => {
  const world = began();
  for (const key of ["b/k", "b/absent", "ab", "b"]) {
    for (const message of [...reads(key), ...writes(key)])
      assert.deepEqual(answers(world, "of a", message), DENIED, message.kind);
  }
  assert.deepEqual(answers(world, "of a", { kind: "status" }), DENIED);
});

test("admission: orders of repairs are for those who may do everything", () => {
  const world = began();
  for (const token of ["of a", "reader", "writer"])
    assert.deepEqual(answers(world, token, { kind: "repairAsk" }), DENIED);
  assert.deepEqual(answers(world, "admin", { kind: "repairAsk" }), [], "it waits for work");
});

test("admission: within a namespace lists show, and clears take, its keys only", () => {
  const world = began();
  const client = world.client(3, "of a");
  const list = client.open({ kind: "list", prefix: "", after: "", limit: 10 });
  world.settle();
  assert.deepEqual(
    all(list, "listing").flatMap(({ objects }) => objects.map(({ key }) => key)),
    ["a/k"],
  );
  const clear = client.open({ kind: "clear", prefix: "", sequence: 5 });
  world.settle();
  assert.equal(first(clear, "cleared").count, 1);
  assert.equal(world.proxy.status().objects, 1);
});

test("admission: a token that expires during the session is refused at the next operation", () => {
  const world = began();
  world.wallMs = 999_999_999_999;
  const client = world.client(4, "brief");
  const before = client.open({ kind: "stat", key: "a/k" });
  world.settle();
  assert.equal(before.messages[0]?.kind, "found");
  world.wallMs = 1_000_000_000_000;
  const after = client.open({ kind: "stat", key: "a/k" });
  world.settle();
  assert.deepEqual(after.messages, [
    { kind: "failed", code: "ICACHE_AUTH", reason: "the token is absent, wrong or expired" },
  ]);
});
