// Ends what the service started when the service itself dies without a chance to act: a tiny shell in
// its own session reads process groups from a pipe and kills all of them when the pipe ends, stopped
// ones included. It also removes the service's temporary folder.

import { type ChildProcess, spawn } from "node:child_process";

/**
 * `add N` and `del N` lines keep a list; at the end of input every group of the list is killed. The
 * folder to remove is an argument, never text of the script.
 */
const SCRIPT = `
trap '' HUP INT TERM
groups=" "
while read -r verb group; do
  case "$verb" in
    add) groups="$groups$group " ;;
    del) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -9 "-$group" 2>/dev/null; done
rm -rf -- "$1"
`;

/** Guards process groups until it is closed or its parent dies. */
export class Watchdog {
  readonly #shell: ChildProcess;

  /** Starts the shell. `directory` is removed when the watch ends, however it ends. */
  constructor(directory: string) {
    this.#shell = spawn("/bin/sh", ["-c", SCRIPT, "infinicache-watchdog", directory], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      env: { PATH: "/usr/bin:/bin" },
    });
    // A watchdog that cannot run leaves the parent-death signal as the only guard; nothing else breaks.
    this.#shell.on("error", () => {});
    this.#shell.stdin?.on("error", () => {});
    this.#shell.unref();
  }

  /** Watches a process group. */
  add(group: number): void {
    this.#shell.stdin?.write(`add ${group}\n`);
  }

  /** Forgets a group that has ended, before its number can belong to another. */
  remove(group: number): void {
    this.#shell.stdin?.write(`del ${group}\n`);
  }

  /** Ends the watch: kills what is left and removes the folder. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#shell.exitCode !== null || this.#shell.pid === undefined) return resolve();
      this.#shell.ref();
      this.#shell.once("exit", () => resolve());
      this.#shell.stdin?.end();
    });
  }
}
