/**
 * What the tidy checkers look at: the repository's own sources, and how a finding is reported.
 * It reads files and knows no rule.
 */
import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import ts from "typescript";

/** A source file by its path from the root of the repository, with `/` between folders. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** The root of the repository. */
export const root = resolve(import.meta.dirname, "..", "..");

/** All files of ours under `folders` with one of `extensions`, in order of their paths. */
export function readSources(folders: readonly string[], extensions: readonly string[]): Source[] {
  return folders
    .flatMap((folder) => extensions.map((extension) => `${folder}/**/*.${extension}`))
    .flatMap((pattern) => globSync(pattern, { cwd: root }))
    .filter((path) => !path.includes("node_modules"))
    .sort()
    .map((path) => ({ path, text: readFileSync(resolve(root, path), "utf8") }));
}

/** The syntax tree of a source, with parents. */
export function parse(source: Source): ts.SourceFile {
  return ts.createSourceFile(source.path, source.text, ts.ScriptTarget.Latest, true);
}

/** Calls `visit` for every node of the tree, parents first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** `path:line: message`, as editors understand it. */
export function finding(file: ts.SourceFile, node: ts.Node, message: string): string {
  const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
  return `${file.fileName}:${line + 1}: ${message}`;
}
