// The commands about keys: DEL, EXISTS, TYPE, TTL, SCAN, DBSIZE, FLUSHALL and their kin. Every object is a "string"
// to Redis clients.

import { describe } from "../../read.ts";
import {
  type Argument,
  type CommandContext,
  type CommandRow,
  ERRORS,
  integerArgument,
  keyPrefix,
  objectKey,
  ReplyError,
  runSubcommand,
  word,
} from "../command.ts";
import { literalPrefix, matchesGlob } from "../glob.ts";
import { visiblePrefix } from "../permission.ts";
import { bulk, bulks, integer, NULL, OK, type Reply } from "../reply.ts";
import { eachAtOnce } from "./objects.ts";

/** Keys looked at by one SCAN when the client names no COUNT; redis-server has the same. */
const SCAN_COUNT_DEFAULT = 10;
/** Keys looked at by one SCAN at most, whatever COUNT says. */
const SCAN_COUNT_MAX = 10_000;

/** How many of the keys `act` is true for; a key named twice counts twice. */
function countEach(act: (context: CommandContext, key: string) => Promise<boolean>) {
  return async (context: CommandContext, args: readonly Argument[]): Promise<Reply> => {
    const keys = args.slice(1).map((argument) => objectKey(context.server, argument));
    let count = 0;
    await eachAtOnce(keys, async (key) => {
      if (await act(context, key)) count += 1;
    });
    return integer(count);
  };
}

const remove = countEach(({ server, reading }, key) =>
  server.cache.delete(key, { signal: reading.gone.signal }),
);
const exists = countEach(async ({ reading }, key) => (await describe(reading, key)).kind === "hit");

async function type(context: CommandContext, args: readonly Argument[]): Promise<Reply> {
  const found = await describe(context.reading, objectKey(context.server, args[1]));
  return { kind: "simple", text: found.kind === "hit" ? "string" : "none" };
}

/** -2: no object; -1: it never expires; else what `tell` makes of its time. */
function expiry(tell: (expiresAtMs: number, nowMs: number) => number) {
  return async (context: CommandContext, args: readonly Argument[]): Promise<Reply> => {
    const found = await describe(context.reading, objectKey(context.server, args[1]));
    if (found.kind === "miss") return integer(-2);
    const { expiresAt } = found.object;
    if (expiresAt === null) return integer(-1);
    return integer(Math.max(0, tell(expiresAt.getTime(), context.server.wallClock.now())));
  };
}

interface ScanOptions {
  readonly pattern: string | null;
  readonly count: number;
  readonly isOtherType: boolean;
}

const utf8 = new TextDecoder();

function scanOptions(args: readonly Argument[]): ScanOptions {
  let pattern: string | null = null;
  let count = SCAN_COUNT_DEFAULT;
  let isOtherType = false;
  for (let at = 2; at < args.length; at += 2) {
    const option = word(args[at]).toLowerCase();
    const value = args[at + 1];
    if (!(value instanceof Uint8Array)) throw new ReplyError(ERRORS.syntax);
    if (option === "match") pattern = utf8.decode(value);
    else if (option === "type") isOtherType = word(value).toLowerCase() !== "string";
    else if (option === "count") {
      count = integerArgument(value);
      if (count < 1) throw new ReplyError(ERRORS.syntax);
    } else throw new ReplyError(ERRORS.syntax);
  }
  return { pattern, count: Math.min(count, SCAN_COUNT_MAX), isOtherType };
}

async function scan(context: CommandContext, args: readonly Argument[]): Promise<Reply> {
  const { server, reading } = context;
  const text = word(args[1]);
  const after = server.cursors.after(Number(text));
  const home = keyPrefix(server);
  // The cursors are everybody's: one of another namespace is none.
  const isHere = after?.startsWith(visiblePrefix(context, home)) === true;
  if (!/^\d+$/.test(text) || (text !== "0" && !isHere)) {
    throw new ReplyError(ERRORS.cursor);
  }
  const { pattern, count, isOtherType } = scanOptions(args);
  const wanted = home + (pattern === null ? "" : literalPrefix(pattern));
  const prefix = visiblePrefix(context, wanted);
  const from = after === undefined ? {} : { after };
  const found: string[] = [];
  let seen = 0;
  let last: string | null = null;
  for await (const { key } of server.cache.list({ prefix, signal: reading.gone.signal, ...from })) {
    if (seen === count) {
      return { kind: "array", items: [bulk(`${server.cursors.open(last ?? key)}`), bulks(found)] };
    }
    seen += 1;
    last = key;
    const name = key.slice(home.length);
    if (!isOtherType && (pattern === null || matchesGlob(pattern, name))) found.push(name);
  }
  return { kind: "array", items: [bulk("0"), bulks(found)] };
}

async function size(context: CommandContext): Promise<Reply> {
  const { server, reading } = context;
  const prefix = visiblePrefix(context, keyPrefix(server));
  if (prefix === "") return integer(server.status().objects);
  let count = 0;
  for await (const row of server.cache.list({ prefix, signal: reading.gone.signal })) {
    if (row.key !== "") count += 1;
  }
  return integer(count);
}

async function flush(context: CommandContext, args: readonly Argument[]): Promise<Reply> {
  const mode = word(args[1]).toLowerCase();
  if (args.length > 2 || (args.length === 2 && mode !== "async" && mode !== "sync")) {
    throw new ReplyError(ERRORS.syntax);
  }
  const { server, reading } = context;
  const prefix = visiblePrefix(context, keyPrefix(server));
  await server.cache.clear(prefix, { signal: reading.gone.signal });
  return OK;
}

const MEMORY = {
  usage: {
    arity: -3,
    async run(context: CommandContext, args: readonly Argument[]): Promise<Reply> {
      const found = await describe(context.reading, objectKey(context.server, args[2]));
      return found.kind === "hit" ? integer(found.object.bytes) : NULL;
    },
  },
};

const READS = ["readonly", "fast"];

/** The rows of this file. */
export const KEY_COMMANDS: readonly CommandRow[] = [
  {
    name: "del",
    arity: -2,
    access: "write",
    flags: ["write"],
    keys: [1, -1, 1],
    summary: "Deletes objects.",
    run: remove,
  },
  {
    name: "unlink",
    arity: -2,
    access: "write",
    flags: ["write", "fast"],
    keys: [1, -1, 1],
    summary: "Deletes objects.",
    run: remove,
  },
  {
    name: "exists",
    arity: -2,
    access: "read",
    flags: READS,
    keys: [1, -1, 1],
    summary: "Counts objects that are there.",
    run: exists,
  },
  {
    name: "type",
    arity: 2,
    access: "read",
    flags: READS,
    keys: [1, 1, 1],
    summary: "Whether there is an object.",
    run: type,
  },
  {
    name: "ttl",
    arity: 2,
    access: "read",
    flags: READS,
    keys: [1, 1, 1],
    summary: "Seconds until an object expires.",
    run: expiry((at, now) => Math.round((at - now) / 1_000)),
  },
  {
    name: "pttl",
    arity: 2,
    access: "read",
    flags: READS,
    keys: [1, 1, 1],
    summary: "Milliseconds until an object expires.",
    run: expiry((at, now) => Math.ceil(at - now)),
  },
  {
    name: "expiretime",
    arity: 2,
    access: "read",
    flags: READS,
    keys: [1, 1, 1],
    summary: "When an object expires, in seconds since 1970.",
    run: expiry((at) => Math.round(at / 1_000)),
  },
  {
    name: "pexpiretime",
    arity: 2,
    access: "read",
    flags: READS,
    keys: [1, 1, 1],
    summary: "When an object expires, in milliseconds since 1970.",
    run: expiry((at) => at),
  },
  {
    name: "scan",
    arity: -2,
    access: "read",
    flags: ["readonly"],
    keys: [0, 0, 0],
    summary: "Lists keys, page by page.",
    run: scan,
  },
  {
    name: "dbsize",
    arity: 1,
    access: "read",
    flags: READS,
    keys: [0, 0, 0],
    summary: "Counts all objects.",
    run: size,
  },
  {
    name: "flushall",
    arity: -1,
    access: "write",
    flags: ["write"],
    keys: [0, 0, 0],
    summary: "Deletes all objects.",
    run: flush,
  },
  {
    name: "flushdb",
    arity: -1,
    access: "write",
    flags: ["write"],
    keys: [0, 0, 0],
    summary: "Deletes all objects.",
    run: flush,
  },
  {
    name: "memory",
    arity: -2,
    access: "read",
    flags: ["readonly"],
    keys: [2, 2, 1],
    summary: "The bytes of an object.",
    run: (context, args) => runSubcommand("memory", MEMORY, context, args),
  },
];
