// The parser of the Redis protocol as clients send it: bytes in, events out. It knows no socket and no command.
// A bulk of at most `WHOLE_BYTES_MAX` comes whole with its command; a larger one is opened, comes in parts as they
// arrive, and is closed: it is never joined. Every length is checked at its header, before a byte is buffered.

import { splitInline } from "./inline.ts";

/** A bulk above this is passed on in parts; at or below, it is one buffer of the command. */
export const WHOLE_BYTES_MAX = 128 * 1_024;
/** The longest line, inline command or header; redis-server has the same. */
const LINE_BYTES_MAX = 64 * 1_024;
/** The most arguments of one command; redis-server has the same. */
const ARGUMENTS_MAX = 1_024 * 1_024;
/** Before authentication: enough for HELLO and AUTH, too little to cost memory. */
const STRANGER_ARGUMENTS_MAX = 10;
const STRANGER_BULK_BYTES_MAX = 16 * 1_024;

/** What the parser found. A `null` argument is one that was opened, came in parts and was closed. */
export type RespEvent =
  | { readonly kind: "command"; readonly args: readonly (Uint8Array | null)[] }
  | {
      readonly kind: "open";
      readonly args: readonly (Uint8Array | null)[];
      readonly argumentCount: number;
      readonly bytes: number;
    }
  /** A view of what was pushed; the pusher does not write into it again. */
  | { readonly kind: "part"; readonly bytes: Uint8Array }
  | { readonly kind: "close" }
  /** The stream is of no use any more: nothing follows. */
  | { readonly kind: "fault"; readonly text: string };

type State =
  | "command"
  | "header"
  | "inline"
  | "argument"
  | "bulk"
  | "bulkEnd"
  | "large"
  | "largeEnd"
  | "complete";

const decoder = new TextDecoder("latin1");
const NOTHING = new Uint8Array(0);

/** An incremental parser: `push` what came, then take `next` until it is null. */
export class RespParser {
  /** True: the sender has authenticated, or need not. */
  isTrusted: boolean;
  readonly #bulkBytesMax: number;
  #state: State = "command";
  readonly #chunks: Uint8Array[] = [];
  #position = 0;
  #line: Uint8Array = NOTHING;
  #args: (Uint8Array | null)[] = [];
  #argumentCount = 0;
  #heldBytes = 0;
  #bulk: Uint8Array = NOTHING;
  /** Bytes still to come of the bulk or of its CRLF. */
  #restBytes = 0;
  #isBroken = false;

  constructor(options: { readonly bulkBytesMax: number; readonly isTrusted: boolean }) {
    this.#bulkBytesMax = options.bulkBytesMax;
    this.isTrusted = options.isTrusted;
  }

  /** Takes over what came from the network. */
  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#chunks.push(bytes);
  }

  /** True while a command has begun and is not complete. */
  get isMidway(): boolean {
    return this.#state !== "command";
  }

  /** Bytes of whole arguments of the command under way, for the bound on memory of all connections. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The next event, or null when more bytes are needed. */
  next(): RespEvent | null {
    while (!this.#isBroken) {
      const event = this.#step();
      if (event !== "again") return event;
    }
    return null;
  }

  #step(): RespEvent | null | "again" {
    if (this.#state === "complete") return this.#endCommand();
    const chunk = this.#chunks[0];
    if (chunk === undefined) return null;
    switch (this.#state) {
      case "command":
        this.#state = chunk[this.#position] === 0x2a ? "header" : "inline";
        return "again";
      case "header":
        return this.#takeLine((line) => this.#beginCommand(line));
      case "inline":
        return this.#takeLine((line) => this.#inline(line));
      case "argument":
        return this.#takeLine((line) => this.#beginArgument(line));
      case "bulk":
        return this.#fillBulk(chunk);
      case "large":
        return this.#passLarge(chunk);
      case "bulkEnd":
      case "largeEnd":
        return this.#endBulk(chunk);
    }
  }

  #takeLine(use: (line: string) => RespEvent | "again"): RespEvent | null | "again" {
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return null;
      const end = chunk.indexOf(0x0a, this.#position);
      const piece = chunk.subarray(this.#position, end === -1 ? chunk.length : end);
      if (this.#line.length + piece.length > LINE_BYTES_MAX) return this.#tooLong();
      // A line is rarely cut, and short: joining its pieces costs nothing.
      this.#line = this.#line.length === 0 ? piece : joined(this.#line, piece);
      this.#advance(piece.length + (end === -1 ? 0 : 1));
      if (end === -1) continue;
      const line = decoder.decode(this.#line);
      this.#line = NOTHING;
      return use(line.endsWith("\r") ? line.slice(0, -1) : line);
    }
  }

  #tooLong(): RespEvent {
    if (this.#state === "inline") return this.#fault("too big inline request");
    return this.#fault(`too big ${this.#state === "header" ? "mbulk" : "bulk"} count string`);
  }

  #beginCommand(line: string): RespEvent | "again" {
    const count = parseLength(line.slice(1));
    if (count === null || count > ARGUMENTS_MAX) return this.#fault("invalid multibulk length");
    if (count > STRANGER_ARGUMENTS_MAX && !this.isTrusted) {
      return this.#fault("unauthenticated multibulk length");
    }
    this.#argumentCount = count;
    this.#state = count > 0 ? "argument" : "command";
    return "again";
  }

  #inline(line: string): RespEvent | "again" {
    this.#state = "command";
    const args = splitInline(line);
    if (args === null) return this.#fault("unbalanced quotes in request");
    return args.length === 0 ? "again" : { kind: "command", args };
  }

  #beginArgument(line: string): RespEvent | "again" {
    if (!line.startsWith("$")) return this.#fault(`expected '$', got '${line.slice(0, 1) || " "}'`);
    const bytes = parseLength(line.slice(1));
    if (bytes === null || bytes < 0 || bytes > this.#bulkBytesMax) {
      return this.#fault("invalid bulk length");
    }
    if (bytes > STRANGER_BULK_BYTES_MAX && !this.isTrusted) {
      return this.#fault("unauthenticated bulk length");
    }
    this.#restBytes = bytes;
    if (bytes > WHOLE_BYTES_MAX) {
      this.#state = "large";
      return { kind: "open", args: [...this.#args], argumentCount: this.#argumentCount, bytes };
    }
    this.#heldBytes += bytes;
    this.#bulk = new Uint8Array(bytes);
    this.#state = bytes > 0 ? "bulk" : "bulkEnd";
    if (bytes === 0) this.#restBytes = 2;
    return "again";
  }

  #fillBulk(chunk: Uint8Array): "again" {
    const piece = chunk.subarray(this.#position, this.#position + this.#restBytes);
    this.#bulk.set(piece, this.#bulk.length - this.#restBytes);
    this.#restBytes -= piece.length;
    this.#advance(piece.length);
    if (this.#restBytes === 0) {
      this.#state = "bulkEnd";
      this.#restBytes = 2;
    }
    return "again";
  }

  #passLarge(chunk: Uint8Array): RespEvent {
    const piece = chunk.subarray(this.#position, this.#position + this.#restBytes);
    this.#restBytes -= piece.length;
    this.#advance(piece.length);
    if (this.#restBytes === 0) {
      this.#state = "largeEnd";
      this.#restBytes = 2;
    }
    return { kind: "part", bytes: piece };
  }

  /** Unlike redis-server, which skips two bytes unseen: a sender out of step must not have its bytes stored. */
  #endBulk(chunk: Uint8Array): RespEvent | "again" {
    const expected = this.#restBytes === 2 ? 0x0d : 0x0a;
    if (chunk[this.#position] !== expected) return this.#fault("expected CRLF after a bulk");
    this.#restBytes -= 1;
    this.#advance(1);
    if (this.#restBytes > 0) return "again";
    const wasLarge = this.#state === "largeEnd";
    this.#args.push(wasLarge ? null : this.#bulk);
    this.#bulk = NOTHING;
    const isLast = this.#args.length === this.#argumentCount;
    this.#state = isLast ? "complete" : "argument";
    return wasLarge ? { kind: "close" } : "again";
  }

  #endCommand(): RespEvent {
    const args = this.#args;
    this.#args = [];
    this.#heldBytes = 0;
    this.#state = "command";
    return { kind: "command", args };
  }

  #advance(bytes: number): void {
    this.#position += bytes;
    if (this.#position < (this.#chunks[0]?.length ?? 0)) return;
    this.#chunks.shift();
    this.#position = 0;
  }

  #fault(text: string): RespEvent {
    this.#isBroken = true;
    this.#chunks.length = 0;
    this.#args = [];
    return { kind: "fault", text: `ERR Protocol error: ${text}` };
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** A decimal integer as redis-server reads it (no plus, no leading zero, no space), or null. */
export function parseLength(text: string): number | null {
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}
