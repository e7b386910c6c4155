/**
 * A suite that is cut short leaves nothing running: the group of the runner ends with its grandchildren, also those that
 * do not listen to signals.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ProcessGroup } from "../../tools/process-group.ts";

const msMax = 20_000;

/** A command that starts another one, which never ends by itself, and writes down its pid. */
function nest(pidFile: string, isDeaf: boolean): string {
  const listen = isDeaf ? 'process.on("SIGTERM", () => {});' : "";
  const inner = `${listen} require("node:fs").writeFileSync(${JSON.stringify(pidFile)}, String(process.pid)); setInterval(() => {}, 1000);`;
  return `${listen} require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(inner)}], { stdio: "ignore" }); setInterval(() => {}, 1000);`;
}

async function until(claim: () => boolean): Promise<void> {
  const endsAt = performance.now() + msMax;
  while (!claim()) {
    assert.ok(performance.now() < endsAt, "not in time");
    await sleep(10);
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("process group: what a command has started ends with it, killed at once or asked to", async () => {
  const folder = mkdtempSync(join(tmpdir(), "infinicache-group-"));
  try {
    for (const how of ["SIGKILL", "SIGTERM"] as const) {
      const pidFile = join(folder, how);
      const args = ["-e", nest(pidFile, how === "SIGKILL")];
      const group = new ProcessGroup(process.execPath, args, { stdio: "ignore" });
      await until(() => existsSync(pidFile) && readFileSync(pidFile, "utf8") !== "");
      const pid = Number(readFileSync(pidFile, "utf8"));
      assert.ok(lives(pid));
      await group.end(how);
      await until(() => !lives(pid));
      assert.equal(await group.ended, null);
      assert.equal(group.signal("SIGKILL"), false, "nothing is left");
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("process group: the exit code of a command that ends by itself is told", async () => {
  const group = new ProcessGroup(process.execPath, ["-e", "process.exit(3)"], { stdio: "ignore" });
  assert.equal(await group.ended, 3);
});
