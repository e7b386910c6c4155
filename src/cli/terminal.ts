// Where a command writes: results to stdout, everything that is said to people to stderr, colours and progress
// only on a terminal. It never decides what to say.

import type { Writable } from "node:stream";

/** The two streams of a command, and whether machines read the first. */
export interface Terminal {
  readonly isJson: boolean;
  /** A line of the result. */
  out(line: string): void;
  /** A line for people, beside the result. */
  note(line: string): void;
  /** A passing line on a terminal, replaced by the next; nothing elsewhere. */
  progress(line: string): void;
  /** Emphasis on a terminal, plain text elsewhere. */
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
  red(text: string): string;
  /** True when notes are seen by a person at a terminal. */
  readonly isInteractive: boolean;
}

const CLEAR_LINE = "\r\u001b[2K";

/** A terminal over the process's streams. */
export function createTerminal(
  streams: { readonly stdout: Writable; readonly stderr: Writable & { readonly isTTY?: boolean } },
  isJson: boolean,
  environment: Readonly<Record<string, string | undefined>>,
): Terminal {
  const { stdout, stderr } = streams;
  const isInteractive = stderr.isTTY === true && environment["TERM"] !== "dumb";
  const isColoured = isInteractive && (environment["NO_COLOR"] ?? "") === "";
  const style = (start: number, end: number) => (text: string) =>
    isColoured ? `\u001b[${start}m${text}\u001b[${end}m` : text;
  let hasProgress = false;
  const clear = (): void => {
    if (hasProgress) stderr.write(CLEAR_LINE);
    hasProgress = false;
  };
  return {
    isJson,
    isInteractive,
    out(line) {
      clear();
      stdout.write(`${line}\n`);
    },
    note(line) {
      clear();
      stderr.write(`${line}\n`);
    },
    progress(line) {
      if (!isInteractive) return;
      clear();
      if (line === "") return;
      stderr.write(line);
      hasProgress = true;
    },
    bold: style(1, 22),
    dim: style(2, 22),
    green: style(32, 39),
    red: style(31, 39),
  };
}

/** Rows as columns; those named in `right` are aligned to the right. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) =>
    Math.max(...all.map((cells) => (cells[column] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? "";
        return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return all.map(line).join("\n");
}
