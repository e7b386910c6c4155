// Write-behind with real processes: killed at any moment, it loses no change that was acknowledged.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { directoryOrigin } from "../../src/entry/origin.ts";
import { until } from "../support/pool.ts";
import { body, joined } from "../unit/client/world.ts";
import { CliFixture, terminate } from "./cli-fixture.ts";

const fixture = new CliFixture();
after(() => fixture.end());

const KILLS = 4;
const { signal } = new AbortController();

test("write-behind: kill -9 at any point loses no acknowledged change, and none comes back", async () => {
  const folder = fixture.path("store");
  const flags = [
    ...["up", "--port", "0", "--nodes", "6", "--code", "2+1", "--memory", "128"],
    ...["--origin", `dir:${folder}`, "--origin-mode", "write-behind"],
    ...["--origin-journal", fixture.path("journal")],
  ];
  /** What may be read: the acknowledged change, and those whose answer was lost with the process. */
  const may = new Map<string, ReadonlySet<number | null>>();
  let number = 0;
  for (let round = 0; round <= KILLS; round++) {
    const up = await fixture.start(flags);
    const at = (key: string) => `${up.ready.http}/objects/ns/${key}`;
    for (const [key, values] of may) {
      const answer = await fetch(at(key));
      const bytes = new Uint8Array(await answer.arrayBuffer());
      const found = [...values].find((value) =>
        value === null ? answer.status === 404 : Buffer.compare(bytes, body(50_000, value)) === 0,
      );
      assert.notEqual(
        found,
        undefined,
        `${key}: ${answer.status} is none of ${[...values].join()}`,
      );
      may.set(key, new Set([found ?? null]));
    }
    if (round === KILLS) {
      assert.equal(await terminate(up), 0);
      break;
    }
    let isOver = false;
    let acknowledged = 0;
    const writer = async (key: string): Promise<void> => {
      while (!isOver) {
        const value = number % 5 === 4 ? null : ++number;
        if (value === null) number += 1;
        const before = may.get(key) ?? new Set([null]);
        may.set(key, new Set([...before, value]));
        const request =
          value === null
            ? { method: "DELETE" }
            : { method: "PUT", body: Buffer.from(body(50_000, value)) };
        const status = await fetch(at(key), request).then(
          (answer) => answer.status,
          () => 0,
        );
        if (status === 0) return;
        assert([200, 204, 404].includes(status), `${status}`);
        may.set(key, new Set([value]));
        acknowledged++;
      }
    };
    const writers = ["a", "b", "c", "d"].map(writer);
    // Each time elsewhere in what is under way.
    await until("writes are acknowledged", 30_000, () => acknowledged >= 40 + 17 * round);
    up.child.kill("SIGKILL");
    isOver = true;
    await Promise.all(writers);
    await new Promise<void>((resolve) => {
      if (up.child.exitCode !== null || up.child.signalCode !== null) resolve();
      else up.child.once("exit", () => resolve());
    });
  }
  // An orderly end has flushed: the folder has what was read.
  const store = await directoryOrigin(folder);
  for (const [key, values] of may) {
    const found = await store.get(`ns/${key}`, signal);
    const [value] = values;
    if (value === null || value === undefined) assert.equal(found, null, key);
    else {
      assert(found !== null, key);
      assert.equal(Buffer.compare(await joined(found.body), body(50_000, value)), 0, key);
    }
  }
  assert(number > 20, `only ${number} changes were made`);
});
