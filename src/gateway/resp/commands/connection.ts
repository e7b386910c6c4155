// The commands about the connection itself: HELLO, AUTH, PING, ECHO, SELECT, CLIENT, RESET, QUIT. They touch no object
// and answer at once.

import { EVERYTHING, type Grant } from "../../../core/access.ts";
import {
  type Argument,
  type CommandContext,
  type CommandRow,
  ERRORS,
  integerArgument,
  ReplyError,
  runSubcommand,
  type ServerContext,
  type Subcommand,
  wholeArgument,
  word,
} from "../command.ts";
import { bulk, error, integer, NULL, OK, type Reply } from "../reply.ts";

/** The redis-server whose behaviour we follow: clients choose what to send by it. */
export const REDIS_VERSION = "7.0.15";

const utf8 = new TextDecoder();

/** What is given as a password is a token, whatever the name before it; without tokens there is the one user. */
function grantOf(server: ServerContext, user: string, given: Uint8Array): Grant | null {
  if (server.access === null) return user === "default" ? EVERYTHING : null;
  return server.access.identify(utf8.decode(given), server.wallClock.now());
}

function authenticate(context: CommandContext, args: readonly Argument[]): Reply {
  const { server, connection } = context;
  if (args.length > 3) throw new ReplyError(ERRORS.syntax);
  if (args.length === 2 && server.access === null) return error(ERRORS.noPassword);
  const user = args.length === 3 ? word(args[1]) : "default";
  const grant = grantOf(server, user, wholeArgument(args.at(-1)));
  if (grant === null) return error(ERRORS.wrongPassword);
  connection.grant = grant;
  return OK;
}

function hello(context: CommandContext, args: readonly Argument[]): Reply {
  const { server, connection } = context;
  let protocol = connection.protocol;
  if (args.length > 1) {
    if (!/^-?\d{1,15}$/.test(word(args[1]))) throw new ReplyError(ERRORS.protocolNotInteger);
    const wanted = Number(word(args[1]));
    if (wanted !== 2 && wanted !== 3) throw new ReplyError(ERRORS.noProtocol);
    protocol = wanted;
  }
  let { grant } = connection;
  let name = connection.name;
  for (let at = 2; at < args.length; at += 1) {
    const option = word(args[at]).toLowerCase();
    if (option === "auth" && at + 2 < args.length) {
      grant = grantOf(server, word(args[at + 1]), wholeArgument(args[at + 2]));
      if (grant === null) throw new ReplyError(ERRORS.wrongPassword);
      at += 2;
    } else if (option === "setname" && at + 1 < args.length) {
      name = clientName(args[at + 1]);
      at += 1;
    } else {
      throw new ReplyError(`ERR Syntax error in HELLO option '${word(args[at])}'`);
    }
  }
  if (grant === null) throw new ReplyError(ERRORS.helloNoAuth);
  Object.assign(connection, { grant, protocol, name });
  return {
    kind: "map",
    pairs: [
      [bulk("server"), bulk("redis")],
      [bulk("version"), bulk(REDIS_VERSION)],
      [bulk("proto"), integer(protocol)],
      [bulk("id"), integer(connection.id)],
      [bulk("mode"), bulk("standalone")],
      [bulk("role"), bulk("master")],
      [bulk("modules"), { kind: "array", items: [] }],
    ],
  };
}

function clientName(argument: Argument | undefined): string {
  const name = word(argument);
  if (!/^[!-~]*$/.test(name) || name.length > 256) throw new ReplyError(ERRORS.clientName);
  return name;
}

function clientLine({ connection }: CommandContext): string {
  const fields = {
    id: connection.id,
    addr: connection.address,
    name: connection.name,
    db: 0,
    resp: connection.protocol,
    "lib-name": connection.library,
    "lib-ver": connection.libraryVersion,
    user: "default",
    flags: connection.grant === null ? "P" : "N",
  };
  return `${Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ")}\n`;
}

const agree: Subcommand["run"] = (_context, args) => {
  const mode = word(args[2]).toLowerCase();
  if (mode !== "on" && mode !== "off") throw new ReplyError(ERRORS.syntax);
  return OK;
};

const CLIENT: Readonly<Record<string, Subcommand>> = {
  id: { arity: 2, run: ({ connection }) => integer(connection.id) },
  info: { arity: 2, run: (context) => bulk(clientLine(context)) },
  list: { arity: -2, run: (context) => bulk(clientLine(context)) },
  getname: {
    arity: 2,
    run: ({ connection }) => (connection.name === "" ? NULL : bulk(connection.name)),
  },
  setname: {
    arity: 3,
    run: ({ connection }, args) => {
      connection.name = clientName(args[2]);
      return OK;
    },
  },
  setinfo: {
    arity: 4,
    run: ({ connection }, args) => {
      const option = word(args[2]).toLowerCase();
      if (option === "lib-name") connection.library = clientName(args[3]);
      else if (option === "lib-ver") connection.libraryVersion = clientName(args[3]);
      else throw new ReplyError(`ERR Unrecognized option '${word(args[2])}'`);
      return OK;
    },
  },
  "no-evict": { arity: 3, run: agree },
  "no-touch": { arity: 3, run: agree },
};

function select(_context: CommandContext, args: readonly Argument[]): Reply {
  if (integerArgument(args[1]) !== 0) throw new ReplyError(ERRORS.indexRange);
  return OK;
}

function ping(_context: CommandContext, args: readonly Argument[]): Reply {
  if (args.length > 2) throw new ReplyError(ERRORS.arity("ping"));
  if (args.length === 2) return { kind: "bulk", bytes: wholeArgument(args[1]) };
  return { kind: "simple", text: "PONG" };
}

function reset({ server, connection }: CommandContext): Reply {
  connection.protocol = 2;
  connection.name = "";
  connection.grant = server.access === null ? EVERYTHING : null;
  return { kind: "simple", text: "RESET" };
}

function quit({ connection }: CommandContext): Reply {
  connection.isEnding = true;
  return OK;
}

const FAST = ["fast", "loading", "stale"];
const OPEN = ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"];
const NO_KEYS = [0, 0, 0] as const;
const common = { access: "connection", keys: NO_KEYS } as const;

/** The rows of this file. */
export const CONNECTION_COMMANDS: readonly CommandRow[] = [
  { ...common, name: "ping", arity: -1, flags: FAST, summary: "Answers.", run: ping },
  {
    ...common,
    name: "echo",
    arity: 2,
    flags: FAST,
    summary: "Answers with its argument.",
    run: (_context, args) => ({ kind: "bulk", bytes: wholeArgument(args[1]) }),
  },
  {
    ...common,
    name: "hello",
    arity: -1,
    flags: OPEN,
    summary: "Chooses the protocol.",
    isOpen: true,
    run: hello,
  },
  {
    ...common,
    name: "auth",
    arity: -2,
    flags: OPEN,
    summary: "Authenticates.",
    isOpen: true,
    run: authenticate,
  },
  {
    ...common,
    name: "select",
    arity: 2,
    flags: FAST,
    summary: "Chooses the database: 0.",
    run: select,
  },
  {
    ...common,
    name: "client",
    arity: -2,
    flags: ["noscript", "loading", "stale"],
    summary: "About this connection.",
    run: (context, args) => runSubcommand("client", CLIENT, context, args),
  },
  {
    ...common,
    name: "reset",
    arity: 1,
    flags: OPEN,
    summary: "Begins the connection anew.",
    isOpen: true,
    run: reset,
  },
  {
    ...common,
    name: "quit",
    arity: -1,
    flags: OPEN,
    summary: "Ends the connection.",
    isOpen: true,
    run: quit,
  },
];
