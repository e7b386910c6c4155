// One operating-system process of an instance: start, stop, continue, kill, measure. It knows nothing
// of invocations. The process leads its own group, so that signals reach whatever it starts, and dies
// with its parent where the system can promise that.

import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import type { Background } from "./background.ts";
import type { Watchdog } from "./watchdog.ts";

/** What to run and whom to tell. */
export interface ProcessSpec {
  readonly nodeFlags: readonly string[];
  readonly file: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly watchdog: Watchdog;
  readonly background: Background;
  /** Bytes written to either output, in order within each. */
  readonly onOutput: (bytes: Buffer) => void;
  /** Called once, after all output. */
  readonly onEnd: (code: number | null, signal: NodeJS.Signals | null) => void;
}

const SETPRIV = ["/usr/bin/setpriv", "/bin/setpriv"].find((path) => existsSync(path)) ?? null;
const HAS_PROC = existsSync("/proc/self/statm");
const SAMPLE_MS = 1000;
const PAGE_BYTES = HAS_PROC ? pageBytes() : 4096;
/** What a read of `statm` is put into, by one process after the other: seven numbers. */
const STATM = Buffer.alloc(256);

/** A started process; its signals do nothing once it has ended. */
export class InstanceProcess {
  readonly #child: ChildProcess;
  readonly #sample = { bytes: 0, atMs: Number.NEGATIVE_INFINITY };
  /** Kept open: opening it took most of what asking cost. */
  #statm: number | null = null;
  #hasEnded = false;

  constructor(spec: ProcessSpec) {
    const command = [process.execPath, ...spec.nodeFlags, spec.file];
    // The parent-death signal belongs to the spawning thread: the service must live on the main one.
    if (SETPRIV !== null) command.unshift(SETPRIV, "--pdeathsig", "KILL");
    const [program = process.execPath, ...args] = command;
    this.#child = spawn(program, args, {
      cwd: spec.workingDirectory,
      env: spec.environment,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { pid } = this.#child;
    if (pid !== undefined) {
      spec.watchdog.add(pid);
      spec.background.add(pid);
    }
    this.#child.stdout?.on("data", spec.onOutput);
    this.#child.stderr?.on("data", spec.onOutput);
    // What the process left behind holds its pipes open, and "close" would wait for it.
    this.#child.once("exit", () => this.#signal("SIGKILL"));
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      if (this.#statm !== null) closeSync(this.#statm);
      if (pid !== undefined) {
        spec.watchdog.remove(pid);
        spec.background.remove(pid);
      }
      spec.onEnd(code, signal);
    };
    this.#child.once("close", end);
    this.#child.once("error", (error) => {
      spec.onOutput(Buffer.from(`${error.message}\n`));
      if (pid === undefined) end(1, null);
    });
  }

  /** 0 when the process could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  stop(): void {
    this.#signal("SIGSTOP");
  }

  continue(): void {
    this.#signal("SIGCONT");
  }

  kill(): void {
    this.#signal("SIGKILL");
  }

  /** Resident bytes now (up to a second ago where there is no /proc); 0 when the system does not tell. */
  residentBytes(): number {
    if (this.#hasEnded) return 0;
    if (!HAS_PROC) return this.#residentFromPs();
    try {
      this.#statm ??= openSync(`/proc/${this.pid}/statm`, "r");
      const count = readSync(this.#statm, STATM, 0, STATM.length, 0);
      return Number(STATM.toString("latin1", 0, count).split(" ")[1]) * PAGE_BYTES;
    } catch {
      return 0; // It has just ended.
    }
  }

  #residentFromPs(): number {
    const sample = this.#sample;
    // `ps` takes milliseconds: it is asked in the background, once a second at most.
    if (performance.now() - sample.atMs >= SAMPLE_MS) {
      sample.atMs = performance.now();
      execFile("ps", ["-o", "rss=", "-p", String(this.pid)], (_error, text) => {
        sample.bytes = (Number.parseInt(text, 10) || 0) * 1024;
      });
    }
    return sample.bytes;
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#hasEnded || this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // The group has ended already.
    }
  }
}

function pageBytes(): number {
  try {
    return Number(execFileSync("getconf", ["PAGESIZE"], { encoding: "utf8" }));
  } catch {
    return 4096;
  }
}
