// One process at a time in a state directory. The lock is the kernel's (through SQLite, on an empty file), so that it goes
// with the process however that dies; the text beside it only says whose it is.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isBusy, isDamage, StateError, stateError } from "./state-error.ts";

/** A held lock. */
export interface StateLock {
  /** Again: nothing. */
  release(): void;
}

/** Makes the directory where it is absent, and locks it; throws a StateError that names the holder. */
export function lockState(directory: string): StateLock {
  const owner = join(directory, "owner");
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const lock = new DatabaseSync(join(directory, "lock"), { timeout: 0 });
    try {
      // Nothing is ever written in this transaction, so the file stays empty.
      lock.exec("BEGIN EXCLUSIVE");
      writeFileSync(owner, `${process.pid}\n`);
    } catch (error) {
      lock.close();
      throw error;
    }
    return {
      release: () => {
        if (lock.isOpen) lock.close();
      },
    };
  } catch (error) {
    if (isBusy(error)) {
      const hint = "stop that one, or name another --state directory";
      throw new StateError("inUse", `${directory} is in use by process ${holder(owner)}: ${hint}`);
    }
    if (isDamage(error)) {
      const hint = `remove ${join(directory, "lock")}, which should be empty`;
      throw new StateError("broken", `${directory} cannot be locked: ${hint}`, { cause: error });
    }
    throw stateError(error, directory);
  }
}

function holder(owner: string): string {
  try {
    return readFileSync(owner, "latin1").trim() || "of unknown id";
  } catch {
    return "of unknown id";
  }
}
