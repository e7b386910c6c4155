// The commands that store and read objects: SET and its kin, GET, MGET, MSET, GETRANGE, STRLEN.
// Options whose promise the cache cannot keep (XX, GET, KEEPTTL) are refused, never half done.

import type { PutOptions } from "../../../client/api.ts";
import { collect, describe, type OpenRead, openPart, openRead, STREAM_MS_MAX } from "../../read.ts";
import {
  type Argument,
  type CommandContext,
  type CommandRow,
  ERRORS,
  integerArgument,
  objectKey,
  ReplyError,
  word,
} from "../command.ts";
import { WHOLE_BYTES_MAX } from "../parser.ts";
import { bulk, integer, NULL, OK, type Reply } from "../reply.ts";

/** How many objects one MSET or MGET has under way at once. */
const OBJECTS_AT_ONCE = 8;

interface SetOptions {
  /** Null: never. At or below 0: the time is over already. */
  readonly ttlMs: number | null;
  readonly isCreateOnly: boolean;
}

const ALWAYS: SetOptions = { ttlMs: null, isCreateOnly: false };

/** True when it was stored; false when there was one and only creation was wanted. */
async function store(
  context: CommandContext,
  key: string,
  value: Argument,
  options: SetOptions,
): Promise<boolean> {
  const { cache } = context.server;
  const { signal } = context.reading.gone;
  if (options.ttlMs !== null && options.ttlMs <= 0) {
    // Stored and expired at once, seen from outside: the old object is gone.
    if (options.isCreateOnly && (await cache.has(key, { signal }))) return false;
    await cache.delete(key, { signal });
    return true;
  }
  const isLarge = !(value instanceof Uint8Array);
  const put: PutOptions = {
    signal,
    ...(isLarge ? { deadlineMs: STREAM_MS_MAX } : {}),
    ...(options.ttlMs === null ? {} : { ttlMs: options.ttlMs }),
    ...(options.isCreateOnly ? { ifAbsent: true } : {}),
  };
  const result = await cache.put(key, isLarge ? value.body : value, put);
  return result.kind === "stored";
}

/** The options of SET behind the value. */
function setOptions(context: CommandContext, args: readonly Argument[]): SetOptions {
  let ttlMs: number | null = null;
  let hasExpiry = false;
  let isCreateOnly = false;
  const refused = new Set<string>();
  for (let at = 3; at < args.length; at += 1) {
    const option = word(args[at]).toLowerCase();
    if (option === "nx") {
      isCreateOnly = true;
    } else if (option === "xx" || option === "get" || option === "keepttl") {
      refused.add(option);
    } else if (/^[ep]x(?:at)?$/.test(option) && !hasExpiry && at + 1 < args.length) {
      ttlMs = timeToLive(context, "set", option, args[at + 1]);
      hasExpiry = true;
      at += 1;
    } else {
      throw new ReplyError(ERRORS.syntax);
    }
  }
  if ((isCreateOnly && refused.has("xx")) || (hasExpiry && refused.has("keepttl"))) {
    throw new ReplyError(ERRORS.syntax);
  }
  for (const option of refused) {
    throw new ReplyError(ERRORS.unsupported(`SET with ${option.toUpperCase()}`));
  }
  return { ttlMs, isCreateOnly };
}

/** `ex`, `px`: from now; `exat`, `pxat`: a time of day, which may be over. */
function timeToLive(
  context: CommandContext,
  command: string,
  unit: string,
  argument: Argument | undefined,
): number {
  const value = integerArgument(argument);
  const ms = unit.startsWith("p") ? value : value * 1_000;
  const now = context.server.wallClock.now();
  if (value <= 0 || !Number.isSafeInteger(ms + Math.ceil(now))) {
    throw new ReplyError(ERRORS.expireTime(command));
  }
  return unit.endsWith("at") ? Math.ceil(ms - now) : ms;
}

async function set(context: CommandContext, args: readonly Argument[]): Promise<Reply> {
  const options = args.length === 3 ? ALWAYS : setOptions(context, args);
  const isStored = await store(context, objectKey(context.server, args[1]), args[2]!, options);
  return isStored ? OK : NULL;
}

function setFor(unit: "ex" | "px", name: string): CommandRow["run"] {
  return async (context, args) => {
    const ttlMs = timeToLive(context, name, unit, args[2]);
    const key = objectKey(context.server, args[1]);
    await store(context, key, args[3]!, { ttlMs, isCreateOnly: false });
    return OK;
  };
}

async function setIfAbsent(context: CommandContext, args: readonly Argument[]): Promise<Reply> {
  const key = objectKey(context.server, args[1]);
  const isStored = await store(context, key, args[2]!, { ttlMs: null, isCreateOnly: true });
  return integer(isStored ? 1 : 0);
}

/** Not atomic: each object is stored by itself. The first failure is the answer. */
async function setMany(context: CommandContext, args: readonly Argument[]): Promise<Reply> {
  if (args.length % 2 === 0) throw new ReplyError(ERRORS.arity("mset"));
  // A later value of the same key wins, so each key is stored once.
  const values = new Map<string, Argument>();
  for (let at = 1; at < args.length; at += 2) {
    values.set(objectKey(context.server, args[at]), args[at + 1]!);
  }
  await eachAtOnce([...values], async ([key, value]) => {
    await store(context, key, value, ALWAYS);
  });
  return OK;
}

/** The object as a reply: small ones whole, large ones as they come. */
async function valueReply(read: OpenRead): Promise<Reply> {
  const bytes = read.end - read.start;
  if (bytes > WHOLE_BYTES_MAX) return { kind: "stream", bytes, body: read.body };
  const whole = await collect(read);
  return whole === null ? NULL : { kind: "bulk", bytes: whole };
}

async function get(context: CommandContext, args: readonly Argument[]): Promise<Reply> {
  const read = await openRead(context.reading, objectKey(context.server, args[1]));
  return read.kind === "miss" ? NULL : await valueReply(read);
}

function getMany(context: CommandContext, args: readonly Argument[]): Reply {
  const keys = args.slice(1).map((argument) => objectKey(context.server, argument));
  return { kind: "items", count: keys.length, items: readEach(context, keys) };
}

/** One after the other: each may be large, and what is read ahead would have to be held. */
async function* readEach(
  context: CommandContext,
  keys: readonly string[],
): AsyncGenerator<Reply, void> {
  for (const key of keys) {
    const read = await openRead(context.reading, key);
    yield read.kind === "miss" ? NULL : await valueReply(read);
  }
}

async function getRange(context: CommandContext, args: readonly Argument[]): Promise<Reply> {
  const first = integerArgument(args[2]);
  const last = integerArgument(args[3]);
  const key = objectKey(context.server, args[1]);
  const read = await openPart(context.reading, key, (bytes) => {
    const start = Math.max(0, first < 0 ? bytes + first : first);
    const end = Math.min(bytes, (last < 0 ? Math.max(0, bytes + last) : last) + 1);
    // Both before the beginning, in the wrong order: redis-server answers nothing, not the first byte.
    const isEmpty = start >= end || (first < 0 && last < 0 && first > last);
    return isEmpty ? null : { start, end };
  });
  return read.kind === "hit" ? await valueReply(read) : bulk("");
}

async function length(context: CommandContext, args: readonly Argument[]): Promise<Reply> {
  const found = await describe(context.reading, objectKey(context.server, args[1]));
  return integer(found.kind === "hit" ? found.object.bytes : 0);
}

/** Runs `act` over the items, `OBJECTS_AT_ONCE` at a time; rejects with the first failure once none is under way. */
export async function eachAtOnce<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  let failure: { readonly error: unknown } | null = null;
  const worker = async () => {
    for (const item of rest) {
      if (failure !== null) return;
      try {
        await act(item);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: OBJECTS_AT_ONCE }, worker));
  const failed = failure as { readonly error: unknown } | null;
  if (failed !== null) throw failed.error;
}

const WRITES = ["write", "denyoom"];
const READS = ["readonly"];
const onlyWhen = (count: number, index: number) => (given: number) =>
  given === count ? index : null;

/** The rows of this file. */
export const OBJECT_COMMANDS: readonly CommandRow[] = [
  {
    name: "set",
    arity: -3,
    access: "write",
    flags: WRITES,
    keys: [1, 1, 1],
    summary: "Stores an object.",
    streamedArgument: onlyWhen(3, 2),
    run: set,
  },
  {
    name: "setex",
    arity: 4,
    access: "write",
    flags: WRITES,
    keys: [1, 1, 1],
    summary: "Stores an object for so many seconds.",
    streamedArgument: onlyWhen(4, 3),
    run: setFor("ex", "setex"),
  },
  {
    name: "psetex",
    arity: 4,
    access: "write",
    flags: WRITES,
    keys: [1, 1, 1],
    summary: "Stores an object for so many milliseconds.",
    streamedArgument: onlyWhen(4, 3),
    run: setFor("px", "psetex"),
  },
  {
    name: "setnx",
    arity: 3,
    access: "write",
    flags: WRITES,
    keys: [1, 1, 1],
    summary: "Stores an object if there is none.",
    streamedArgument: onlyWhen(3, 2),
    run: setIfAbsent,
  },
  {
    name: "mset",
    arity: -3,
    access: "write",
    flags: WRITES,
    keys: [1, -1, 2],
    summary: "Stores objects, each by itself.",
    run: setMany,
  },
  {
    name: "get",
    arity: 2,
    access: "read",
    flags: READS,
    keys: [1, 1, 1],
    summary: "Reads an object.",
    run: get,
  },
  {
    name: "mget",
    arity: -2,
    access: "read",
    flags: READS,
    keys: [1, -1, 1],
    summary: "Reads objects.",
    run: getMany,
  },
  {
    name: "getrange",
    arity: 4,
    access: "read",
    flags: READS,
    keys: [1, 1, 1],
    summary: "Reads a part of an object.",
    run: getRange,
  },
  {
    name: "strlen",
    arity: 2,
    access: "read",
    flags: READS,
    keys: [1, 1, 1],
    summary: "The bytes of an object.",
    run: length,
  },
];
