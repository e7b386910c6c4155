// The notes of running pools, and who holds a port. Real files and a real listener on a free port.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findPortHolder } from "../../../src/cli/port-holder.ts";
import { isRunning, leaveNote, readNote, readNotes } from "../../../src/cli/run-files.ts";

const addresses = {
  client: "127.0.0.1:7010",
  functions: "127.0.0.1:7011",
  lambda: "http://127.0.0.1:7014",
  resp: "127.0.0.1:7012",
  http: "http://127.0.0.1:7013",
};

test("run files: a note is found by its port until it is taken back", () => {
  const folder = mkdtempSync(join(tmpdir(), "infinicache-test-"));
  try {
    const forget = leaveNote(folder, { command: "up", pool: "p", addresses });
    assert.equal(readNote(folder, 7010)?.pid, process.pid);
    assert.equal(readNotes(folder).length, 1);
    assert.equal(readNote(folder, 7011), null);
    forget();
    assert.deepEqual(readdirSync(folder), []);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("run files: a note of a process that is gone, or of another with its id, is removed on sight", () => {
  const folder = mkdtempSync(join(tmpdir(), "infinicache-test-"));
  try {
    const gone = { pid: 2 ** 22 + 1, startMark: "", command: "up", pool: "p", addresses };
    writeFileSync(join(folder, "pool-7010.json"), JSON.stringify(gone));
    assert.equal(readNote(folder, 7010), null);
    assert.deepEqual(readdirSync(folder), []);
    assert.equal(isRunning({ pid: process.pid, startMark: "another start" }), false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("port holder: names this process for a port it listens on or has a connection from, and nobody for a free one", async () => {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  assert.equal(findPortHolder(port)?.pid, process.pid);
  const connection = connect(port, "127.0.0.1");
  await once(connection, "connect");
  assert.equal(findPortHolder(connection.localPort ?? 0)?.pid, process.pid);
  connection.destroy();
  await new Promise<void>((closed) => server.close(() => closed()));
  assert.equal(findPortHolder(port), null);
});
