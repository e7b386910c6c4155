// Glob patterns as redis-server matches them: `*`, `?`, `[a-z]`, `[^a]` and backslash. Linear in the text for each
// star, without recursion: a pattern that comes from a client must not be able to stop the process.

/** What every match begins with: the pattern up to its first special character. */
export function literalPrefix(pattern: string): string {
  const end = pattern.search(/[*?[\\]/);
  return end === -1 ? pattern : pattern.slice(0, end);
}

/** True when the whole text matches the pattern. */
export function matchesGlob(pattern: string, text: string): boolean {
  const glyphs = parseGlob(pattern);
  let at = 0;
  let glyph = 0;
  let starGlyph = -1;
  let starAt = 0;
  while (at < text.length) {
    const test = glyphs[glyph];
    if (test === "star") {
      starGlyph = glyph;
      starAt = at;
      glyph += 1;
    } else if (test?.(text.charCodeAt(at))) {
      at += 1;
      glyph += 1;
    } else if (starGlyph >= 0) {
      // The last star takes one character more; earlier stars need never be tried again.
      starAt += 1;
      at = starAt;
      glyph = starGlyph + 1;
    } else {
      return false;
    }
  }
  while (glyphs[glyph] === "star") glyph += 1;
  return glyph === glyphs.length;
}

type Glyph = "star" | ((code: number) => boolean);

function parseGlob(pattern: string): Glyph[] {
  const glyphs: Glyph[] = [];
  let at = 0;
  while (at < pattern.length) {
    const character = pattern[at];
    if (character === "[") {
      const set = parseSet(pattern, at + 1);
      glyphs.push(set.test);
      at = set.end;
      continue;
    }
    if (character === "*") {
      if (glyphs.at(-1) !== "star") glyphs.push("star");
    } else if (character === "?") {
      glyphs.push(() => true);
    } else {
      if (character === "\\" && at + 1 < pattern.length) at += 1;
      const wanted = pattern.charCodeAt(at);
      glyphs.push((code) => code === wanted);
    }
    at += 1;
  }
  return glyphs;
}

function parseSet(pattern: string, start: number): { test: Glyph & object; end: number } {
  const isNegated = pattern[start] === "^";
  let at = isNegated ? start + 1 : start;
  const ranges: [low: number, high: number][] = [];
  while (at < pattern.length && pattern[at] !== "]") {
    if (pattern[at] === "\\" && at + 1 < pattern.length) at += 1;
    const low = pattern.charCodeAt(at);
    const isRange = pattern[at + 1] === "-" && at + 2 < pattern.length;
    const high = isRange ? pattern.charCodeAt(at + 2) : low;
    ranges.push([Math.min(low, high), Math.max(low, high)]);
    at += isRange ? 3 : 1;
  }
  const test = (code: number) =>
    ranges.some(([low, high]) => low <= code && code <= high) !== isNegated;
  return { test, end: at + 1 };
}
