/**
 * Who may import whom: the rooms of `src/` as a table, and the checker that reads imports against it.
 * A room is a folder of `src/`. Type imports count, too: they are knowledge of the other room.
 */
import { dirname, join, normalize } from "node:path/posix";
import ts from "typescript";
import { finding, parse, type Source, walk } from "./sources.ts";

interface Room {
  /** The rooms it may import from, besides itself. */
  readonly rooms: readonly string[];
  /** Whether it may import `node:*`. */
  readonly node: boolean;
  /** The packages it may import. */
  readonly packages: readonly string[];
}

const pure = (...rooms: string[]): Room => ({ rooms, node: false, packages: [] });
const everything =
  "erasure core checksum wire runtime proxy client gateway origin platform host sim".split(" ");

/** The arrows of docs/architecture.md. Nothing imports `entry`. */
export const rooms: Readonly<Record<string, Room>> = {
  erasure: pure(),
  core: pure(),
  checksum: pure(),
  wire: pure("core", "checksum"),
  runtime: pure("core", "wire", "checksum"),
  proxy: pure("core", "wire"),
  client: pure("core", "wire", "checksum", "erasure"),
  gateway: pure("core", "client"),
  origin: pure("core", "client"),
  platform: {
    rooms: ["core", "origin"],
    node: true,
    packages: ["@aws-sdk/client-lambda", "@aws-sdk/client-s3", "@smithy/signature-v4"],
  },
  // A socket receives in place only if it asks the parser of frames where the next bytes belong.
  host: { rooms: ["core", "wire", "origin"], node: true, packages: [] },
  sim: pure(...everything.filter((room) => room !== "host" && room !== "sim")),
  cli: { rooms: everything, node: true, packages: ["commander", "zod", "@aws-sdk/client-lambda"] },
  entry: { rooms: [...everything, "cli"], node: true, packages: [] },
};

/** What is wrong with the imports of one file under `src/`. */
export function findForbiddenImports(source: Source): string[] {
  const file = parse(source);
  const findings: string[] = [];
  const roomName = source.path.split("/")[1] ?? "";
  const room = rooms[roomName];
  if (room === undefined) return [`${source.path}: src/${roomName} is not a room; see ${here}`];
  walk(file, (node) => {
    const specifier = specifierOf(node);
    if (specifier === undefined) return;
    const reason = refuse(room, roomName, source.path, specifier.text);
    if (reason !== undefined) findings.push(finding(file, specifier, reason));
  });
  return findings;
}

const here = "test/tidy/arrows.ts";

/** The shells of the doors: each opens one server, and all else of the gateway is pure. */
export const doorShells: Readonly<Record<string, string>> = {
  "src/gateway/resp/server.ts": "node:net",
  "src/gateway/http/server.ts": "node:http",
};

function refuse(room: Room, roomName: string, path: string, specifier: string): string | undefined {
  if (specifier.startsWith("node:")) {
    return room.node || doorShells[path] === specifier
      ? undefined
      : `${roomName} must not import ${specifier}: use a port of src/core`;
  }
  if (!specifier.startsWith(".")) {
    const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
    return room.packages.includes(name) ? undefined : `${roomName} must not import ${name}`;
  }
  const target = normalize(join(dirname(path), specifier)).split("/");
  if (target[0] !== "src") return `${roomName} must not import ${target.join("/")}: it is not src`;
  const targetRoom = target[1] ?? "";
  if (targetRoom !== roomName && !room.rooms.includes(targetRoom)) {
    return `${roomName} must not import ${targetRoom} (only ${room.rooms.join(", ") || "nothing"})`;
  }
  if (!/\.(?:ts|cjs|json)$/.test(specifier)) return `${specifier} must end in .ts`;
  return undefined;
}

/** The literal of `import … from`, `export … from`, `import()`, `import("…").Type` and `require()`. */
function specifierOf(node: ts.Node): ts.StringLiteralLike | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    const specifier = node.moduleSpecifier;
    return specifier !== undefined && ts.isStringLiteralLike(specifier) ? specifier : undefined;
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return ts.isStringLiteralLike(node.argument.literal) ? node.argument.literal : undefined;
  }
  if (!ts.isCallExpression(node)) return undefined;
  const isImport = node.expression.kind === ts.SyntaxKind.ImportKeyword;
  const isRequire = ts.isIdentifier(node.expression) && node.expression.text === "require";
  const [argument] = node.arguments;
  if (!(isImport || isRequire) || argument === undefined) return undefined;
  return ts.isStringLiteralLike(argument) ? argument : undefined;
}
