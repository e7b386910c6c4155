// Real processes of the command for acceptance tests: starts them, runs commands against them, and reads what the
// kernel knows of them (proportional memory, high-water marks, descendants) from /proc. Linux only, like those
// figures. Whatever is still alive when a test ends is killed with it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";

/** The root of the checkout. */
export const ROOT = resolve(import.meta.dirname, "..", "..", "..");
/** The program that the command runs; started by the running Node, so that a process is what it seems to be. */
export const CLI = join(ROOT, "src", "entry", "cli.ts");
const START_MS_MAX = 30_000;
const COMMAND_MS_MAX = 200_000;

/** What a serving command prints with `--json` once it is ready. */
export interface Ready {
  readonly client: string;
  readonly functions: string;
  readonly lambda: string;
  readonly resp: string;
  readonly http: string;
}

/** A process that has said what was waited for. */
export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  /** What it said, on either stream. */
  readonly line: string;
  readonly readyMs: number;
  /** What it has written to its standard error so far. */
  readonly errors: () => string;
  /** SIGKILL, and nothing else; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it is gone. */
  stop(): Promise<void>;
}

/** A serving process of the command. */
export interface Serving extends Started {
  readonly ready: Ready;
}

/** How to start a process other than by the running Node and the program. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
}

const alive = new Set<ChildProcess>();
/** For notes of what serves, so that tests and people on one machine do not meet; tests may keep files in it. */
export const FOLDER = mkdtempSync(join(tmpdir(), `infinicache-acceptance-${runName()}`));
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
  rmSync(FOLDER, { recursive: true, force: true });
});

/** By this the runner of the tests knows what to remove where this process was killed. */
function runName(): string {
  const run = process.env["TEST_RUN"];
  return run === undefined ? "" : `${run}-`;
}

/** Environment without what would change the command: its settings, and the marks of npm and of our launcher. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(INFINICACHE_|npm_|NODE_TEST|TOOLS_NODE)/.test(name),
  );
  return { ...Object.fromEntries(own), INFINICACHE_RUNTIME_DIR: FOLDER };
}

/** Starts `infinicache ARGS --json` and waits for its line that says ready. */
export async function serve(args: readonly string[], launch?: Launch): Promise<Serving> {
  const { command, args: before } = launch ?? {
    command: process.execPath,
    args: ["--disable-warning=ExperimentalWarning", CLI],
  };
  const started = await start(
    { command, args: [...before, ...args, "--json"] },
    /^\{.*"ready":true.*\}$/m,
  );
  // The command is ours, and prints what composition.ts says.
  return { ...started, ready: JSON.parse(started.line) as Ready };
}

/** Starts a process in the checkout and waits until what it has printed matches. */
export async function start({ command, args }: Launch, pattern: RegExp): Promise<Started> {
  const startedAt = performance.now();
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: ROOT,
    env: cleanEnvironment(),
  });
  alive.add(child);
  const exited = once(child, "exit").then(() => {
    alive.delete(child);
  });
  let errors = "";
  child.stderr.on("data", (part) => {
    errors = (errors + String(part)).slice(-65_536);
  });
  const line = await waitFor(child, pattern);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  return {
    child,
    pid: child.pid ?? 0,
    line,
    readyMs: performance.now() - startedAt,
    errors: () => errors,
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
  };
}

function waitFor(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((found, fail) => {
    let text = "";
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail(new Error(`not ready after ${START_MS_MAX / 1_000} s:\n${text}`));
    }, START_MS_MAX);
    child.once("exit", (code) => {
      clearTimeout(timer);
      fail(new Error(`ended with ${code} before it was ready:\n${text}`));
    });
    const look = (part: unknown) => {
      text = (text + String(part)).slice(-65_536);
      const line = pattern.exec(text)?.[0];
      if (line === undefined) return;
      clearTimeout(timer);
      found(line);
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
  });
}

/** What became of a command. */
export interface CommandResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** The most memory it ever had resident, in bytes. */
  readonly peakBytes: number;
}

/** Runs a command of the command line to its end. `input` feeds it; `output` takes what it prints as it comes. */
export async function runCommand(
  args: readonly string[],
  streams: { readonly input?: Readable; readonly output?: (part: Buffer) => void } = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", CLI, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: cleanEnvironment(),
  });
  alive.add(child);
  const timer = setTimeout(() => child.kill("SIGKILL"), COMMAND_MS_MAX);
  let peakBytes = 0;
  // Sampled, since the mark is gone with the process; a mark only grows, so only the last moments can be missed.
  const sampler = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakMemory(child.pid ?? 0));
  }, 20);
  child.stdin.on("error", () => {}); // A command may end before it has read everything.
  if (streams.input === undefined) child.stdin.end();
  else streams.input.pipe(child.stdin);
  const kept: Buffer[] = [];
  child.stdout.on("data", streams.output ?? ((part: Buffer) => kept.push(part)));
  let stderr = "";
  child.stderr.on("data", (part) => {
    stderr += String(part);
  });
  const [code] = await once(child, "close");
  clearInterval(sampler);
  clearTimeout(timer);
  alive.delete(child);
  return { code, stdout: Buffer.concat(kept), stderr, peakBytes };
}

/** The most memory a living process ever had resident (VmHWM), in bytes; 0 when there is no such process. */
export function peakMemory(pid: number): number {
  return kilobytes(`/proc/${pid}/status`, /^VmHWM:\s+(\d+) kB/m);
}

/** Proportional memory (Pss) of a process and all below it, in bytes. */
export function treeMemory(pid: number): number {
  return [pid, ...descendants(pid)]
    .map((each) => kilobytes(`/proc/${each}/smaps_rollup`, /^Pss:\s+(\d+) kB/m))
    .reduce((sum, bytes) => sum + bytes, 0);
}

/** Everything below a process, through all generations. */
export function descendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(/\) \S (\d+) /.exec(readOrEmpty(`/proc/${name}/stat`))?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const visit = (parent: number) => {
    for (const child of children.get(parent) ?? []) {
      found.push(child);
      visit(child);
    }
  };
  visit(pid);
  return found;
}

/** Whether a process exists and is more than a zombie waiting to be reaped. */
export function isAlive(pid: number): boolean {
  const state = /\) (\S) /.exec(readOrEmpty(`/proc/${pid}/stat`))?.[1];
  return state !== undefined && state !== "Z" && state !== "X";
}

function kilobytes(path: string, pattern: RegExp): number {
  return Number(pattern.exec(readOrEmpty(path))?.[1] ?? 0) * 1_024;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
