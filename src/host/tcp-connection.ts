// A connection over a TCP socket: bytes to messages by the parser, messages to bytes in the order of the outbox.
// It keeps little in the socket, so that the order stays ours; never joins bodies; and calls its handler only from
// events of the loop. What a handler throws ends here, at the edge.

import type { Socket } from "node:net";
import { AssertionError, assert } from "../core/assert.ts";
import type { Connection, ConnectionHandler, Envelope } from "../wire/connection.ts";
import { Fifo } from "../wire/fifo.ts";
import { FrameEncoder, type Peer } from "../wire/message-codec.ts";
import type { Message } from "../wire/messages.ts";
import { Outbox, type QueuedFrame } from "../wire/outbox.ts";
import { FrameParser } from "../wire/parser.ts";
import { WireFault } from "../wire/schema.ts";
import { type Reader, ReadTurns } from "./read-turns.ts";
import { WriteTurns } from "./write-turns.ts";

/**
 * What is handed to the socket and not yet taken by the kernel: less costs a turn of the loop more often, more makes
 * urgent messages wait longer behind bodies (1 MiB is 13 ms at a function's 78 MB/s).
 */
const SOCKET_BYTES_MAX = 1_024 * 1_024;
/** A body up to this is copied behind its header: cheaper than one more piece of a vectored write. */
const JOINED_BODY_BYTES_MAX = 4_096;
/** Messages without a body that the other side may leave unread before it is cut off. */
const UNREAD_BYTES_MAX = 16 * 1_024 * 1_024;
/** What a side says once it knows who the other is. */
const WELCOMES: ReadonlySet<Message["kind"]> = new Set([
  "welcome",
  "functionWelcome",
  "directWelcome",
]);
/** How long what is queued may take to leave after `close`. */
const CLOSE_MS_MAX = 1_000;
/** Shared by all sockets: each read ends in its parser before the next begins. */
const SCRATCH = new Uint8Array(32_768);
const ENCODER = new FrameEncoder();
/** Of all sockets of this thread: they share its loop. */
const READ_TURNS = new ReadTurns(setImmediate);
const WRITE_TURNS = new WriteTurns(setImmediate);

/** What a handler threw that was no WireFault; the connection is closed already. */
export type OnFault = (error: unknown, remote: string) => void;

/** What a connection is made of. */
export interface TcpConnectionOptions {
  /** Who the other side is. */
  readonly peer: Peer;
  /** Where it is, for logs. */
  readonly remote: string;
  /** True: little is accepted until this side has sent `welcome` or `functionWelcome`. */
  readonly isLocked: boolean;
  /** True: a side that has not been welcomed is closed without a word, whatever it did wrong. */
  readonly isSilent?: boolean;
  /** Absent: what a handler throws is thrown out of the loop. */
  readonly onFault?: OnFault;
}

/** A connection over a socket. Made by TcpDialer and listenTcp. */
export class TcpConnection implements Connection {
  readonly remote: string;
  readonly #options: TcpConnectionOptions;
  readonly #parser: FrameParser;
  readonly #outbox = new Outbox<Uint8Array>();
  #socket: Socket | null = null;
  readonly #reader: Reader = {
    stop: () => void this.#socket?.pause(),
    goOn: () => void this.#socket?.resume(),
  };
  #handler: ConnectionHandler | null = null;
  #socketBytes = 0;
  #isPumpDue = false;
  #isWaitingToWrite = false;
  readonly #writeOn = (): void => {
    this.#isWaitingToWrite = false;
    this.#pump();
  };
  #closeReason: string | null = null;
  #isOver = false;
  /** What was handed to the socket, one write after the other; each ends before the next. */
  readonly #inSocket = new Fifo<readonly QueuedFrame<Uint8Array>[]>();
  #settled: (() => void)[] = [];
  #closeTimer: NodeJS.Timeout | undefined;
  /** Why it was closed, where the other side broke the protocol. */
  #wireFault: WireFault | null = null;

  constructor(options: TcpConnectionOptions) {
    this.remote = options.remote;
    this.#options = options;
    const sink = {
      bodyPlace: (envelope: Envelope, message: Message, bytes: number) =>
        this.#expectHandler().bodyPlace(envelope, message, bytes),
      onMessage: (envelope: Envelope, message: Message, body: Uint8Array | null) =>
        this.#expectHandler().onMessage(envelope, message, body),
    };
    const { peer, isLocked } = options;
    this.#parser = new FrameParser({ peer, sink, scratch: SCRATCH, isLocked });
  }

  get queuedBytes(): number {
    return this.#outbox.queuedBytes + this.#socketBytes;
  }

  /** True until this side has welcomed the other. */
  get isLocked(): boolean {
    return this.#parser.isLocked;
  }

  /** What the other side did against the protocol, or null. */
  get wireFault(): WireFault | null {
    return this.#wireFault;
  }

  setHandler(handler: ConnectionHandler): void {
    assert(this.#handler === null, "a connection's handler is set once");
    this.#handler = handler;
  }

  send(envelope: Envelope, message: Message, body?: Uint8Array, onSent?: () => void): void {
    if (this.#closeReason !== null || this.#isOver) {
      this.#settle(onSent ?? null);
      return;
    }
    const content = ENCODER.encode(envelope, message, body?.length ?? 0);
    this.#outbox.offer({
      channel: envelope.channel,
      content,
      body: body ?? null,
      bytes: content.length + (body?.length ?? 0),
      onSent: onSent ?? null,
    });
    if (WELCOMES.has(message.kind)) this.#parser.unlock();
    if (this.#outbox.bodilessBytes > UNREAD_BYTES_MAX) {
      this.#abort("the other side does not read");
      return;
    }
    this.#pumpSoon();
  }

  dropQueued(channel: number): void {
    for (const frame of this.#outbox.drop(channel)) this.#settle(frame.onSent);
  }

  close(reason: string): void {
    if (this.#closeReason !== null || this.#isOver) return;
    this.#closeReason = reason;
    this.#parser.stop();
    this.#closeTimer = setTimeout(() => this.#socket?.destroy(), CLOSE_MS_MAX);
    this.#pumpSoon();
  }

  abort(reason: string): void {
    if (!this.#isOver) this.#abort(reason);
  }

  /** @internal For whoever makes the socket: the options by which it receives in place. */
  readonly onread = {
    buffer: (): Uint8Array => this.#parser.place(),
    callback: (count: number): boolean => {
      this.#receive(() => this.#parser.advance(count));
      return READ_TURNS.mayReadOn(count, this.#reader);
    },
  };

  /** @internal Bytes that came otherwise than in place. */
  feed(chunk: Uint8Array): void {
    this.#receive(() => this.#parser.feed(chunk));
  }

  /** @internal Takes over a connected socket, which reads by `onread` or has its `data` fed by this. */
  attach(socket: Socket, how: { readonly isInPlace: boolean }): void {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 15_000);
    if (!how.isInPlace) socket.on("data", (chunk: Uint8Array) => this.feed(chunk));
    socket.on("end", () => {
      const isWhole = this.#parser.isBetweenFrames;
      this.#abort(isWhole ? "closed by the other side" : "closed in the middle of a frame");
    });
    socket.on("error", (error) => this.#abort(error.message));
    socket.on("close", () => this.#finish());
    if (this.#outbox.queuedBytes > 0) this.#pumpSoon();
  }

  #expectHandler(): ConnectionHandler {
    assert(this.#handler !== null, "a connection was handed over and nobody took it");
    return this.#handler;
  }

  #receive(read: () => void): void {
    if (this.#closeReason !== null || this.#isOver) return;
    try {
      read();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (error instanceof WireFault) {
      this.#wireFault = error;
      const isSilent = this.#options.isSilent === true && this.#parser.isLocked;
      if (isSilent) return this.#abort(error.message);
      if (this.#options.peer !== "proxy") {
        const envelope = { channel: 0, term: 0, invocation: 0 };
        this.send(envelope, { kind: "refused", code: "ICACHE_PROTOCOL", reason: error.message });
      }
      this.close(`the other side broke the protocol: ${error.message}`);
      return;
    }
    this.#abort(error instanceof Error ? `a fault of this side: ${error.message}` : "a fault");
    const { onFault } = this.#options;
    if (onFault === undefined || error instanceof AssertionError) {
      queueMicrotask(() => {
        throw error;
      });
    } else onFault(error, this.remote);
  }

  #abort(reason: string): void {
    this.#closeReason ??= reason;
    this.#parser.stop();
    this.#socket?.destroy();
  }

  #settle(onSent: (() => void) | null): void {
    if (onSent === null) return;
    this.#settled.push(onSent);
    if (this.#settled.length === 1) queueMicrotask(() => this.#callSettled());
  }

  #callSettled(): void {
    const settled = this.#settled;
    this.#settled = [];
    for (const onSent of settled) this.#callEdge(onSent);
  }

  #callEdge(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Messages of one turn leave together. */
  #pumpSoon(): void {
    if (this.#isPumpDue || this.#socket === null) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    const socket = this.#socket;
    if (socket === null || socket.destroyed || this.#isOver || this.#isWaitingToWrite) return;
    while (this.#socketBytes < SOCKET_BYTES_MAX && this.#outbox.queuedBytes > 0) {
      if (!WRITE_TURNS.mayWrite(this.#outbox.queuedBytes, this.#writeOn)) {
        this.#isWaitingToWrite = true;
        return;
      }
      this.#write(socket, this.#outbox.take(SOCKET_BYTES_MAX - this.#socketBytes));
    }
    if (this.#closeReason !== null && this.queuedBytes === 0 && !socket.writableEnded) socket.end();
  }

  #write(socket: Socket, frames: readonly QueuedFrame<Uint8Array>[]): void {
    const pieces: Uint8Array[] = [];
    let small: Uint8Array[] = [];
    const joinSmall = (): void => {
      if (small.length > 0) pieces.push(joined(small));
      small = [];
    };
    let bytes = 0;
    for (const frame of frames) {
      bytes += frame.bytes;
      small.push(frame.content);
      if (frame.body === null) continue;
      if (frame.body.length <= JOINED_BODY_BYTES_MAX) {
        small.push(frame.body);
        continue;
      }
      joinSmall();
      pieces.push(frame.body);
    }
    joinSmall();
    this.#socketBytes += bytes;
    WRITE_TURNS.wrote(bytes);
    this.#inSocket.push(frames);
    const last = pieces.pop()!;
    socket.cork();
    for (const piece of pieces) socket.write(piece);
    socket.write(last, () => this.#sent(bytes));
    socket.uncork();
  }

  #sent(bytes: number): void {
    if (this.#isOver) return;
    this.#socketBytes -= bytes;
    for (const { onSent } of this.#inSocket.shift() ?? [])
      if (onSent !== null) this.#callEdge(onSent);
    this.#pump();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#closeTimer);
    this.#parser.stop();
    const unsent: QueuedFrame<Uint8Array>[] = [];
    for (let frames = this.#inSocket.shift(); frames !== undefined; frames = this.#inSocket.shift())
      for (const frame of frames) unsent.push(frame);
    for (const frame of this.#outbox.take(Number.POSITIVE_INFINITY)) unsent.push(frame);
    this.#socketBytes = 0;
    this.#callSettled();
    for (const { onSent } of unsent) if (onSent !== null) this.#callEdge(onSent);
    const reason = this.#closeReason ?? "the connection was lost";
    this.#callEdge(() => this.#handler?.onClose(reason));
  }
}

/** One piece of all. Frames that were encoded one after the other stand so in memory, and are not copied. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const first = pieces[0]!;
  let end = first.byteOffset;
  for (const { buffer, byteOffset, length } of pieces) {
    if (buffer !== first.buffer || byteOffset !== end) return Buffer.concat(pieces);
    end += length;
  }
  return new Uint8Array(first.buffer, first.byteOffset, end - first.byteOffset);
}
