// Flips bits in the memory of other processes, as failing hardware does, by way of /proc. Linux only; the process must
// be below this one. It finds places by the bytes that stand there, and never writes more than one byte at a place.

import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

const WINDOW_BYTES = 4 * 1_024 * 1_024;

/** Flips the lowest bit of the first byte wherever `pattern` stands; how many places there were. */
export function damageMemory(pid: number, pattern: Uint8Array): number {
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
  const memory = openSync(`/proc/${pid}/mem`, "r+");
  let count = 0;
  try {
    for (const [, start = "", end = ""] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm)) {
      const range = { start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) };
      for (const at of places(memory, range, pattern)) {
        writeSync(memory, Uint8Array.of((pattern[0] ?? 0) ^ 1), 0, 1, at);
        count++;
      }
    }
  } finally {
    closeSync(memory);
  }
  return count;
}

function* places(
  memory: number,
  { start, end }: { readonly start: number; readonly end: number },
  pattern: Uint8Array,
): Generator<number, void, undefined> {
  const window = Buffer.allocUnsafe(WINDOW_BYTES);
  // Windows overlap by the pattern, so that none is missed at their edges.
  for (let from = start; from < end; from += WINDOW_BYTES - pattern.length) {
    const bytes = read(memory, window, from, Math.min(WINDOW_BYTES, end - from));
    let at = window.subarray(0, bytes).indexOf(pattern);
    while (at >= 0) {
      yield from + at;
      at = window.subarray(0, bytes).indexOf(pattern, at + 1);
    }
  }
}

function read(memory: number, into: Buffer, from: number, count: number): number {
  try {
    return readSync(memory, into, 0, count, from);
  } catch {
    return 0; // Reserved and not there.
  }
}
