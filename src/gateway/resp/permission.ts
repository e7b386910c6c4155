// What a connection's grant allows: asked once for each command, with all its keys, before it runs. Commands without
// keys see and touch the grant's namespace only.

import { FORBIDDEN, NO_GRANT, prefixWithin, refusalOf } from "../../core/access.ts";
import { type CommandContext, type CommandRow, ERRORS, objectKey, ReplyError } from "./command.ts";

const NO_PERMISSION = `NOPERM ${FORBIDDEN.code} ${FORBIDDEN.reason}`;

/** The text of the error, or null when the command may run. `args` may still be incomplete. */
export function refusalOfCommand(
  { server, connection }: CommandContext,
  row: CommandRow,
  args: readonly (Uint8Array | null)[],
): string | null {
  if (row.access === "connection") return null;
  const now = server.wallClock.now();
  const [first, last, step] = row.keys;
  const end = last < 0 ? args.length + last : last;
  const keys: (string | null)[] = [null];
  for (let at = first; at > 0 && at <= end; at += step) {
    const argument = args[at];
    if (!(argument instanceof Uint8Array)) continue; // Absent, or too large for a key: the handler says so.
    try {
      keys.push(objectKey(server, argument));
    } catch (fault) {
      if (fault instanceof ReplyError) return fault.message;
      throw fault;
    }
  }
  for (const key of keys) {
    const refusal = refusalOf(connection.grant, row.access, key, now);
    if (refusal !== null) return refusal === NO_GRANT ? ERRORS.noAuth : NO_PERMISSION;
  }
  return null;
}

/** The part of the prefix that the connection may see. */
export function visiblePrefix({ connection }: CommandContext, prefix: string): string {
  if (connection.grant === null) throw new ReplyError(ERRORS.noAuth);
  const within = prefixWithin(connection.grant, prefix);
  if (within === null) throw new ReplyError(NO_PERMISSION);
  return within;
}
