// The notes that running pools leave for `down`, `chaos` and `--detach`: one small file for each client port, in
// a folder of the user's own. A note whose process is gone is worth nothing and is removed on sight.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Addresses } from "./composition.ts";

/** What a running pool notes. */
export interface RunNote {
  readonly pid: number;
  /** Which start of that process id: ids are used again. Empty where the system does not tell. */
  readonly startMark: string;
  readonly command: "up" | "proxy";
  readonly pool: string;
  readonly addresses: Addresses;
}

/** The folder of notes; made when it is not there. */
export function runFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const own = environment["INFINICACHE_RUNTIME_DIR"];
  const base = environment["XDG_RUNTIME_DIR"];
  const folder =
    own ?? (base ? join(base, "infinicache") : join(tmpdir(), `infinicache-${userInfo().uid}`));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Writes the note of this process; the answer removes it. */
export function leaveNote(folder: string, note: Omit<RunNote, "pid" | "startMark">): () => void {
  const path = notePath(folder, portOf(note.addresses.client));
  const full: RunNote = { pid: process.pid, startMark: startMarkOf(process.pid), ...note };
  // Renamed into place, so that a reader never sees half of it.
  writeFileSync(`${path}.${process.pid}`, JSON.stringify(full), { mode: 0o600 });
  renameSync(`${path}.${process.pid}`, path);
  return () => {
    if (readFile(path)?.pid === process.pid) rmSync(path, { force: true });
  };
}

/** The note of the pool whose clients use `port`; null when none runs there. */
export function readNote(folder: string, port: number): RunNote | null {
  const path = notePath(folder, port);
  const note = readFile(path);
  if (note === null) return null;
  if (isRunning(note)) return note;
  rmSync(path, { force: true });
  return null;
}

/** The notes of all pools that run. */
export function readNotes(folder: string): RunNote[] {
  const ports = readdirSync(folder).flatMap((name) => /^pool-(\d+)\.json$/.exec(name)?.[1] ?? []);
  return ports.flatMap((port) => readNote(folder, Number(port)) ?? []);
}

/** True while the very process that left the note lives. */
export function isRunning(note: Pick<RunNote, "pid" | "startMark">): boolean {
  try {
    process.kill(note.pid, 0);
  } catch {
    return false;
  }
  return startMarkOf(note.pid) === note.startMark;
}

/** The port of host:port. */
export function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

function notePath(folder: string, port: number): string {
  return join(folder, `pool-${port}.json`);
}

function readFile(path: string): RunNote | null {
  try {
    // The file is our own writing, in a folder that is the user's own.
    return JSON.parse(readFileSync(path, "utf8")) as RunNote;
  } catch {
    return null;
  }
}

/** Linux counts the start of each process in ticks since boot: the 22nd field, after the command's last bracket. */
function startMarkOf(pid: number): string {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8");
    const rest = fields.slice(fields.lastIndexOf(")") + 2).split(" ");
    // A zombie has ended; only its parent has not noticed.
    return rest[0] === "Z" ? "ended" : (rest[19] ?? "");
  } catch {
    return "";
  }
}
