// The files with tokens: the one by which a proxy knows its clients, and the one a client shows its own from. Both must
// be readable by their owner alone. What is wrong is told by file and entry; a token is never shown.

import { readFileSync, statSync } from "node:fs";
import { z } from "zod";
import { type Access, type TokenEntry, TokenTable } from "../core/access.ts";
import { sha256Hex } from "../host/node-hash.ts";
import { CommandError } from "./exit-codes.ts";
import type { Settings } from "./settings.ts";

/** Anybody but the owner. */
const OTHERS = 0o077;
const TOKEN = /^[!-~]{16,4096}$/;
const TOKEN_TEXT = "must be 16 to 4096 characters of ASCII without spaces";

const entrySchema = z
  .strictObject({
    token: z.string().regex(TOKEN, TOKEN_TEXT).optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/i, "must be the token's SHA-256, 64 digits of hex")
      .optional(),
    role: z.enum(["read-only", "read-write", "admin"], {
      error: "must be read-only, read-write or admin",
    }),
    namespace: z
      .string()
      .regex(/^(?!\.\.?$)[^/\0]{1,255}$/, "must be what stands before the first slash of keys")
      .optional(),
    expires: z.iso
      .datetime({ offset: true, error: "must be a time such as 2030-01-31T00:00:00Z" })
      .optional(),
  })
  .refine(({ token, sha256 }) => (token === undefined) !== (sha256 === undefined), {
    error: "needs either a token or its sha256",
  })
  .refine(({ role, namespace }) => role !== "admin" || namespace === undefined, {
    error: "an admin is one of the whole pool: leave out the namespace, or say read-write",
  });

/** The tokens of a file; throws a CommandError that says which entries are wrong. */
export function readTokens(path: string): Access {
  let content: unknown;
  try {
    content = JSON.parse(readPrivate(path));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CommandError("usage", `${path}: must be JSON`); // The system's text would quote from it.
  }
  if (!Array.isArray(content) || content.length === 0)
    throw new CommandError("usage", `${path}: must be a list of tokens in JSON, with one at least`);
  const problems: string[] = [];
  const entries = new Map<string, TokenEntry>();
  content.forEach((each: unknown, index) => {
    const place = `${path}: entry ${index + 1}`;
    const parsed = entrySchema.safeParse(each);
    if (!parsed.success) {
      problems.push(...parsed.error.issues.map((issue) => `${place}: ${problemOf(issue)}`));
      return;
    }
    const { token, sha256 = sha256Hex(token ?? ""), role, namespace, expires } = parsed.data;
    const digest = sha256.toLowerCase();
    if (entries.has(digest)) problems.push(`${place}: the same token stands there before`);
    const grant = {
      role,
      namespace: namespace ?? null,
      expiresAtMs: expires === undefined ? null : Date.parse(expires),
    };
    entries.set(digest, { sha256: digest, grant });
  });
  if (problems.length > 0) throw new CommandError("usage", problems.join("\n"));
  return new TokenTable([...entries.values()], sha256Hex);
}

/** Names of unknown fields are not repeated: one of them may be a token in the wrong place. */
function problemOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys")
    return "has a field that is none of token, sha256, role, namespace and expires";
  const field = issue.path.join(".");
  return field === "" ? issue.message : `${field}: ${issue.message}`;
}

/** What this process shows as a client: its setting, or what stands in the file; empty: nothing. */
export function ownToken({ token, tokenFile }: Pick<Settings, "token" | "tokenFile">): string {
  if (token !== "" || tokenFile === "none") return token;
  const text = readPrivate(tokenFile).trim();
  if (TOKEN.test(text)) return text;
  throw new CommandError("usage", `${tokenFile}: must hold one token: it ${TOKEN_TEXT}`);
}

function readPrivate(path: string): string {
  const text = readFileSync(path, "utf8");
  if ((statSync(path).mode & OTHERS) === 0) return text;
  throw new CommandError(
    "usage",
    `${path}: holds secrets and can be reached by others: chmod 600 ${path}`,
  );
}
