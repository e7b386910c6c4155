// Turns a stream of bytes, cut anywhere, into messages. It knows no socket: whoever has one asks `place` where the
// next bytes shall go and says with `advance` how many came, so that a body lands in its final place without a copy.
// Memory: the caller's scratch, which parsers may share, and one partial frame of at most 64 KiB.

import { assert } from "../core/assert.ts";
import type { ConnectionHandler, Envelope } from "./connection.ts";
import { checkFields, type FrameHeader, HEADER_BYTES, readHeader } from "./frame.ts";
import { decodeMessage, hasBody, maySend, type Peer } from "./message-codec.ts";
import type { Message } from "./messages.ts";
import { WireFault } from "./schema.ts";

/** How long the fields of a frame may be before the other side has proven who it is. */
export const LOCKED_FIELD_BYTES_MAX = 8_192;
/** How long a scratch must be: less would mean many small reads. */
export const SCRATCH_BYTES_MIN = 4_096;
/** The least memory for a partial frame. */
const PARTIAL_BYTES_MIN = 1_024;
/**
 * What is read at once where a header is due right behind a long body. More would carry the start of the next
 * body into the scratch, from where it must be copied; of short ones, many come with one read.
 */
const BEHIND_BODY_BYTES = 4_096;
const LONG_BODY_BYTES_MIN = 65_536;
/** The rest of a short body is read with what comes behind it, and copied, if it is shorter: a read of its own costs more. */
const REST_IN_PLACE_BYTES_MIN = 8_192;

/** What a parser calls, synchronously, from within `advance` and `feed`. */
export type FrameSink = Pick<ConnectionHandler, "bodyPlace" | "onMessage">;

/** What a parser is made of. */
export interface FrameParserOptions {
  /** Which side's messages these are. */
  readonly peer: Peer;
  readonly sink: FrameSink;
  /**
   * Memory for headers and small frames, at least SCRATCH_BYTES_MIN. Between `place` and `advance` it is this parser's;
   * between calls it keeps nothing there, so that all sockets of a process may share one.
   */
  readonly scratch: Uint8Array;
  /** True until `unlock`: no bodies, and fields of at most LOCKED_FIELD_BYTES_MAX. */
  readonly isLocked?: boolean;
}

interface PendingBody {
  readonly envelope: Envelope;
  readonly message: Message;
  /** Null: the bytes are thrown away. */
  readonly place: Uint8Array | null;
  readonly bodyBytes: number;
  restBytes: number;
}

type PlacedBody = PendingBody & { readonly place: Uint8Array };

function isPlaced(body: PendingBody): body is PlacedBody {
  return body.place !== null;
}

/** An incremental parser of one direction of one connection. After a WireFault it is of no further use. */
export class FrameParser {
  readonly #peer: Peer;
  readonly #sink: FrameSink;
  readonly #scratch: Uint8Array;
  readonly #shortScratch: Uint8Array;
  #isLocked: boolean;
  #isStopped = false;
  #isBehindBody = false;
  #body: PendingBody | null = null;
  /** The beginning of a frame whose rest has not come, or null. */
  #partial: Uint8Array | null = null;
  #partialBytes = 0;

  constructor(options: FrameParserOptions) {
    assert(options.scratch.length >= SCRATCH_BYTES_MIN, "the scratch of a parser is too short");
    this.#peer = options.peer;
    this.#sink = options.sink;
    this.#scratch = options.scratch;
    this.#shortScratch = options.scratch.subarray(0, BEHIND_BODY_BYTES);
    this.#isLocked = options.isLocked ?? false;
  }

  /** True between two frames: the stream may end here. */
  get isBetweenFrames(): boolean {
    return this.#body === null && this.#partial === null;
  }

  /** True until `unlock`, where the parser was made so. */
  get isLocked(): boolean {
    return this.#isLocked;
  }

  /** The other side has proven who it is: bodies and long fields may come. */
  unlock(): void {
    this.#isLocked = false;
  }

  /** Nothing more is wanted: what still comes is thrown away and the sink is not called again. */
  stop(): void {
    this.#isStopped = true;
    this.#body = null;
    this.#partial = null;
  }

  /** Where the next bytes go; never empty. */
  place(): Uint8Array {
    const body = this.#bodyInPlace;
    if (body !== null) return body.place.subarray(body.place.length - body.restBytes);
    if (this.#partial !== null) return this.#partial.subarray(this.#partialBytes);
    return this.#isBehindBody ? this.#shortScratch : this.#scratch;
  }

  /** `count` bytes were written to the start of what `place` answered last. */
  advance(count: number): void {
    if (this.#isStopped) return;
    const body = this.#bodyInPlace;
    if (body !== null) {
      this.#fill(body, count);
      return;
    }
    if (this.#partial !== null) {
      this.#partialBytes += count;
      const { partial, end } = { partial: this.#partial, end: this.#partialBytes };
      this.#keep(partial, this.#parse(partial, 0, end), end);
      return;
    }
    this.#keep(this.#scratch, this.#parse(this.#scratch, 0, count), count);
  }

  /** The same for bytes that came in memory of their own, which is borrowed until the call returns. */
  feed(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.#isStopped) {
      if (this.#partial === null && this.#bodyInPlace === null) {
        this.#keep(chunk, this.#parse(chunk, at, chunk.length), chunk.length);
        return;
      }
      const place = this.place();
      const count = Math.min(place.length, chunk.length - at);
      place.set(chunk.subarray(at, at + count));
      at += count;
      this.advance(count);
    }
  }

  /** The body that is received where it belongs: the same from `place` to `advance`. */
  get #bodyInPlace(): PlacedBody | null {
    const body = this.#body;
    if (body === null || !isPlaced(body)) return null;
    const isWorthIt =
      body.bodyBytes >= LONG_BODY_BYTES_MIN || body.restBytes >= REST_IN_PLACE_BYTES_MIN;
    return isWorthIt ? body : null;
  }

  /** Takes whole frames, and the body that is under way, from [at, end); answers where it stopped. */
  #parse(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && !this.#isStopped) {
      if (this.#body !== null) {
        at += this.#take(this.#body, bytes, at, end);
        continue;
      }
      if (end - at < HEADER_BYTES) return at;
      const header = this.#admit(readHeader(bytes, at));
      const fieldsEnd = at + HEADER_BYTES + header.fieldBytes;
      if (fieldsEnd > end) return at;
      checkFields(bytes, at, header);
      const range = { at: at + HEADER_BYTES, end: fieldsEnd };
      const message = decodeMessage(this.#peer, header.type, bytes, range);
      const { channel, term, invocation, bodyBytes } = header;
      this.#begin({ channel, term, invocation }, message, bodyBytes);
      at = fieldsEnd;
    }
    return end;
  }

  /** What can be said of a frame before its fields have come. */
  #admit(header: FrameHeader): FrameHeader {
    const { type, fieldBytes, bodyBytes } = header;
    if (!maySend(this.#peer, type)) {
      throw new WireFault(`a ${this.#peer} may not send messages of type 0x${type.toString(16)}`);
    }
    if (hasBody(type) !== bodyBytes > 0) {
      throw new WireFault(bodyBytes > 0 ? "a body where none may be" : "data without a body");
    }
    if (this.#isLocked && (bodyBytes > 0 || fieldBytes > LOCKED_FIELD_BYTES_MAX)) {
      throw new WireFault("too long a message before the connection was authenticated");
    }
    return header;
  }

  #begin(envelope: Envelope, message: Message, bodyBytes: number): void {
    this.#isBehindBody = false;
    if (bodyBytes === 0) {
      this.#sink.onMessage(envelope, message, null);
      return;
    }
    const place = this.#sink.bodyPlace(envelope, message, bodyBytes);
    if (this.#isStopped) return;
    assert(place === null || place.length === bodyBytes, "bodyPlace gave memory of another length");
    this.#body = { envelope, message, place, bodyBytes, restBytes: bodyBytes };
  }

  /** Takes what belongs to a body from bytes that stand elsewhere; answers how much that was. */
  #take(body: PendingBody, bytes: Uint8Array, at: number, end: number): number {
    const count = Math.min(body.restBytes, end - at);
    if (body.place !== null) {
      body.place.set(bytes.subarray(at, at + count), body.place.length - body.restBytes);
    }
    this.#fill(body, count);
    return count;
  }

  #fill(body: PendingBody, count: number): void {
    body.restBytes -= count;
    assert(body.restBytes >= 0, "more bytes came than there was room for");
    if (body.restBytes > 0) return;
    this.#body = null;
    this.#isBehindBody = body.bodyBytes >= LONG_BODY_BYTES_MIN;
    this.#sink.onMessage(body.envelope, body.message, body.place);
  }

  /** Keeps the beginning of a frame, [at, end) of `bytes`, for the next call. */
  #keep(bytes: Uint8Array, at: number, end: number): void {
    const count = end - at;
    if (count === 0 || this.#isStopped) {
      this.#partial = null;
      this.#partialBytes = 0;
      return;
    }
    let neededBytes = PARTIAL_BYTES_MIN;
    if (count >= HEADER_BYTES) {
      neededBytes = Math.max(neededBytes, HEADER_BYTES + readHeader(bytes, at).fieldBytes);
    }
    if (this.#partial !== null && this.#partial === bytes && bytes.length >= neededBytes) {
      if (at > 0) bytes.copyWithin(0, at, end);
    } else {
      const partial = new Uint8Array(neededBytes);
      partial.set(bytes.subarray(at, end));
      this.#partial = partial;
    }
    this.#partialBytes = count;
  }
}
