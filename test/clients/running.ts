// What the client tests share: a pool that runs (started here through the command line, or named by the environment
// variable INFINICACHE_TEST_POOL as the JSON line that `up --json` prints), temporary files, and commands of other people.
// It never talks to the cache itself: that is the clients' part.

import { execFile, spawn, spawnSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before } from "node:test";

const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
const COMMAND_MS_MAX = 180_000;

/** The two doors of a running pool. */
export interface Doors {
  readonly host: string;
  readonly port: string;
  /** http://host:port */
  readonly http: string;
}

/** Starts a pool before the tests of a file and stops it after them; the doors are there once they run. */
export function withPool(): { readonly doors: () => Doors; readonly folder: () => string } {
  let doors: Doors | undefined;
  let folder = "";
  let stop = async () => {};
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "infinicache-clients-"));
    const started = await start();
    stop = started.stop;
    const [host = "", port = ""] = started.resp.split(":");
    doors = { host, port, http: started.http };
  });
  after(async () => {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    doors: () => {
      if (doors === undefined) throw new Error("the pool is not running");
      return doors;
    },
    folder: () => folder,
  };
}

async function start(): Promise<{ resp: string; http: string; stop: () => Promise<void> }> {
  const given = process.env["INFINICACHE_TEST_POOL"];
  if (given !== undefined) return { ...addresses(given), stop: async () => {} };
  const command = resolve(import.meta.dirname, "../../bin/infinicache.cjs");
  const args = [command, "up", "--json", "--port", "0"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((done) => child.on("exit", () => done()));
  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await ended;
    clearTimeout(timer);
  };
  const timer = setTimeout(() => child.kill("SIGKILL"), READY_MS_MAX);
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes('"ready"')) continue;
    clearTimeout(timer);
    return { ...addresses(line), stop };
  }
  throw new Error("`infinicache up` ended before it was ready");
}

function addresses(line: string): { resp: string; http: string } {
  const { resp, http } = JSON.parse(line) as Record<string, unknown>;
  if (typeof resp !== "string" || typeof http !== "string") throw new Error(`no doors in ${line}`);
  return { resp, http };
}

/** Fails with the line that helps when a Debian command is not there. */
export function needs(command: string, debianPackage: string): void {
  if (spawnSync("sh", ["-c", `command -v ${command}`]).status === 0) return;
  throw new Error(`${command} is missing: apt-get install -y ${debianPackage}`);
}

/** Writes a file of random bytes; returns them. */
export function randomFile(path: string, bytes: number): Buffer {
  const content = randomFillSync(Buffer.alloc(bytes));
  writeFileSync(path, content);
  return content;
}

/** Runs a command with files as its ends where given; its output as text, or empty when it went to a file. */
export async function run(
  command: string,
  args: readonly string[],
  files: { readonly input?: string; readonly output?: string } = {},
): Promise<string> {
  const input = files.input === undefined ? ("ignore" as const) : openSync(files.input, "r");
  const output = files.output === undefined ? ("pipe" as const) : openSync(files.output, "w");
  const child = spawn(command, [...args], {
    stdio: [input, output, "pipe"],
    timeout: COMMAND_MS_MAX,
    killSignal: "SIGKILL",
  });
  let text = "";
  let complaint = "";
  child.stdout?.on("data", (part: Buffer) => {
    text += part.toString();
  });
  child.stderr?.on("data", (part: Buffer) => {
    complaint += part.toString();
  });
  const status = await new Promise<number | null>((done, fail) => {
    child.on("error", fail);
    child.on("close", done);
  });
  for (const file of [input, output]) if (typeof file === "number") closeSync(file);
  if (status === 0) return text;
  throw new Error(
    `${command} ${args.join(" ")}: exit ${status}: ${complaint}${text.slice(-2_000)}`,
  );
}

/** A redis-server of its own on a free port, and how to stop it. */
export async function startRedisServer(port: number): Promise<() => Promise<void>> {
  const args = ["--port", `${port}`, "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"];
  const child = execFile("redis-server", args);
  const ended = new Promise<void>((done) => child.on("exit", () => done()));
  for await (const line of createInterface({ input: child.stdout ?? process.stdin })) {
    if (line.includes("Ready to accept connections")) break;
  }
  return async () => {
    child.kill("SIGKILL");
    await ended;
  };
}
