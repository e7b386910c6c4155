// Writes and reads the fields of one frame in memory. A value out of range is the writer's fault (RangeError),
// a read past the end or an impossible number the other side's (WireFault).

import { FIELD_BYTES_MAX, getU32, HEADER_BYTES, putU32 } from "./frame.ts";
import { type FieldReader, type FieldWriter, WireFault } from "./schema.ts";

const WORD = 2 ** 32;
const textEncoder = new TextEncoder();

/** Writes fields behind room for a header, into memory that it uses again for the next frame. */
export class FrameWriter implements FieldWriter {
  /** Room for the largest header and fields. */
  readonly bytes = new Uint8Array(HEADER_BYTES + FIELD_BYTES_MAX);
  #at = HEADER_BYTES;

  /** How many bytes of fields were written since `restart`. */
  get fieldBytes(): number {
    return this.#at - HEADER_BYTES;
  }

  /** Forgets what was written. */
  restart(): void {
    this.#at = HEADER_BYTES;
  }

  u8(value: number): void {
    this.bytes[this.#claim(1)] = inRange(value, 0xff);
  }

  u16(value: number): void {
    const at = this.#claim(2);
    this.bytes[at] = inRange(value, 0xffff);
    this.bytes[at + 1] = value >>> 8;
  }

  u32(value: number): void {
    putU32(this.bytes, this.#claim(4), inRange(value, WORD - 1));
  }

  u53(value: number): void {
    const at = this.#claim(8);
    putU32(this.bytes, at, inRange(value, Number.MAX_SAFE_INTEGER) % WORD);
    putU32(this.bytes, at + 4, Math.floor(value / WORD));
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#claim(bytes.length));
  }

  text(value: string, bytesMax: number): void {
    // Callers in plain JavaScript may hand in anything; a length that is no number would spoil all that follows.
    if (typeof value !== "string") throw new RangeError(`text is a string, not a ${typeof value}`);
    const lengthAt = this.#claim(2);
    if (value.length > this.bytes.length - this.#at || !this.#ascii(value)) {
      // Longer than its units by a factor of three at most, and seldom: memory of its own costs less than looking ahead.
      const encoded = textEncoder.encode(value);
      this.bytes.set(encoded, this.#claim(encoded.length));
    }
    const count = this.#at - lengthAt - 2;
    if (count > bytesMax) throw new RangeError(`text of ${count} bytes, limit ${bytesMax}`);
    this.bytes[lengthAt] = count;
    this.bytes[lengthAt + 1] = count >>> 8;
  }

  /** Writes text whose every unit is one byte of UTF-8; false: it has others, and nothing is claimed. */
  #ascii(value: string): boolean {
    const at = this.#at;
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index);
      if (unit > 0x7f) return false;
      this.bytes[at + index] = unit;
    }
    this.#at = at + value.length;
    return true;
  }

  #claim(count: number): number {
    const at = this.#at;
    if (at + count > this.bytes.length) {
      throw new RangeError(`the fields of a message are longer than ${FIELD_BYTES_MAX} bytes`);
    }
    this.#at = at + count;
    return at;
  }
}

/** Reads the fields that stand at [at, end) of borrowed bytes. */
export class FieldCursor implements FieldReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  /** How many bytes have not been read. */
  get restBytes(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    return this.#bytes[this.#claim(1)]!;
  }

  u16(): number {
    const at = this.#claim(2);
    return this.#bytes[at]! | (this.#bytes[at + 1]! << 8);
  }

  u32(): number {
    return getU32(this.#bytes, this.#claim(4));
  }

  u53(): number {
    const at = this.#claim(8);
    const value = getU32(this.#bytes, at) + getU32(this.#bytes, at + 4) * WORD;
    if (value > Number.MAX_SAFE_INTEGER) throw new WireFault("a number is above 2^53");
    return value;
  }

  raw(count: number): Uint8Array {
    const at = this.#claim(count);
    // Not `slice`: of a Buffer that would be a view, which keeps all of what was read.
    const copy = new Uint8Array(count);
    copy.set(this.#bytes.subarray(at, at + count));
    return copy;
  }

  #claim(count: number): number {
    const at = this.#at;
    if (at + count > this.#end) throw new WireFault("a message is shorter than its fields");
    this.#at = at + count;
    return at;
  }
}

function inRange(value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new RangeError(`${value} is not an integer from 0 to ${max}`);
}
