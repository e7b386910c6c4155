// Which start of the operating system this is. What was written without fsync is safe against the death of a process,
// but not of the machine; a changed boot id tells that the machine may have died in between.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { uptime } from "node:os";

const MINUTE_MS = 60_000;

/** A text that stays the same until the machine starts anew. Where in doubt it changes too often rather than too seldom. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    // Not Linux, or a sandbox without /proc.
  }
  try {
    const options = { encoding: "latin1", timeout: 2_000, stdio: "pipe" } as const;
    return `boottime ${execFileSync("sysctl", ["-n", "kern.boottime"], options).trim()}`;
  } catch {
    // Neither: the time of the start, as far as the time of day can be trusted.
    return `started ${Math.round((Date.now() - uptime() * 1_000) / MINUTE_MS)}`;
  }
}
