/**
 * The shape of a file: a header that says what it is, a length that can be read, and no way around the types.
 * Formatting is not its business: biome does that.
 */
import ts from "typescript";
import { finding, parse, type Source, walk } from "./sources.ts";

const linesMax = 400;
const headerLinesMax = 8;
/** In the rooms of algorithms a header also holds the argument why the algorithm is right. */
const argumentLinesMax = 16;
const argumentFolders = ["src/erasure/", "src/checksum/"];
/** Up to this length, and for tests at any, a file may say what it is in one line; beyond, it takes two. */
const shortFileLinesMax = 120;

/** The hook of Node's test runner wants a default export. */
const defaultExportsAllowed = ["tools/test-reporter.ts"];

/** What is wrong with the shape of one file. */
export function findMisshapes(source: Source): string[] {
  // Generated: one long line of base64 under a header of its own.
  if (source.path.endsWith(".wasm.ts")) return [];
  const findings: string[] = [];
  const lineCount = source.text.trimEnd().split("\n").length;
  if (lineCount > linesMax) {
    findings.push(`${source.path}: ${lineCount} lines, more than ${linesMax}: split it by idea`);
  }
  const headerLineCount = countHeaderLines(source.text);
  const isTest = source.path.startsWith("test/");
  const headerLinesMin = isTest || lineCount <= shortFileLinesMax ? 1 : 2;
  const hasArgument = argumentFolders.some((folder) => source.path.startsWith(folder));
  const linesAllowed = hasArgument ? argumentLinesMax : headerLinesMax;
  if (headerLineCount < headerLinesMin || headerLineCount > linesAllowed) {
    const bounds = `${headerLinesMin} to ${linesAllowed}`;
    findings.push(
      `${source.path}:1: the header has ${headerLineCount} lines of text, not ${bounds}`,
    );
  }
  if (source.path.endsWith(".ts")) findings.push(...findEscapes(source));
  return findings;
}

/** Lines with words in the comment that opens the file. */
function countHeaderLines(text: string): number {
  const lines = text.replace(/^#!.*\n/, "").split("\n");
  if (lines[0]?.startsWith("//") === true) {
    const end = lines.findIndex((line) => !line.startsWith("//"));
    return lines.slice(0, end === -1 ? lines.length : end).filter(hasWords).length;
  }
  if (lines[0]?.startsWith("/*") !== true) return 0;
  const end = lines.findIndex((line) => line.includes("*/"));
  return lines.slice(0, end + 1).filter(hasWords).length;
}

function hasWords(line: string): boolean {
  return /\w/.test(line);
}

function findEscapes(source: Source): string[] {
  const file = parse(source);
  const findings: string[] = [];
  const isDefaultAllowed = defaultExportsAllowed.includes(source.path);
  walk(file, (node) => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) {
      findings.push(finding(file, node, "any: use unknown and narrow it"));
    }
    if (!isDefaultAllowed && isDefaultExport(node)) {
      findings.push(finding(file, node, "default export: export it by name"));
    }
  });
  const suppression = /^\s*(?:\/\/|\/\*)\s*@ts-(?:ignore|nocheck)/gm;
  for (const match of source.text.matchAll(suppression)) {
    const line = source.text.slice(0, match.index).split("\n").length;
    findings.push(`${source.path}:${line}: ${match[0].trim()}: mend the type instead`);
  }
  return findings;
}

function isDefaultExport(node: ts.Node): boolean {
  if (ts.isExportAssignment(node)) return true;
  if (ts.isExportSpecifier(node)) return node.name.text === "default";
  return (
    ts.canHaveModifiers(node) &&
    (ts.getModifiers(node) ?? []).some((each) => each.kind === ts.SyntaxKind.DefaultKeyword)
  );
}
