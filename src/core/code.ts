// A code: how many data and parity chunks a stripe has, and which code an object gets by its size.
// It never computes parity; that is the business of src/erasure/.

import { CHUNKS_PER_STRIPE_MAX } from "./limits.ts";

/** d data and p parity chunks per stripe; `{1, 2}` is three copies, `{10, 0}` is striping without parity. */
export interface CodeSpec {
  readonly dataChunks: number;
  readonly parityChunks: number;
}

/** Objects below `bytesBelow` get `code`; rules are in ascending order and the last has no bound. */
export interface CodeRule {
  readonly bytesBelow: number;
  readonly code: CodeSpec;
}

/** Up to and including 128 KiB: three copies, so that a small object costs one function, not twelve. */
export const REPLICATED_BYTES_MAX = 128 * 1_024;

/** The paper's 10+2 for large objects, fewer and larger chunks for middling ones, copies for small ones. */
export const CODE_RULES_DEFAULT: readonly CodeRule[] = [
  { bytesBelow: REPLICATED_BYTES_MAX + 1, code: { dataChunks: 1, parityChunks: 2 } },
  { bytesBelow: 10_000_000, code: { dataChunks: 4, parityChunks: 2 } },
  { bytesBelow: Number.POSITIVE_INFINITY, code: { dataChunks: 10, parityChunks: 2 } },
];

/** True where every chunk of a stripe is a copy of it: the parity of a single data chunk is that chunk (`erasure/matrix.ts`). */
export function isReplicated({ dataChunks }: CodeSpec): boolean {
  return dataChunks === 1;
}

/** All chunks of a stripe. */
export function chunkCount(code: CodeSpec): number {
  return code.dataChunks + code.parityChunks;
}

/** `10+2` and the like. */
export function formatCode(code: CodeSpec): string {
  return `${code.dataChunks}+${code.parityChunks}`;
}

/** Reads `d+p`; a string says what is wrong with it. */
export function parseCode(text: string): CodeSpec | string {
  const match = /^(\d{1,3})\+(\d{1,3})$/.exec(text.trim());
  if (match === null) return `a code is written d+p, such as 10+2; this is "${text}"`;
  const code = { dataChunks: Number(match[1]), parityChunks: Number(match[2]) };
  return codeFault(code) ?? code;
}

/** What is wrong with a code, or null. */
export function codeFault(code: CodeSpec): string | null {
  const { dataChunks, parityChunks } = code;
  if (!Number.isInteger(dataChunks) || dataChunks < 1)
    return "a code needs at least one data chunk";
  if (!Number.isInteger(parityChunks) || parityChunks < 0) return "parity chunks count from 0";
  if (dataChunks + parityChunks <= CHUNKS_PER_STRIPE_MAX) return null;
  return `a code has ${CHUNKS_PER_STRIPE_MAX} chunks at most; ${formatCode(code)} has more`;
}

/** The code of an object of this many bytes, under the rules given. */
export function codeForSize(rules: readonly CodeRule[], bytes: number): CodeSpec {
  for (const rule of rules) if (bytes < rule.bytesBelow) return rule.code;
  const last = rules.at(-1);
  if (last === undefined) throw new RangeError("there must be at least one code rule");
  return last.code;
}

/** The chunks of a stripe that must be stored before a PUT may be acknowledged past its straggler deadline. */
export function quorum(code: CodeSpec): number {
  return code.parityChunks === 0 ? code.dataChunks : code.dataChunks + 1;
}
