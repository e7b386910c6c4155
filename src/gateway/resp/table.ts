// The command table: all rows by name, and the commands that speak about the table itself and the server.
// A new command is a row in one of the files of commands/; nothing else knows its name.

import {
  type Argument,
  type CommandContext,
  type CommandRow,
  ERRORS,
  fitsArity,
  runSubcommand,
  type Subcommand,
  word,
} from "./command.ts";
import { CONNECTION_COMMANDS } from "./commands/connection.ts";
import { KEY_COMMANDS } from "./commands/keys.ts";
import { OBJECT_COMMANDS } from "./commands/objects.ts";
import { matchesGlob } from "./glob.ts";
import { infoText } from "./info.ts";
import { bulk, bulks, integer, NULL, OK, type Reply } from "./reply.ts";

/** Settings that clients ask for; nothing can be set this way. */
const SETTINGS: Readonly<Record<string, string>> = {
  save: "",
  appendonly: "no",
  databases: "1",
  maxmemory: "0",
  "maxmemory-policy": "allkeys-lru",
  timeout: "0",
};

const CONFIG: Readonly<Record<string, Subcommand>> = {
  get: {
    arity: -3,
    run: (_context, args) => {
      const patterns = args.slice(2).map((argument) => word(argument).toLowerCase());
      const pairs = Object.entries(SETTINGS)
        .filter(([name]) => patterns.some((pattern) => matchesGlob(pattern, name)))
        .map(([name, value]) => [bulk(name), bulk(value)] as const);
      return { kind: "map", pairs };
    },
  },
  resetstat: { arity: 2, run: () => OK },
};

function describeRow(row: CommandRow): Reply {
  const [first, last, step] = row.keys;
  const flags: Reply[] = row.flags.map((text) => ({ kind: "simple", text }));
  const none: Reply = { kind: "array", items: [] };
  return {
    kind: "array",
    items: [
      bulk(row.name),
      integer(row.arity),
      { kind: "set", items: flags },
      integer(first),
      integer(last),
      integer(step),
      { kind: "set", items: [] },
      none,
      none,
      none,
    ],
  };
}

function documentRow(row: CommandRow): readonly [Reply, Reply] {
  const pairs = [
    [bulk("summary"), bulk(row.summary)],
    [bulk("since"), bulk("1.0.0")],
    [bulk("group"), bulk(row.access === "connection" ? "connection" : "string")],
  ] as const;
  return [bulk(row.name), { kind: "map", pairs }];
}

function named(args: readonly Argument[]): (CommandRow | undefined)[] {
  if (args.length <= 2) return [...COMMANDS.values()];
  return args.slice(2).map((argument) => COMMANDS.get(word(argument).toLowerCase()));
}

const COMMAND: Readonly<Record<string, Subcommand>> = {
  count: { arity: 2, run: () => integer(COMMANDS.size) },
  list: { arity: -2, run: () => bulks([...COMMANDS.keys()]) },
  info: {
    arity: -2,
    run: (_context, args) => ({
      kind: "array",
      items: named(args).map((row) => (row === undefined ? NULL : describeRow(row))),
    }),
  },
  docs: {
    arity: -2,
    run: (_context, args) => ({
      kind: "map",
      pairs: named(args).flatMap((row) => (row === undefined ? [] : [documentRow(row)])),
    }),
  },
};

function command(context: CommandContext, args: readonly Argument[]): Reply | Promise<Reply> {
  if (args.length > 1) return runSubcommand("command", COMMAND, context, args);
  return { kind: "array", items: [...COMMANDS.values()].map(describeRow) };
}

function info({ server, connection }: CommandContext, args: readonly Argument[]): Reply {
  return bulk(
    infoText(
      server,
      args.slice(1).map((argument) => word(argument).toLowerCase()),
      connection.grant?.namespace === null,
    ),
  );
}

function time({ server }: CommandContext): Reply {
  const now = server.wallClock.now();
  return bulks([`${Math.floor(now / 1_000)}`, `${Math.floor((now % 1_000) * 1_000)}`]);
}

const SERVER = { access: "connection", flags: ["loading", "stale"], keys: [0, 0, 0] } as const;

const SERVER_COMMANDS: readonly CommandRow[] = [
  { ...SERVER, name: "info", arity: -1, summary: "The state of the server.", run: info },
  { ...SERVER, name: "command", arity: -1, summary: "The commands there are.", run: command },
  { ...SERVER, name: "time", arity: 1, summary: "The time of day.", run: time },
  {
    ...SERVER,
    name: "config",
    arity: -2,
    summary: "Settings, to be read only.",
    run: (context, args) => runSubcommand("config", CONFIG, context, args),
  },
];

/** All commands by name. */
export const COMMANDS: ReadonlyMap<string, CommandRow> = new Map(
  [...CONNECTION_COMMANDS, ...OBJECT_COMMANDS, ...KEY_COMMANDS, ...SERVER_COMMANDS].map((row) => [
    row.name,
    row,
  ]),
);

/** The row for what a client sent, or the text of the error. `args` may still be incomplete; `count` is final. */
export function findCommand(
  args: readonly (Uint8Array | null)[],
  count: number,
  isAuthenticated: boolean,
): CommandRow | string {
  const given = word(args[0] ?? undefined);
  const row = COMMANDS.get(given.toLowerCase());
  if (row === undefined) return unknownCommand(given, args);
  if (!fitsArity(row.arity, count)) return ERRORS.arity(row.name);
  return isAuthenticated || row.isOpen === true ? row : ERRORS.noAuth;
}

/** Up to 128 characters of the arguments are quoted, as redis-server does it. */
function unknownCommand(name: string, args: readonly (Uint8Array | null)[]): string {
  let quoted = "";
  for (const argument of args.slice(1)) {
    if (quoted.length >= 128) break;
    quoted += `'${word(argument?.subarray(0, 128) ?? undefined).slice(0, 128 - quoted.length)}' `;
  }
  return `ERR unknown command '${name.slice(0, 128)}', with args beginning with: ${quoted}`;
}
