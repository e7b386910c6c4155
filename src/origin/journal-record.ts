// One record of the journal as bytes: a checksum over all that follows it, a length, a type, the number of the entry, and
// the payload. Pure; the checksum is handed in.

/** What a record is: a part of an entry's body, its commit, or that the origin has it. */
export type RecordType = "part" | "commit" | "done";

/** Bytes before the payload. */
export const RECORD_HEADER_BYTES = 17;
/** The longest payload: a larger part is cut. */
export const PAYLOAD_BYTES_MAX = 1_024 * 1_024;

const TYPES: readonly RecordType[] = ["part", "commit", "done"];

/** The checksum of the bytes, 32 bits unsigned. */
export type Checksum = (bytes: Uint8Array) => number;

/** A record that was read. The payload is a view. */
export interface JournalRecord {
  readonly type: RecordType;
  readonly id: number;
  readonly payload: Uint8Array;
}

/** A fresh buffer with the whole record. */
export function encodeRecord({ type, id, payload }: JournalRecord, checksum: Checksum): Uint8Array {
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, payload.length, true);
  view.setUint8(8, TYPES.indexOf(type));
  view.setFloat64(9, id, true);
  bytes.set(payload, RECORD_HEADER_BYTES);
  view.setUint32(0, checksum(bytes.subarray(4)), true);
  return bytes;
}

/** How long the record is that begins with this header; null: it is none. */
export function recordLength(header: Uint8Array): number | null {
  if (header.length < RECORD_HEADER_BYTES) return null;
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const length = view.getUint32(4, true);
  const isRecord = length <= PAYLOAD_BYTES_MAX && view.getUint8(8) < TYPES.length;
  return isRecord ? RECORD_HEADER_BYTES + length : null;
}

/** The record in exactly these bytes; null: they are not what was written. */
export function decodeRecord(bytes: Uint8Array, checksum: Checksum): JournalRecord | null {
  if (recordLength(bytes) !== bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== checksum(bytes.subarray(4))) return null;
  const type = TYPES[view.getUint8(8)];
  if (type === undefined) return null;
  return { type, id: view.getFloat64(9, true), payload: bytes.subarray(RECORD_HEADER_BYTES) };
}
