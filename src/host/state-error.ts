// What can go wrong with a state directory, in words that say what to do. It never reveals what is stored.

/** Why the state cannot be used. */
export type StateReason = "inUse" | "noPermission" | "diskFull" | "newer" | "broken";

/** The state directory cannot be used; `message` says what to do about it. */
export class StateError extends Error {
  override readonly name = "StateError";
  readonly reason: StateReason;

  constructor(reason: StateReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** SQLite's primary result codes, of those that mean something to an operator. */
const SQLITE = { PERM: 3, BUSY: 5, READONLY: 8, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 };

/** True when SQLite says that what it read is no good database. */
export function isDamage(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE.CORRUPT || code === SQLITE.NOTADB;
}

/** True when another connection holds the database. */
export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === SQLITE.BUSY;
}

/** A StateError for what the file system or SQLite threw while working in `directory`. */
export function stateError(error: unknown, directory: string): StateError {
  if (error instanceof StateError) return error;
  const cause = { cause: error };
  const system = systemCode(error);
  const code = sqliteCode(error);
  if (
    system === "EACCES" ||
    system === "EPERM" ||
    code === SQLITE.PERM ||
    code === SQLITE.CANTOPEN
  ) {
    const hint = "give this user write permission, or name another --state directory";
    return new StateError("noPermission", `cannot write in ${directory}: ${hint}`, cause);
  }
  if (system === "EROFS" || code === SQLITE.READONLY) {
    const hint = "it is read-only; name another --state directory";
    return new StateError("noPermission", `cannot write in ${directory}: ${hint}`, cause);
  }
  if (system === "ENOSPC" || system === "EDQUOT" || code === SQLITE.FULL) {
    const hint = "free some space and start the proxy again; nothing unacknowledged was recorded";
    return new StateError("diskFull", `the disk of ${directory} is full: ${hint}`, cause);
  }
  const text = error instanceof Error ? error.message : String(error);
  return new StateError("broken", `the state in ${directory} cannot be used: ${text}`, cause);
}

function systemCode(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}

function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !("errcode" in error)) return null;
  // The upper bits make the code more specific than anything here needs.
  return typeof error.errcode === "number" ? error.errcode & 0xff : null;
}
