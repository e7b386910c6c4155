// Puts a file that cannot be used out of the way instead of deleting it, so that somebody can look at it later. It keeps
// the last three.

import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** How many moved files are kept; each may be as large as the table. */
const KEPT_COUNT_MAX = 3;
/** What SQLite keeps beside a database. */
const COMPANIONS = ["", "-wal", "-shm", "-journal"];

/** Renames a database with its companions; answers where it is now. */
export function moveAside(path: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[^0-9TZ]/g, "");
  const aside = `${path}.${stamp}.aside`;
  for (const suffix of COMPANIONS) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  const prefix = `${basename(path)}.`;
  const moved = readdirSync(dirname(path)).filter(
    (name) => name.startsWith(prefix) && name.endsWith(".aside"),
  );
  for (const name of moved.sort().slice(0, -KEPT_COUNT_MAX)) {
    for (const suffix of COMPANIONS) rmSync(join(dirname(path), name + suffix), { force: true });
  }
  return aside;
}
