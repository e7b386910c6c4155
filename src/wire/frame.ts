// The header of a frame: 32 bytes, little-endian, in front of a message's fields and, for `data`, a body.
// Both checks catch what a wrong length or a flipped bit would otherwise turn into a stream out of step.
// It never looks into the fields, and never covers the body: chunks carry a digest of their own.

import { PART_BYTES_MAX } from "../core/limits.ts";
import type { Envelope } from "./connection.ts";
import { WireFault } from "./schema.ts";

/** The length of every header. */
export const HEADER_BYTES = 32;
/** Header and fields together fit into 64 KiB, so that one small buffer receives any of them. */
export const FIELD_BYTES_MAX = 65_536 - HEADER_BYTES;
/** The version of framing and messages; a side that speaks another is refused. */
export const PROTOCOL_VERSION = 1;
/** The first two bytes: "IC". */
const MAGIC = 0x4349;
/** Where the check over the header stands; it covers all before it. */
const HEADER_CHECK_AT = 24;
/** Where the check over the fields stands. */
const FIELDS_CHECK_AT = 28;

/** What a header says. */
export interface FrameHeader extends Envelope {
  readonly type: number;
  readonly fieldBytes: number;
  readonly bodyBytes: number;
  /** Of the fields that follow. */
  readonly fieldsCheck: number;
}

/** Writes a header at the start of `target`, whose fields stand behind it already. */
export function writeHeader(
  target: Uint8Array,
  type: number,
  envelope: Envelope,
  lengths: { readonly fieldBytes: number; readonly bodyBytes: number },
): void {
  const { fieldBytes, bodyBytes } = lengths;
  target[0] = MAGIC & 0xff;
  target[1] = MAGIC >>> 8;
  target[2] = PROTOCOL_VERSION;
  target[3] = type;
  putU32(target, 4, envelope.channel);
  putU32(target, 8, envelope.term);
  putU32(target, 12, envelope.invocation);
  putU32(target, 16, fieldBytes);
  putU32(target, 20, bodyBytes);
  const headerCheck = checkOf(target, 0, HEADER_CHECK_AT, PROTOCOL_VERSION);
  putU32(target, HEADER_CHECK_AT, headerCheck);
  const fieldsCheck = checkOf(target, HEADER_BYTES, HEADER_BYTES + fieldBytes, headerCheck);
  putU32(target, FIELDS_CHECK_AT, fieldsCheck);
}

/** Reads the header that begins at `at` and is wholly there; anything wrong with it throws WireFault. */
export function readHeader(bytes: Uint8Array, at: number): FrameHeader {
  if (bytes[at] !== (MAGIC & 0xff) || bytes[at + 1] !== MAGIC >>> 8) {
    throw new WireFault("what came is no frame of this protocol");
  }
  const version = bytes[at + 2]!;
  if (version !== PROTOCOL_VERSION) {
    throw new WireFault(`protocol version ${version}; this side speaks ${PROTOCOL_VERSION}`);
  }
  const check = checkOf(bytes, at, at + HEADER_CHECK_AT, PROTOCOL_VERSION);
  if (check !== getU32(bytes, at + HEADER_CHECK_AT)) {
    throw new WireFault("a frame's header is damaged");
  }
  // The two reserved bytes are the upper half of this number: set, they make it too large.
  const fieldBytes = getU32(bytes, at + 16);
  if (fieldBytes > FIELD_BYTES_MAX) {
    throw new WireFault(`fields of ${fieldBytes} bytes, limit ${FIELD_BYTES_MAX}`);
  }
  const bodyBytes = getU32(bytes, at + 20);
  if (bodyBytes > PART_BYTES_MAX) {
    throw new WireFault(`a body of ${bodyBytes} bytes, limit ${PART_BYTES_MAX}`);
  }
  return {
    type: bytes[at + 3]!,
    channel: getU32(bytes, at + 4),
    term: getU32(bytes, at + 8),
    invocation: getU32(bytes, at + 12),
    fieldBytes,
    bodyBytes,
    fieldsCheck: getU32(bytes, at + FIELDS_CHECK_AT),
  };
}

/** Throws WireFault unless the fields behind the header at `at` are those it was written for. */
export function checkFields(bytes: Uint8Array, at: number, header: FrameHeader): void {
  const start = at + HEADER_BYTES;
  const headerCheck = getU32(bytes, at + HEADER_CHECK_AT);
  if (checkOf(bytes, start, start + header.fieldBytes, headerCheck) !== header.fieldsCheck) {
    throw new WireFault("a frame's fields are damaged");
  }
}

/**
 * A fast 32-bit check over words. Every step is a bijection of the state, so damage within one
 * aligned word is always found, and any other with all but one chance in 2^32.
 */
function checkOf(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let state = (seed ^ 0x9e3779b9) | 0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    state = Math.imul(state ^ word, 0x85ebca6b);
    state ^= state >>> 15;
  }
  for (; at < end; at++) {
    state = Math.imul(state ^ bytes[at]!, 0xc2b2ae35);
    state ^= state >>> 13;
  }
  state = Math.imul(state ^ (end - start), 0x27d4eb2f);
  return (state ^ (state >>> 16)) >>> 0;
}

/** Reads four bytes as an unsigned integer. */
export function getU32(bytes: Uint8Array, at: number): number {
  const upper = (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  return (bytes[at]! | (bytes[at + 1]! << 8) | upper) >>> 0;
}

/** Writes an unsigned integer as four bytes; the caller has checked its range. */
export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
