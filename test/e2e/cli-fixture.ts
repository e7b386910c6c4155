// Runs the command line as users do, in processes of its own, for the end-to-end tests: starts pools on free ports
// with a folder of their own for notes, runs commands against them, and ends whatever is left.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** How a command ended. */
export interface CommandResult {
  readonly code: number | null;
  readonly out: Buffer;
  readonly err: string;
}

/** A serving command that has said that it is ready. */
export interface Serving {
  readonly child: ChildProcess;
  readonly ready: Readonly<Record<"client" | "functions" | "lambda" | "resp" | "http", string>>;
  readonly readyMs: number;
  /** Everything it has said on standard error so far. */
  notes(): string;
}

const READY_MS_MAX = 30_000;
const COMMAND_MS_MAX = 60_000;
const entry = resolve(import.meta.dirname, "..", "..", "src", "entry", "cli.ts");
const nodeArgs = ["--disable-warning=ExperimentalWarning", entry];

/** A test's surroundings; `end` leaves nothing behind. */
export class CliFixture {
  readonly folder = mkdtempSync(join(tmpdir(), "infinicache-e2e-"));
  readonly environment: NodeJS.ProcessEnv;
  readonly #children: ChildProcess[] = [];

  constructor() {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("INFINICACHE_"));
    this.environment = { ...Object.fromEntries(own), INFINICACHE_RUNTIME_DIR: this.folder };
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Starts `up`, `proxy` or `lambda-service` with --json and waits for its line. */
  async start(args: readonly string[]): Promise<Serving> {
    const startedAt = performance.now();
    const child = spawn(process.execPath, [...nodeArgs, ...args, "--json"], {
      cwd: this.folder,
      env: this.environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#children.push(child);
    let notes = "";
    child.stderr.on("data", (part) => {
      notes += String(part);
    });
    const [line] = (await Promise.race([
      once(createInterface({ input: child.stdout }), "line"),
      once(child, "exit").then(() => Promise.reject(new Error(`${args[0]} ended: ${notes}`))),
      sleep(READY_MS_MAX, undefined, { ref: false }).then(() =>
        Promise.reject(new Error(`${args[0]} was not ready in time: ${notes}`)),
      ),
    ])) as [string];
    const readyMs = performance.now() - startedAt;
    return { child, ready: JSON.parse(line), readyMs, notes: () => notes };
  }

  /** Runs one command to its end. */
  run(args: readonly string[], input: Buffer = Buffer.alloc(0)): CommandResult {
    const result = spawnSync(process.execPath, [...nodeArgs, ...args], {
      cwd: this.folder,
      env: this.environment,
      input,
      timeout: COMMAND_MS_MAX,
      maxBuffer: 1_073_741_824,
    });
    return { code: result.status, out: result.stdout, err: result.stderr.toString() };
  }

  /** Starts a command whose input the test writes; `ended` is how it ends. */
  pipe(args: readonly string[]): {
    readonly child: ChildProcess;
    readonly ended: Promise<number | null>;
  } {
    const child = spawn(process.execPath, [...nodeArgs, ...args], {
      cwd: this.folder,
      env: this.environment,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#children.push(child);
    return { child, ended: once(child, "exit").then(([code]) => code as number | null) };
  }

  /** Kills what is still running and removes the folder. */
  async end(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Ends a serving command as a service manager does; its exit code. */
export async function terminate({ child }: Serving): Promise<number | null> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const [code] = (await ended) as [number | null];
  return code;
}

/** A process and all its descendants, by asking ps. */
export function processTree(pid: number): number[] {
  const rows = spawnSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
    .stdout.trim()
    .split("\n")
    .map((row) => row.trim().split(/\s+/).map(Number));
  const tree = [pid];
  // Children may come before their parents in the list, so until nothing is added.
  for (let before = 0; before < tree.length; ) {
    before = tree.length;
    for (const [child = 0, parent = 0] of rows) {
      if (tree.includes(parent) && !tree.includes(child)) tree.push(child);
    }
  }
  return tree;
}

/** Those of `pids` that live; zombies have ended. */
export function living(pids: readonly number[]): number[] {
  const args = ["-o", "pid=,stat=", "-p", pids.join(",")];
  const rows = spawnSync("ps", args, { encoding: "utf8" }).stdout.trim().split("\n");
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([pid, state]) => pid !== "" && state !== undefined && !state.startsWith("Z"))
    .map(([pid]) => Number(pid));
}
