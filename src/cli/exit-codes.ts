// How the command ends, as numbers that scripts can rely on, and which error leads to which.
// The table is printed by `infinicache help exit-codes` and stands in docs/commands.md.

import { CacheError, type ErrorCode } from "../core/errors.ts";
import { StateError, type StateReason } from "../host/state-error.ts";

/** Every exit code, with what it means. */
export const EXIT_CODES = {
  ok: { code: 0, meaning: "it did what was asked" },
  absent: { code: 1, meaning: "the object is not there (a miss), or there was nothing to act on" },
  usage: { code: 2, meaning: "the command, a setting or an argument is wrong; nothing was done" },
  unreachable: { code: 3, meaning: "no proxy or service answers at the address" },
  refused: {
    code: 4,
    meaning:
      "refused: no room, too large, it exists already, not allowed, or a port or the state folder is taken",
  },
  deadline: { code: 5, meaning: "not done by the deadline, or the outcome is unknown" },
  input: { code: 6, meaning: "a local file cannot be read or written" },
  different: { code: 7, meaning: "bytes came back other than they were stored" },
  superseded: { code: 8, meaning: "another proxy has taken over the pool; do not start it again" },
  internal: { code: 70, meaning: "a fault of ours; please report it" },
  interrupted: { code: 130, meaning: "interrupted by a signal before it was done" },
} as const;

/** The name of an exit code. */
export type ExitName = keyof typeof EXIT_CODES;

/** A command cannot go on; `exit` says how the process ends, `message` is for people. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exit: ExitName;

  constructor(exit: ExitName, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exit = exit;
  }
}

const BY_CACHE_ERROR: Readonly<Record<ErrorCode, ExitName>> = {
  ICACHE_INVALID: "usage",
  ICACHE_PROTOCOL: "unreachable",
  ICACHE_UNREACHABLE: "unreachable",
  ICACHE_DEADLINE: "deadline",
  ICACHE_ABORTED: "interrupted",
  ICACHE_CLOSED: "unreachable",
  ICACHE_SUPERSEDED: "superseded",
  ICACHE_POOL_FULL: "refused",
  ICACHE_TOO_LARGE: "refused",
  ICACHE_EXISTS: "refused",
  ICACHE_AUTH: "refused",
  ICACHE_DENIED: "refused",
  ICACHE_OVERLOADED: "refused",
  ICACHE_SLOW_READER: "deadline",
  ICACHE_ORIGIN: "refused",
  ICACHE_OUTCOME_UNKNOWN: "deadline",
  ICACHE_INTERNAL: "internal",
};

const BY_STATE: Readonly<Record<StateReason, ExitName>> = {
  inUse: "refused",
  noPermission: "input",
  diskFull: "input",
  newer: "usage",
  broken: "input",
};

/** How the process ends after this error. */
export function exitOf(error: unknown): ExitName {
  if (error instanceof CommandError) return error.exit;
  if (error instanceof CacheError) return BY_CACHE_ERROR[error.code];
  if (error instanceof StateError) return BY_STATE[error.reason];
  if (isFileError(error)) return "input";
  return "internal";
}

/** What the error says to a person: a file's path with what is wrong there, not the system call that failed. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!isFileError(error) || !("path" in error)) return error.message;
  return `${error.path}: ${FILE_ERRORS[String(error.code)]}`;
}

const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EACCES: "not allowed",
  EPERM: "not allowed",
  EISDIR: "is a folder",
  ENOTDIR: "a part of the path is no folder",
  ENOSPC: "the disk is full",
  EROFS: "the disk is read-only",
  EDQUOT: "the disk's quota is used up",
};

/** An error of the file system, which is the user's to mend. */
function isFileError(error: unknown): error is Error & { readonly code: unknown } {
  return error instanceof Error && "code" in error && String(error.code) in FILE_ERRORS;
}

/** Nobody answers at an address, or there is no way to it. */
export function isNetworkError(error: unknown): error is Error {
  if (!(error instanceof Error) || !("code" in error)) return false;
  const codes = ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "ETIMEDOUT"];
  return codes.includes(String(error.code));
}
