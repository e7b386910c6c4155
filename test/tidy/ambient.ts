/**
 * The ban on ambient time, chance, cryptography and network: outside `src/host` and `src/platform` they come
 * through ports, or nothing could be simulated. The checker names the port to use instead.
 * It looks at syntax only, so a name that a file declares itself is taken to be its own.
 */
import ts from "typescript";
import { doorShells } from "./arrows.ts";
import { finding, parse, type Source, walk } from "./sources.ts";

const clock = "the Clock port";
const wallClock = "the WallClock port";
const random = "the Random port";
const crypto = "the Crypto port";
const transport = "the Transport port";

/** Globals that are banned by themselves. */
const bannedGlobals: Readonly<Record<string, string>> = {
  setTimeout: clock,
  setInterval: clock,
  setImmediate: clock,
  clearTimeout: clock,
  clearInterval: clock,
  clearImmediate: clock,
  performance: clock,
  crypto,
  fetch: transport,
  WebSocket: transport,
  EventSource: transport,
};

/** Members of globals that are banned. */
const bannedMembers: Readonly<Record<string, string>> = {
  "Date.now": wallClock,
  "Math.random": random,
  "AbortSignal.timeout": clock,
  "process.hrtime": clock,
  "process.uptime": clock,
};

/** Modules of Node that would bring the same in by another door. */
const bannedModules: Readonly<Record<string, string>> = {
  "node:timers": clock,
  "node:timers/promises": clock,
  "node:perf_hooks": clock,
  "node:crypto": crypto,
  "node:net": transport,
  "node:tls": transport,
  "node:http": transport,
  "node:https": transport,
  "node:http2": transport,
  "node:dgram": transport,
};

const exemptFolders = ["src/host/", "src/platform/"];

/** Uses of ambient time, chance, cryptography or network in one file under `src/`. */
export function findAmbientUses(source: Source): string[] {
  if (exemptFolders.some((folder) => source.path.startsWith(folder))) return [];
  const file = parse(source);
  const ownNames = declaredNames(file);
  const findings: string[] = [];
  const report = (node: ts.Node, name: string, port: string) =>
    findings.push(finding(file, node, `${name} is ambient: use ${port}`));
  walk(file, (node) => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const port = bannedModules[node.moduleSpecifier.text];
      const isTypeOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
      const isDoor = doorShells[source.path] === node.moduleSpecifier.text;
      if (port !== undefined && !isTypeOnly && !isDoor)
        report(node, node.moduleSpecifier.text, port);
    }
    const use = nameOfUse(node);
    if (use === undefined || ownNames.has(use.split(".")[0] ?? "")) return;
    const port = bannedGlobals[use] ?? bannedMembers[use];
    if (port !== undefined) report(node, use, port);
    if (use === "new Date") report(node, "new Date() without a time", wallClock);
  });
  return findings;
}

/** `x`, `X.y` or `new Date` where `node` uses a global by that name in an expression. */
function nameOfUse(node: ts.Node): string | undefined {
  if (ts.isNewExpression(node) && ts.isIdentifier(node.expression)) {
    const isNow = node.expression.text === "Date" && (node.arguments ?? []).length === 0;
    return isNow ? "new Date" : undefined;
  }
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    if (node.expression.text === "globalThis") return node.name.text;
    return `${node.expression.text}.${node.name.text}`;
  }
  if (ts.isIdentifier(node) && !isMerelyAName(node)) return node.text;
  return undefined;
}

/** A member's, property's or declaration's name, or a part of a type: not a use of the global. */
function isMerelyAName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isShorthandPropertyAssignment(parent)) return false;
  if ("name" in parent && parent.name === node) return true;
  return (
    ts.isTypeNode(parent) || ts.isQualifiedName(parent) || ts.isImportOrExportSpecifier(parent)
  );
}

function declaredNames(file: ts.SourceFile): ReadonlySet<string> {
  const names = new Set<string>();
  walk(file, (node) => {
    const isDeclaration =
      ts.isVariableDeclaration(node) ||
      ts.isParameter(node) ||
      ts.isBindingElement(node) ||
      ts.isFunctionDeclaration(node) ||
      ts.isClassDeclaration(node) ||
      ts.isImportSpecifier(node);
    if (isDeclaration && node.name !== undefined && ts.isIdentifier(node.name)) {
      names.add(node.name.text);
    }
  });
  return names;
}
