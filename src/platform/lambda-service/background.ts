// Instances run in the background of the machine: who serves and who asks come first, for one of them at work keeps the
// proxy and its clients waiting. Besides the process its scheduling group is told, where Linux gives each session one:
// between sessions the priority of a process alone counts for nothing there (sched(7), "The autogroup feature").

import { existsSync, writeFileSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/** What instances have beyond the nice value of this process: beside it they get a ninth of what it gets. */
const BACKGROUND_NICE = 10;
/** No value is above. */
const NICE_MAX = 19;

/** Linux lets processes without privileges change ten groups a second. */
const RETRY_MS = 110;

/** What is done to a process; an error's `code` is the system's. */
export interface BackgroundMeans {
  readonly setProcess: (pid: number, nice: number) => void;
  /** Null where the system has no such groups. */
  readonly setGroup: ((pid: number, nice: number) => void) | null;
  readonly later: (act: () => void, ms: number) => void;
}

const SYSTEM: BackgroundMeans = {
  setProcess: setPriority,
  setGroup: existsSync("/proc/self/autogroup")
    ? (pid, nice) => writeFileSync(`/proc/${pid}/autogroup`, String(nice))
    : null,
  later: (act, ms) => void setTimeout(act, ms).unref(),
};

/** Puts processes into the background, as far as the system allows: what it refuses stays as it is. */
export class Background {
  /** The nice value that they are given. */
  readonly nice: number;
  readonly #means: BackgroundMeans;
  #isDue = false;
  /** Whose group is still to be told. */
  readonly #waiting = new Set<number>();

  constructor(means: BackgroundMeans = SYSTEM, ownNice = getPriority()) {
    this.#means = means;
    this.nice = Math.min(NICE_MAX, ownNice + BACKGROUND_NICE);
  }

  /** A process that leads a session of its own. */
  add(pid: number): void {
    try {
      this.#means.setProcess(pid, this.nice);
    } catch {
      // It has ended, or may not be told; its group is another matter.
    }
    if (this.#means.setGroup === null) return;
    this.#waiting.add(pid);
    if (!this.#isDue) this.#tell();
  }

  /** The process has ended: its number may soon be another's. */
  remove(pid: number): void {
    this.#waiting.delete(pid);
  }

  #tell(): void {
    this.#isDue = false;
    for (const pid of this.#waiting) {
      try {
        this.#means.setGroup?.(pid, this.nice);
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "EAGAIN") {
          this.#isDue = true;
          this.#means.later(() => this.#tell(), RETRY_MS);
          return;
        }
      }
      this.#waiting.delete(pid);
    }
  }
}
