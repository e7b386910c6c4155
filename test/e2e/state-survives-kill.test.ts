// Claims about the durable table under kill -9: every commit that returned is there, and none is there in part.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { SqliteTableStore } from "../../src/host/sqlite-table-store.ts";
import { StateError } from "../../src/host/state-error.ts";

const ROUNDS = 5;
/** Each commit stores two objects with the number of the commit as version, and says so when it has returned. */
const WRITER = `
  import { SqliteTableStore } from ${JSON.stringify(new URL("../../src/host/sqlite-table-store.ts", import.meta.url).href)};
  const [directory, first] = process.argv.slice(1);
  const store = new SqliteTableStore(directory);
  store.load();
  const row = { bytes: 1, dataChunks: 1, parityChunks: 0, stripeCount: 1, stripeBytes: 1, lastStripeBytes: 1,
    createdAtMs: 1, expiresAtMs: 0, metadata: [], places: [{ node: 0, instance: "" }] };
  const put = (key, version) => ({ kind: "put", object: { ...row, key, version } });
  const next = (version) => {
    for (let end = version + 50; version < end; version++) {
      store.commit([put("left " + version, version), put("right " + version, version), put("same", version)]);
      process.stdout.write(version + "\\n");
    }
    setImmediate(next, version);
  };
  next(Number(first));
`;

test("state: killed in the middle of commits, every acknowledged one is there and none in part", async () => {
  const directory = mkdtempSync(join(tmpdir(), "infinicache-kill-"));
  let acknowledged = 0;
  let generation = 0;
  let lastTerm = 0;
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const args = ["--input-type=module", "-e", WRITER, directory, String(acknowledged + 1)];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      const exited = once(child, "exit");
      const enough = acknowledged + 200 + 333 * round;
      for await (const line of createInterface(child.stdout)) {
        acknowledged = Number(line);
        if (acknowledged === enough) {
          assert.throws(() => new SqliteTableStore(directory), {
            name: StateError.name,
            message: new RegExp(`process ${child.pid}`),
          });
          child.kill("SIGKILL");
        }
      }
      await exited;
      const store = new SqliteTableStore(directory);
      const { objects, doubt, term, ...loaded } = store.load();
      assert.equal(doubt, null);
      if (round > 0) assert.equal(loaded.generation, generation);
      assert.ok(term > lastTerm);
      generation = loaded.generation;
      lastTerm = term;
      const versions = new Map(objects.map(({ key, version }) => [key, version]));
      const latest = versions.get("same") ?? 0;
      // What was on its way to the pipe when the child died was committed, too.
      assert.ok(latest >= acknowledged && acknowledged >= enough);
      assert.equal(objects.length, 2 * latest + 1);
      assert.equal(loaded.nextVersion, latest + 1);
      for (let version = 1; version <= latest; version++) {
        assert.equal(versions.get(`left ${version}`), version);
        assert.equal(versions.get(`right ${version}`), version);
      }
      acknowledged = latest;
      store.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
