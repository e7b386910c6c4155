// Writes the replies of one connection in the order of its commands. Reads may run ahead of the replies before them;
// small results wait here, large ones never: a large read that is not first in line is given up and begun anew when
// it is, so that nobody holds stripes while waiting for others who wait for stripes.

import type { Clock } from "../../core/ports.ts";
import type { ByteSocket } from "../byte-socket.ts";
import { BODY_PACE, Pace } from "../pace.ts";
import { dispose } from "../read.ts";
import { LATE, within } from "../waiting.ts";
import {
  arrayHeader,
  bulkHeader,
  CRLF,
  encodeReply,
  type ProtocolVersion,
  type Reply,
} from "./reply.ts";

/** Replies that may wait for their turn. */
const SLOTS_MAX = 1_024;
/** Reads that may be under way or waiting at once. */
const READS_MAX = 64;
/** What the reads that run ahead may bring, guessed by the size of the last one. */
const AHEAD_BYTES_MAX = 4 * 1_024 * 1_024;
/** Before the first read: four at once. */
const READ_BYTES_GUESS = AHEAD_BYTES_MAX / 4;
/** More than this unsent: wait for the reader. */
const UNSENT_BYTES_MAX = 1_024 * 1_024;
/** Large bodies are written in pieces of this size, so that other connections get their turn in between. */
const PIECE_BYTES_MAX = 256 * 1_024;

interface Slot {
  readonly protocol: ProtocolVersion;
  /** How to read anew; null for a reply that is no read. */
  readonly run: (() => Promise<Reply>) | null;
  reply: Reply | null;
  /** Its objects are read only when it is first in line. */
  isLazy: boolean;
}

/** The replies of one connection. */
export class ReplyWriter {
  readonly #socket: ByteSocket;
  readonly #clock: Clock;
  readonly #pace = new Pace(BODY_PACE);
  readonly #slots: Slot[] = [];
  #readCount = 0;
  #readBytes = READ_BYTES_GUESS;
  #isRunning = false;
  #waiters: (() => void)[] = [];

  constructor(socket: ByteSocket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
  }

  /** True when one more command may begin. */
  get hasRoom(): boolean {
    return this.#slots.length < SLOTS_MAX;
  }

  /** True when one more read may run ahead. */
  get hasReadRoom(): boolean {
    const readsMax = Math.min(
      READS_MAX,
      Math.max(1, Math.floor(AHEAD_BYTES_MAX / this.#readBytes)),
    );
    return this.#readCount < readsMax && this.hasRoom;
  }

  /** True when every read has its bytes, so that a change cannot be seen by a read before it. */
  get isSettled(): boolean {
    return this.#slots.every((slot) => slot.reply !== null && !slot.isLazy);
  }

  get isIdle(): boolean {
    return this.#slots.length === 0;
  }

  /** Resolves at the next change of the above. */
  async changed(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Puts a reply in line. */
  push(reply: Reply, protocol: ProtocolVersion): void {
    const isLazy = reply.kind === "items";
    this.#slots.push({ protocol, run: null, reply, isLazy });
    this.#start();
  }

  /** Begins a read and puts its reply in line. `run` never rejects. */
  pushRead(run: () => Promise<Reply>, protocol: ProtocolVersion): void {
    const slot: Slot = { protocol, run, reply: null, isLazy: false };
    this.#slots.push(slot);
    this.#readCount += 1;
    void run().then((reply) => this.#settle(slot, reply));
    this.#start();
  }

  #settle(slot: Slot, reply: Reply): void {
    this.#readBytes = Math.max(1, byteCount(reply));
    const isFirst = this.#slots[0] === slot;
    if (reply.kind === "items") slot.isLazy = true;
    if (reply.kind !== "stream" || isFirst) {
      slot.reply = reply;
    } else {
      slot.isLazy = true;
      void dispose(reply.body);
    }
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    for (let slot = this.#slots[0]; slot !== undefined; slot = this.#slots[0]) {
      if (slot.reply === null && slot.isLazy && slot.run !== null) slot.reply = await slot.run();
      while (slot.reply === null) {
        await this.changed();
        if (slot.isLazy && slot.run !== null) slot.reply ??= await slot.run();
      }
      if (!(await this.#write(slot.reply, slot.protocol))) this.#socket.destroy();
      this.#slots.shift();
      if (slot.run !== null) this.#readCount -= 1;
      this.#wake();
    }
    this.#isRunning = false;
  }

  /** False when the connection is of no use any more: the reader is gone or too slow, or a body was lost midway. */
  async #write(reply: Reply, protocol: ProtocolVersion): Promise<boolean> {
    const { kind } = reply;
    if (this.#socket.isClosed) {
      if (kind === "stream") await dispose(reply.body);
      return false;
    }
    if (kind === "stream") return await this.#writeStream(reply.bytes, reply.body);
    if (kind === "items") return await this.#writeItems(reply.count, reply.items, protocol);
    for (const piece of encodeReply(reply, protocol)) this.#socket.send(piece);
    if (this.#socket.unsentBytes <= UNSENT_BYTES_MAX) return true;
    return await this.#inTime(this.#socket.flushed(), UNSENT_BYTES_MAX);
  }

  async #writeStream(bytes: number, body: AsyncIterable<Uint8Array>): Promise<boolean> {
    this.#socket.send(bulkHeader(bytes));
    try {
      for await (const part of body) {
        for (let at = 0; at < part.length; at += PIECE_BYTES_MAX) {
          const piece = part.subarray(at, at + PIECE_BYTES_MAX);
          if (!(await this.#inTime(this.#socket.write(piece), piece.length))) return false;
        }
      }
    } catch {
      // The header has promised more than there is: only the end of the connection tells the truth now.
      return false;
    }
    this.#socket.send(CRLF);
    return true;
  }

  async #writeItems(
    count: number,
    items: AsyncIterable<Reply>,
    protocol: ProtocolVersion,
  ): Promise<boolean> {
    this.#socket.send(arrayHeader(count));
    try {
      for await (const item of items) if (!(await this.#write(item, protocol))) return false;
    } catch {
      return false;
    }
    return true;
  }

  async #inTime(writing: Promise<boolean>, bytes: number): Promise<boolean> {
    const startedAt = this.#clock.now();
    const isWritten = await within(this.#clock, this.#pace.patienceMs, writing);
    this.#pace.moved(bytes, this.#clock.now() - startedAt);
    // Destroyed before the part's buffer goes back to its owner: nothing else may leave under its name.
    if (isWritten === LATE) this.#socket.destroy();
    return isWritten === true;
  }
}

function byteCount(reply: Reply): number {
  if (reply.kind === "stream") return reply.bytes;
  if (reply.kind === "bulk") return reply.bytes.length;
  // Unknown until it is read; nothing runs ahead of it.
  return reply.kind === "items" ? AHEAD_BYTES_MAX : 1;
}
