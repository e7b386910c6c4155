/**
 * A command in a process group of its own, so that it ends with everything it has started: a test runner that is killed
 * would else leave the file it was running, with its servers. It decides nothing about why.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";

/** How long a group may take to end after a signal before it is killed. */
const endMsMax = 5_000;

/** A command at work, and all that descends from it and has not left its group. */
export class ProcessGroup {
  readonly #leader: ChildProcess;
  /** The exit code of the command; null when a signal ended it. */
  readonly ended: Promise<number | null>;

  constructor(command: string, args: readonly string[], options: SpawnOptions) {
    const leader = spawn(command, args, { ...options, detached: true });
    this.#leader = leader;
    this.ended = new Promise((done, fail) => {
      leader.on("error", fail);
      leader.on("exit", (code) => done(code));
    });
  }

  /** Sends a signal to all of it; false when nothing is left. */
  signal(signal: NodeJS.Signals): boolean {
    const { pid } = this.#leader;
    try {
      return pid !== undefined && process.kill(-pid, signal);
    } catch {
      return false; // ESRCH: the last of them has ended.
    }
  }

  /** Asks all of it to end, waits for the command, and kills whoever is left then. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.signal(signal);
    const late = setTimeout(() => this.signal("SIGKILL"), endMsMax);
    await this.ended;
    clearTimeout(late);
    this.signal("SIGKILL");
  }
}
