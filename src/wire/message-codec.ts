// Turns messages into the bytes of a frame and back, from the one table in messages.ts, of which it builds
// its own tables once. `data` and `credit`, which come by the million, go past the general loops.
// It decides what a message looks like and who may send it, never what it means.

import { PART_BYTES_MAX } from "../core/limits.ts";
import type { Envelope } from "./connection.ts";
import { FieldCursor, FrameWriter } from "./fields.ts";
import { HEADER_BYTES, putU32, writeHeader } from "./frame.ts";
import { MESSAGES, type Message, type MessageKind, type Sender } from "./messages.ts";
import { type FieldType, WireFault } from "./schema.ts";

/** The side that sent what a parser reads. */
export type Peer = Exclude<Sender, "any">;

interface Codec {
  readonly kind: MessageKind;
  readonly type: number;
  readonly fields: readonly (readonly [name: string, type: FieldType<unknown>])[];
}

const CODECS = new Map<MessageKind, Codec>();
const SENDABLE: Readonly<Record<Peer, Map<number, Codec>>> = {
  client: new Map(),
  proxy: new Map(),
  function: new Map(),
};
const NAMES = new Map<number, MessageKind>();
for (const kind of Object.keys(MESSAGES) as MessageKind[]) {
  const { type, from, fields } = MESSAGES[kind];
  // Proof of the cast: FieldType<Value> is only ever given values of the field it stands for.
  const codec = { kind, type, fields: Object.entries(fields) as unknown as Codec["fields"] };
  CODECS.set(kind, codec);
  NAMES.set(type, kind);
  const senders = from as readonly Sender[];
  for (const peer of ["client", "proxy", "function"] as const) {
    if (senders.includes(peer) || senders.includes("any")) SENDABLE[peer].set(type, codec);
  }
}
if (NAMES.size !== CODECS.size) throw new Error("two messages have the same type number");

const DATA = MESSAGES.data.type;
const CREDIT = MESSAGES.credit.type;
/** stripe u32, index u8, attempt u8, offset u32. */
const DATA_FIELD_BYTES = 10;
/** Frames are cut from blocks of this size: a typed array for each would cost more than the encoding. */
const BLOCK_BYTES = 16_384;
/** A longer frame gets memory of its own, so that it wastes no block. */
const SHARED_FRAME_BYTES_MAX = 2_048;

/** Encodes messages; one is enough for a process, since encoding is synchronous. */
export class FrameEncoder {
  readonly #writer = new FrameWriter();
  #block = new Uint8Array(BLOCK_BYTES);
  #used = 0;

  /**
   * Header and fields of a message, in memory that is never written again. A value that does not fit
   * its field, or a `data` without a body of 1 to PART_BYTES_MAX bytes, throws RangeError.
   */
  encode(envelope: Envelope, message: Message, bodyBytes: number): Uint8Array {
    if (message.kind === "data") return this.#encodeData(envelope, message, bodyBytes);
    if (bodyBytes !== 0) throw new RangeError(`a ${message.kind} has no body`);
    const codec = CODECS.get(message.kind);
    if (codec === undefined) throw new RangeError(`there is no message ${String(message.kind)}`);
    const writer = this.#writer;
    writer.restart();
    // Proof of the cast: the codec's fields are the message's own, by the table both come from.
    const values = message as unknown as { readonly [name: string]: unknown };
    for (const [name, type] of codec.fields) type.write(writer, values[name]);
    const { fieldBytes } = writer;
    writeHeader(writer.bytes, codec.type, envelope, { fieldBytes, bodyBytes });
    const frame = this.#claim(HEADER_BYTES + fieldBytes);
    frame.set(writer.bytes.subarray(0, frame.length));
    return frame;
  }

  #encodeData(
    envelope: Envelope,
    message: Extract<Message, { kind: "data" }>,
    bodyBytes: number,
  ): Uint8Array {
    if (bodyBytes < 1 || bodyBytes > PART_BYTES_MAX) {
      throw new RangeError(`a body has 1 to ${PART_BYTES_MAX} bytes, not ${bodyBytes}`);
    }
    const { stripe, index, attempt, offset } = message;
    if (!isU32(stripe) || !isU32(offset) || !isU8(index) || !isU8(attempt)) {
      throw new RangeError(`data: ${stripe}/${index}/${attempt} at ${offset} is out of range`);
    }
    const frame = this.#claim(HEADER_BYTES + DATA_FIELD_BYTES);
    putU32(frame, HEADER_BYTES, stripe);
    frame[HEADER_BYTES + 4] = index;
    frame[HEADER_BYTES + 5] = attempt;
    putU32(frame, HEADER_BYTES + 6, offset);
    writeHeader(frame, DATA, envelope, { fieldBytes: DATA_FIELD_BYTES, bodyBytes });
    return frame;
  }

  #claim(count: number): Uint8Array {
    if (count > SHARED_FRAME_BYTES_MAX) return new Uint8Array(count);
    if (this.#used + count > BLOCK_BYTES) {
      this.#block = new Uint8Array(BLOCK_BYTES);
      this.#used = 0;
    }
    const frame = this.#block.subarray(this.#used, this.#used + count);
    this.#used += count;
    return frame;
  }
}

/** True when this peer may send messages of that type, whatever their content. */
export function maySend(peer: Peer, type: number): boolean {
  return SENDABLE[peer].has(type);
}

/** True for the one type whose frames have a body. */
export function hasBody(type: number): boolean {
  return type === DATA;
}

/** Decodes the fields at [at, end) of borrowed bytes; anything wrong with them throws WireFault. */
export function decodeMessage(
  peer: Peer,
  type: number,
  bytes: Uint8Array,
  range: { readonly at: number; readonly end: number },
): Message {
  const cursor = new FieldCursor(bytes, range.at, range.end);
  const message =
    type === DATA
      ? decodeData(cursor)
      : type === CREDIT
        ? decodeCredit(cursor)
        : decodeAny(peer, type, cursor);
  if (cursor.restBytes > 0) {
    throw new WireFault(`${message.kind} has ${cursor.restBytes} bytes too many`);
  }
  return message;
}

function decodeData(cursor: FieldCursor): Message {
  const stripe = cursor.u32();
  const index = cursor.u8();
  const attempt = cursor.u8();
  return { kind: "data", stripe, index, attempt, offset: cursor.u32() };
}

function decodeCredit(cursor: FieldCursor): Message {
  const stripe = cursor.u32();
  const index = cursor.u8();
  return { kind: "credit", stripe, index, bytes: cursor.u32() };
}

function decodeAny(peer: Peer, type: number, cursor: FieldCursor): Message {
  const codec = SENDABLE[peer].get(type);
  if (codec === undefined) throw new WireFault(`a ${peer} sent ${nameOf(type)}`);
  const message: { [name: string]: unknown } = { kind: codec.kind };
  for (const [name, field] of codec.fields) message[name] = field.read(cursor);
  // Proof of the cast: every field of this kind was read by the type that describes it.
  return message as unknown as Message;
}

function nameOf(type: number): string {
  return NAMES.get(type) ?? `an unknown message (0x${type.toString(16)})`;
}

function isU32(value: number): boolean {
  return value >>> 0 === value;
}

function isU8(value: number): boolean {
  return (value & 0xff) === value;
}
