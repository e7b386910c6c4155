// Splits an inline command into its words, with quotes and escapes as redis-cli and redis-server have them.
// It works on latin1 text: one character is one byte.

const ESCAPES: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, b: 0x08, a: 0x07 };

/** The words of a line, or null when a quote is not closed or is followed by something other than a space. */
export function splitInline(line: string): Uint8Array[] | null {
  const words: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    while (isSpace(line[at])) at += 1;
    if (at >= line.length) return words;
    const word: number[] = [];
    while (at < line.length && !isSpace(line[at])) {
      const quote = line[at];
      if (quote !== '"' && quote !== "'") {
        word.push(line.charCodeAt(at));
        at += 1;
        continue;
      }
      const end = takeQuoted(line, at, word);
      if (end === null || (end < line.length && !isSpace(line[end]))) return null;
      at = end;
    }
    words.push(Uint8Array.from(word));
  }
}

/** Appends what stands between the quote at `start` and its partner; where it ended, or null. */
function takeQuoted(line: string, start: number, word: number[]): number | null {
  const quote = line[start];
  let at = start + 1;
  while (at < line.length) {
    const character = line[at];
    if (character === quote) return at + 1;
    if (character === "\\" && quote === "'" && line[at + 1] === "'") {
      word.push(0x27);
      at += 2;
    } else if (character === "\\" && quote === '"' && at + 1 < line.length) {
      const hex = /^x([0-9a-fA-F]{2})/.exec(line.slice(at + 1, at + 4));
      const next = line[at + 1] ?? "";
      word.push(
        hex === null ? (ESCAPES[next] ?? next.charCodeAt(0)) : Number.parseInt(hex[1]!, 16),
      );
      at += hex === null ? 2 : 4;
    } else {
      word.push(line.charCodeAt(at));
      at += 1;
    }
  }
  return null;
}

function isSpace(character: string | undefined): boolean {
  return character !== undefined && (character === " " || (character >= "\t" && character <= "\r"));
}
