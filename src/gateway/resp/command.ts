// What a command is: a row of the table with its name, arity, flags and handler, and what handlers are given.
// Handlers speak to the cache only; they know neither sockets nor the order of pipelines.

import type { Cache } from "../../client/api.ts";
import type { Access, Grant } from "../../core/access.ts";
import { KEY_BYTES_MAX, keyFault } from "../../core/ids.ts";
import type { Clock, WallClock } from "../../core/ports.ts";
import type { ProxyStatus } from "../../core/status.ts";
import type { ReadContext } from "../read.ts";
import type { CursorTable } from "./cursors.ts";
import type { ProtocolVersion, Reply } from "./reply.ts";

/** An argument too large to be joined; its body can be read once. */
export interface LargeArgument {
  readonly kind: "large";
  readonly bytes: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** An argument of a command, the name of the command being the first. */
export type Argument = Uint8Array | LargeArgument;

/** What all connections of a server share. */
export interface ServerContext {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  /** What tokens stand for; null: everybody is trusted. */
  readonly access: Access | null;
  /** Prepended to every key with a slash; null: keys are as they are. */
  readonly namespace: string | null;
  readonly version: string;
  status(): ProxyStatus;
  readonly cursors: CursorTable;
  readonly counters: {
    connections: number;
    commands: number;
    clients: number;
    startedAtMs: number;
  };
}

/** What a connection remembers. */
export interface ConnectionState {
  readonly id: number;
  /** host:port of the other side. */
  readonly address: string;
  protocol: ProtocolVersion;
  /** What it may do; null: it has not authenticated, or its token has expired. */
  grant: Grant | null;
  name: string;
  library: string;
  libraryVersion: string;
  /** Set by QUIT: no further command is read. */
  isEnding: boolean;
}

/** What a handler is given. */
export interface CommandContext {
  readonly server: ServerContext;
  readonly connection: ConnectionState;
  readonly reading: ReadContext;
}

/** A row of the command table. */
export interface CommandRow {
  /** In lower case. */
  readonly name: string;
  /** Arguments with the name: exactly so many, or at least so many when negative. */
  readonly arity: number;
  /**
   * `connection`: answers at once. `read`: may run ahead of the answers before it. `write`: waits for all before it,
   * and all behind it wait.
   */
  readonly access: "connection" | "read" | "write";
  /** As COMMAND INFO tells them. */
  readonly flags: readonly string[];
  /** First key, last key (negative: from the end), step. */
  readonly keys: readonly [first: number, last: number, step: number];
  /** One sentence for COMMAND DOCS. */
  readonly summary: string;
  /** True: allowed before authentication. */
  readonly isOpen?: boolean;
  /** With so many arguments, the index of the one that is handed on as it arrives; else large ones are held. */
  readonly streamedArgument?: (argumentCount: number) => number | null;
  run(context: CommandContext, args: readonly Argument[]): Reply | Promise<Reply>;
}

/** A handler's way to answer with an error; the text begins with its class. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
}

/** Errors that clients match on, as redis-server 7 words them. */
export const ERRORS = {
  syntax: "ERR syntax error",
  notInteger: "ERR value is not an integer or out of range",
  noAuth: "NOAUTH Authentication required.",
  wrongPassword: "WRONGPASS invalid username-password pair or user is disabled.",
  noPassword:
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
  helloNoAuth:
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
  noProtocol: "NOPROTO unsupported protocol version",
  protocolNotInteger: "ERR Protocol version is not an integer or out of range",
  clientName: "ERR Client names cannot contain spaces, newlines or special characters.",
  indexRange: "ERR DB index is out of range",
  cursor: "ERR invalid cursor",
  arity: (name: string) => `ERR wrong number of arguments for '${name}' command`,
  expireTime: (name: string) => `ERR invalid expire time in '${name}' command`,
  unknownSubcommand: (sub: string, name: string) =>
    `ERR unknown subcommand '${sub.slice(0, 128)}'. Try ${name.toUpperCase()} HELP.`,
  unsupported: (what: string) => `ERR ICACHE_INVALID ${what} is not supported by this server`,
} as const;

const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** An option word or a name; a large argument is none. */
export function word(argument: Argument | undefined): string {
  return argument instanceof Uint8Array ? latin1.decode(argument) : "";
}

/** The key of an object in the cache. Keys are UTF-8: other bytes could not be told apart in listings. */
export function objectKey(server: ServerContext, argument: Argument | undefined): string {
  if (!(argument instanceof Uint8Array) || argument.length > KEY_BYTES_MAX) {
    throw new ReplyError(`ERR ICACHE_TOO_LARGE a key may have ${KEY_BYTES_MAX} bytes at most`);
  }
  let text: string;
  try {
    text = utf8.decode(argument);
  } catch {
    throw new ReplyError("ERR ICACHE_INVALID a key must be UTF-8");
  }
  const fault = text === "" ? keyFault(text) : keyFault(keyPrefix(server) + text);
  if (fault !== null) throw new ReplyError(`ERR ICACHE_INVALID ${fault}`);
  return keyPrefix(server) + text;
}

/** What stands before every key of this server. */
export function keyPrefix(server: ServerContext): string {
  return server.namespace === null ? "" : `${server.namespace}/`;
}

/** A whole number as redis-server reads it. */
export function integerArgument(argument: Argument | undefined): number {
  const text = word(argument);
  const value = Number(text);
  if (!/^(?:0|-?[1-9]\d*)$/.test(text) || !Number.isSafeInteger(value)) {
    throw new ReplyError(ERRORS.notInteger);
  }
  return value;
}

/** The bytes of an argument that cannot be a large one here. */
export function wholeArgument(argument: Argument | undefined): Uint8Array {
  if (argument instanceof Uint8Array) return argument;
  throw new ReplyError("ERR ICACHE_TOO_LARGE this argument is too large for this command");
}

/** A command of two words, by its second word. */
export interface Subcommand {
  readonly arity: number;
  run(context: CommandContext, args: readonly Argument[]): Reply | Promise<Reply>;
}

/** Runs the subcommand that the second argument names. */
export function runSubcommand(
  name: string,
  table: Readonly<Record<string, Subcommand>>,
  context: CommandContext,
  args: readonly Argument[],
): Reply | Promise<Reply> {
  const given = word(args[1]);
  const sub = given.toLowerCase();
  const row = Object.hasOwn(table, sub) ? table[sub] : undefined;
  if (row === undefined) throw new ReplyError(ERRORS.unknownSubcommand(given, name));
  if (!fitsArity(row.arity, args.length)) throw new ReplyError(ERRORS.arity(`${name}|${sub}`));
  return row.run(context, args);
}

/** True when so many arguments suit an arity. */
export function fitsArity(arity: number, count: number): boolean {
  return arity >= 0 ? count === arity : count >= -arity;
}
