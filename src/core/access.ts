// Who may do what: a token stands for a grant, a role within a namespace or in the whole pool, perhaps for a time.
// Pure rules only. A refusal never depends on what is stored, so it tells nobody whether a key exists.

import type { ErrorCode } from "./errors.ts";

/** `read-only` reads and lists; `read-write` changes as well; `admin` may take the pool's repairs in hand, too. */
export type Role = "read-only" | "read-write" | "admin";

/** What the holder of a token may do. */
export interface Grant {
  readonly role: Role;
  /** Keys that begin with it and a slash; null: all keys. */
  readonly namespace: string | null;
  /** Wall time; null: it never expires. */
  readonly expiresAtMs: number | null;
}

/** What is asked for: objects read or changed, the state of the whole pool, or work on everybody's objects. */
export type Deed = "read" | "write" | "inspect" | "maintain";

/** Why something is refused: the same text whatever is stored. */
export interface Refusal {
  readonly code: Extract<ErrorCode, "ICACHE_AUTH" | "ICACHE_DENIED">;
  readonly reason: string;
}

/** A token as it is known: never itself. */
export interface TokenEntry {
  /** Of the token's UTF-8, in hex. */
  readonly sha256: string;
  readonly grant: Grant;
}

/** Tells what a token stands for. */
export interface Access {
  /** Null: unknown, or expired. */
  identify(token: string, nowMs: number): Grant | null;
}

/** Of who needs no token. */
export const EVERYTHING: Grant = { role: "admin", namespace: null, expiresAtMs: null };

/** No token, a wrong one and an expired one are not told apart. */
export const NO_GRANT: Refusal = {
  code: "ICACHE_AUTH",
  reason: "the token is absent, wrong or expired",
};

/** The role, or the namespace, does not reach so far. */
export const FORBIDDEN: Refusal = {
  code: "ICACHE_DENIED",
  reason: "the token does not allow this",
};

/** Tokens by their digest: looking one up takes no time that tells of its bytes. */
export class TokenTable implements Access {
  readonly #grants = new Map<string, Grant>();
  readonly #sha256: (text: string) => string;

  /** `sha256` gives lower-case hex. */
  constructor(entries: readonly TokenEntry[], sha256: (text: string) => string) {
    this.#sha256 = sha256;
    for (const { sha256: digest, grant } of entries) this.#grants.set(digest.toLowerCase(), grant);
  }

  identify(token: string, nowMs: number): Grant | null {
    const grant = this.#grants.get(this.#sha256(token));
    return grant === undefined || isExpired(grant, nowMs) ? null : grant;
  }
}

/** True from the moment of its expiry on. */
export function isExpired(grant: Grant, nowMs: number): boolean {
  return grant.expiresAtMs !== null && nowMs >= grant.expiresAtMs;
}

/** Why the grant does not allow the deed, or null when it does. `key`: null for what names none. */
export function refusalOf(
  grant: Grant | null,
  deed: Deed,
  key: string | null,
  nowMs: number,
): Refusal | null {
  if (grant === null || isExpired(grant, nowMs)) return NO_GRANT;
  const { role, namespace } = grant;
  if (deed === "write" && role === "read-only") return FORBIDDEN;
  if (deed === "maintain" && role !== "admin") return FORBIDDEN;
  if (namespace === null) return null;
  if (deed === "inspect" || deed === "maintain") return FORBIDDEN;
  return key === null || key.startsWith(`${namespace}/`) ? null : FORBIDDEN;
}

/** The part of a prefix that lies within the grant's namespace: itself, or the whole namespace; null: nothing does. */
export function prefixWithin(grant: Grant, prefix: string): string | null {
  if (grant.namespace === null) return prefix;
  const home = `${grant.namespace}/`;
  if (prefix.startsWith(home)) return prefix;
  return home.startsWith(prefix) ? home : null;
}
