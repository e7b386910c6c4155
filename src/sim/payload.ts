// What simulated clients write: bytes that are a function of a write's number and its length, so that any mix of two
// writes, any truncation and any wrong place shows. A write is never repeated with the same number.

/** The body of one write, freshly made. */
export function payloadOf(write: number, bytes: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let state = (Math.imul(write, 0x9e3779b1) ^ Math.imul(bytes, 0x85ebca6b)) | 1;
  for (let at = 0; at < words.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return new Uint8Array(words.buffer, 0, bytes);
}

/** Where the bytes first differ from [start, …) of what this write wrote; null when they are right. */
export function firstDifference(
  read: Uint8Array,
  write: number,
  bytes: number,
  start: number,
): number | null {
  const wanted = payloadOf(write, bytes).subarray(start, start + read.length);
  if (wanted.length !== read.length) return Math.min(wanted.length, read.length);
  for (let at = 0; at < read.length; at++) if (read[at] !== wanted[at]) return at;
  return null;
}
