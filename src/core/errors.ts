// The errors that callers see: one family, one stable code each. A miss is not among them: it is a value.
// Broken invariants are AssertionErrors (see assert.ts) and never stand here.

/** Every stable code, with what the caller can do about it. */
export const ERROR_CODES = {
  ICACHE_INVALID: "An argument is out of range or malformed; nothing was sent.",
  ICACHE_PROTOCOL: "The other side broke the protocol; the connection was closed.",
  ICACHE_UNREACHABLE:
    "The proxy cannot be reached, or the connection was lost; a GET may be tried again.",
  ICACHE_DEADLINE: "The operation did not end by its deadline.",
  ICACHE_ABORTED: "The caller's signal aborted the operation.",
  ICACHE_CLOSED: "The client or proxy was closed.",
  ICACHE_SUPERSEDED:
    "Another proxy has taken over the pool of this one, which has left it; a change under way may or may not have taken effect.",
  ICACHE_POOL_FULL: "No room on enough distinct nodes, and nothing more may be evicted.",
  ICACHE_TOO_LARGE: "The object, key or metadata is above a limit.",
  ICACHE_EXISTS: "The object exists and the caller asked to create only.",
  ICACHE_AUTH: "The token is absent, wrong or expired.",
  ICACHE_DENIED: "The token's role does not allow this.",
  ICACHE_OVERLOADED: "A bound on concurrent work was reached; try again later.",
  ICACHE_SLOW_READER: "A stream was read below the minimum rate and was cut off.",
  ICACHE_ORIGIN:
    "The origin behind the cache failed or refused; what it holds is as it was, as far as is known.",
  ICACHE_OUTCOME_UNKNOWN:
    "The connection was lost while a change was under way; it may or may not have taken effect.",
  ICACHE_INTERNAL: "A fault of ours; please report it.",
} as const;

/** One of the stable codes. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** True for a string that is one of the stable codes. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}

/**
 * An operation failed for a reason the caller can act on; `code` is stable, `message` is for people.
 *
 * @example
 * try { await cache.put("k", body); } catch (error) {
 *   if (error instanceof CacheError && error.code === "ICACHE_POOL_FULL") await cache.delete("older");
 * }
 */
export class CacheError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CacheError";
    this.code = code;
  }
}
