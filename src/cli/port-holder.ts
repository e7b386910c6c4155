// Names the process that has a port, for the error that says the port is taken: who listens there, or whose connection
// to elsewhere happens to have it. Best effort: it looks into /proc on Linux and asks lsof elsewhere, and it never fails;
// then the holder is just not named.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process that has a port. */
export interface PortHolder {
  readonly pid: number;
  readonly command: string;
}

/** Who has a TCP port of this machine, a listener if there is one; null when it cannot be found out. */
export function findPortHolder(port: number): PortHolder | null {
  return process.platform === "linux" ? (findInProc(port) ?? askLsof(port)) : askLsof(port);
}

/** A line of a terminal or two. */
const COMMAND_CHARACTERS_MAX = 140;

/** `pid 123 (redis-server *:6370)`. */
export function describeHolder(holder: PortHolder): string {
  const { pid, command } = holder;
  const shown =
    command.length <= COMMAND_CHARACTERS_MAX
      ? command
      : `${command.slice(0, COMMAND_CHARACTERS_MAX)}…`;
  return `pid ${pid} (${shown})`;
}

const LISTENING = "0A";

function findInProc(port: number): PortHolder | null {
  const all = [...socketsOf("/proc/net/tcp", port), ...socketsOf("/proc/net/tcp6", port)];
  const listening = all.filter(({ state }) => state === LISTENING);
  const sockets = new Set((listening.length > 0 ? listening : all).map(({ inode }) => inode));
  if (sockets.size === 0) return null;
  for (const entry of quietly(() => readdirSync("/proc"), [])) {
    if (!/^\d+$/.test(entry)) continue;
    for (const descriptor of quietly(() => readdirSync(`/proc/${entry}/fd`), [])) {
      const target = quietly(() => readlinkSync(`/proc/${entry}/fd/${descriptor}`), "");
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode !== undefined && sockets.has(inode)) {
        return { pid: Number(entry), command: commandOf(Number(entry)) };
      }
    }
  }
  return null;
}

/** Those that belong to a process: what only waits for its time to end has the number 0. */
function socketsOf(table: string, port: number): { state: string; inode: string }[] {
  const rows = quietly(() => readFileSync(table, "utf8"), "")
    .split("\n")
    .slice(1);
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return rows.flatMap((text) => {
    const [, local, , state, , , , , , inode] = text.trim().split(/\s+/);
    if (local?.endsWith(`:${hex}`) !== true || state === undefined) return [];
    return inode === undefined || inode === "0" ? [] : [{ state, inode }];
  });
}

function commandOf(pid: number): string {
  const line = quietly(() => readFileSync(`/proc/${pid}/cmdline`, "utf8"), "");
  return line.replaceAll("\0", " ").trim() || "unknown command";
}

function askLsof(port: number): PortHolder | null {
  const args = ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fpc"];
  const { stdout } = spawnSync("lsof", args, { encoding: "utf8", timeout: 2_000 });
  const pid = /^p(\d+)$/m.exec(stdout ?? "")?.[1];
  if (pid === undefined) return null;
  return { pid: Number(pid), command: /^c(.+)$/m.exec(stdout)?.[1] ?? "unknown command" };
}

function quietly<Value>(read: () => Value, otherwise: Value): Value {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
