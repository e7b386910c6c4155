// Bytes that can be made again from a number: every place of every body is different, so that a mix of two bodies,
// a shift or a truncation shows. A keystream of AES, which no compressor or accident repeats.

import { createCipheriv, createHash } from "node:crypto";
import { Readable } from "node:stream";

/** How long bodies are whose length follows from their number. */
export interface BodyBounds {
  readonly bytesMin: number;
  readonly bytesMax: number;
}

/** A body is found again by its first bytes, where its number stands. */
const MARK_BYTES = 4;
const BLOCK_BYTES = 16;
const PART_BYTES = 1_048_576;
const ZEROS = Buffer.alloc(PART_BYTES);

/** The `bytes` long body number `seed`, from `offset` on (a multiple of 16). */
export function makeBytes(seed: number, bytes: number, offset = 0): Buffer {
  const body = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const part of parts(seed, bytes, offset)) {
    part.copy(body, at);
    at += part.length;
  }
  return body;
}

/** The same as a stream, made as it is read. */
export function streamBytes(seed: number, bytes: number): Readable {
  return Readable.from(parts(seed, bytes, 0), { objectMode: false, highWaterMark: PART_BYTES });
}

/** The SHA-256 of the body, in hex; in bounded memory. */
export function hashBytes(seed: number, bytes: number): string {
  const hash = createHash("sha256");
  for (const part of parts(seed, bytes, 0)) hash.update(part);
  return hash.digest("hex");
}

/** Body number `mark`, which bears its number and whose length follows from it, so that a reader knows what to expect. */
export function markedBytes(mark: number, bounds: BodyBounds): Buffer {
  const spread = bounds.bytesMax - bounds.bytesMin + 1;
  const made = makeBytes(
    mark,
    bounds.bytesMin + Math.floor(((mark * 0.618_033_988_7) % 1) * spread),
  );
  made.writeUInt32BE(mark, 0);
  return made;
}

/** The number of a marked body if it is that body in every byte; else null. */
export function markOf(came: Uint8Array, bounds: BodyBounds): number | null {
  if (came.length < MARK_BYTES) return null;
  const mark = new DataView(came.buffer, came.byteOffset).getUint32(0);
  return markedBytes(mark, bounds).equals(came) ? mark : null;
}

function* parts(seed: number, bytes: number, offset: number): Generator<Buffer, void, undefined> {
  const key = createHash("sha256").update(`body ${seed}`).digest().subarray(0, BLOCK_BYTES);
  const counter = Buffer.alloc(BLOCK_BYTES);
  counter.writeBigUInt64BE(BigInt(offset / BLOCK_BYTES), 8);
  const cipher = createCipheriv("aes-128-ctr", key, counter);
  for (let left = bytes; left > 0; left -= PART_BYTES) {
    yield cipher.update(left < PART_BYTES ? ZEROS.subarray(0, left) : ZEROS);
  }
}
