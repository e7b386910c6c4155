/**
 * Writes docs/protocol/messages.md from the table of messages in src/wire/messages.ts and direct-messages.ts:
 *
 *   node tools/node tools/protocol-page.ts
 *
 * A unit test fails while the page differs from the table.
 */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { MESSAGES, type MessageKind } from "../src/wire/messages.ts";
import type { FieldShape } from "../src/wire/schema.ts";

/** Where the page stands. */
export const PROTOCOL_PAGE = resolve(import.meta.dirname, "../docs/protocol/messages.md");

const CHAPTERS: readonly (readonly [title: string, first: number, last: number])[] = [
  ["Either protocol", 0x00, 0x0f],
  ["Client and proxy: the connection", 0x10, 0x1f],
  ["Client and proxy: PUT", 0x20, 0x2f],
  ["Client and proxy: GET", 0x30, 0x3b],
  ["Client and proxy: work for repairers", 0x3c, 0x3f],
  ["Client and proxy: the rest", 0x40, 0x4e],
  ["The direct path", 0x4f, 0x5f],
  ["Proxy and function: the link", 0x60, 0x7f],
];

const HEAD = `# Messages

This page is generated from \`src/wire/messages.ts\` and the tables it joins by \`node tools/node tools/protocol-page.ts\`; change it there. Who sends what, and when, is in [operations.md](operations.md); how a message stands in a frame, in [frames.md](frames.md).

Fields stand in the order given, without padding. Integers are unsigned and little-endian: \`u8\`, \`u16\`, \`u32\` take one, two and four bytes, \`u53\` eight, of which the value is at most 2^53 − 1. A \`flag\` is one byte, 0 or 1. \`bytes n\` are exactly n bytes. \`text ≤ n\` is UTF-8 of at most n bytes behind its length as a \`u16\`. A choice of words is one byte, the position of the word, counted from 0. A \`list ≤ n\` is a count as a \`u16\` and so many elements. Nothing may follow the last field.

*Limit* is the most bytes the fields can take; where the kinds of fields allow for more than the 65,504 bytes that a frame has for them, the sender keeps to that.
`;

/** The page as it should be. */
export function protocolPage(): string {
  const kinds = Object.keys(MESSAGES) as MessageKind[];
  const chapters = CHAPTERS.map(([title, first, last]) => {
    const rows = kinds
      .filter((kind) => MESSAGES[kind].type >= first && MESSAGES[kind].type <= last)
      .map(row);
    const table = [
      "| type | name | from | fields | limit | meaning |",
      "|---|---|---|---|---|---|",
    ];
    return [`## ${title}`, "", ...table, ...rows, ""].join("\n");
  });
  return [HEAD, ...chapters].join("\n");
}

function row(kind: MessageKind): string {
  const { type, from, fields, about } = MESSAGES[kind];
  const entries = Object.entries(fields);
  const listed = entries.map(([name, field]) => `\`${name}\` ${field.name}`).join("<br>");
  const bytes = entries.reduce((sum, [, { shape }]) => sum + bytesMax(shape), 0);
  const limit = kind === "data" ? `${bytes} + a body of 1 to 1,048,576` : commas(bytes);
  const isRequest = "isRequest" in MESSAGES[kind] ? " *A request: counted for `bye`.*" : "";
  const code = `0x${type.toString(16).padStart(2, "0")}`;
  const cells = [code, `\`${kind}\``, from.join(", "), listed || "none", limit, about + isRequest];
  return `| ${cells.join(" | ")} |`;
}

function bytesMax(shape: FieldShape): number {
  switch (shape.kind) {
    case "integer":
      return shape.max > 0xffff_ffff ? 8 : Math.ceil(Math.log2(shape.max) / 8);
    case "flag":
    case "oneOf":
      return 1;
    case "bytes":
      return shape.count;
    case "text":
      return 2 + shape.bytesMax;
    case "list":
      return 2 + shape.countMax * bytesMax(shape.element);
    case "struct":
      return Object.values(shape.fields).reduce((sum, field) => sum + bytesMax(field), 0);
  }
}

function commas(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) {
  writeFileSync(PROTOCOL_PAGE, protocolPage());
}
