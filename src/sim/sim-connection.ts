// One end of a simulated connection. Messages pass by reference and are never encoded; bodies are copied when they
// leave and again into the place the receiver names, as a rule in two pieces, so that anything may happen while a place is
// half full. What has left a machine arrives, in order, even when the machine freezes right after; what has not, arrives
// after the thaw, be it minutes later.

import { assert } from "../core/assert.ts";
import type { Connection, ConnectionHandler, Envelope } from "../wire/connection.ts";
import { HEADER_BYTES } from "../wire/frame.ts";
import type { Message } from "../wire/messages.ts";
import { Outbox, type QueuedFrame } from "../wire/outbox.ts";
import { WireFault } from "../wire/schema.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";

/** What can be on its way in one direction before the sender has to wait, as with a socket's buffers. */
const WINDOW_BYTES = 256 * 1_024;
/** How long a closed connection may take to send what is queued. */
const CLOSE_MS_MAX = 1_000;

/** When TCP sends again what was lost; each further time it waits twice as long (RFC 6298, with Linux's least). */
const RETRANSMISSION_MS_MIN = 200;
const RETRANSMISSIONS_MAX = 5;

interface Content {
  readonly envelope: Envelope;
  readonly message: Message;
}

/** Of a frame that is on its way: what comes of its body with this parcel. */
interface Piece {
  readonly content: Content;
  readonly body: Uint8Array | null;
  readonly from: number;
  readonly to: number;
}

/** What is on its way: a piece of a frame, or the end of the stream. */
interface Parcel {
  readonly at: number;
  readonly bytes: number;
  readonly piece: Piece | null;
}

/** See the header. */
export class SimConnection implements Connection {
  readonly remote: string;
  readonly machine: Machine;
  readonly #network: Network;
  readonly #outbox = new Outbox<Content>();
  readonly #onWay: Parcel[] = [];
  #peer: SimConnection | null = null;
  #handler: ConnectionHandler | null = null;
  #onWayBytes = 0;
  /** Where the body goes of which the rest is to come; undefined between frames. */
  #place: Uint8Array | null | undefined;
  #lastArrival = 0;
  #isPumping = false;
  #isCut = false;
  #closeReason: string | null = null;
  #overReason = "";
  #isOver = false;

  constructor(network: Network, machine: Machine, remote: string) {
    this.#network = network;
    this.machine = machine;
    this.remote = remote;
  }

  /** The other end. */
  get peer(): SimConnection {
    assert(this.#peer !== null, "both ends are joined when they are made");
    return this.#peer;
  }

  /** This end knows that it is over, or its machine is dead. */
  get isOver(): boolean {
    return this.#isOver || this.machine.isDead;
  }

  get queuedBytes(): number {
    return this.#outbox.queuedBytes;
  }

  /** `openFrom`: nothing arrives at the other end before this end's opening is known there. */
  join(peer: SimConnection, openFrom: number): void {
    this.#peer = peer;
    peer.#lastArrival = Math.max(peer.#lastArrival, openFrom);
  }

  setHandler(handler: ConnectionHandler): void {
    assert(this.#handler === null, "a connection's handler is set once");
    this.#handler = handler;
    // It broke before anybody had taken it.
    if (this.#isOver) this.#later(() => handler.onClose(this.#overReason));
  }

  send(envelope: Envelope, message: Message, body?: Uint8Array, onSent?: () => void): void {
    const isData = message.kind === "data";
    assert(
      isData === (body !== undefined && body.length > 0),
      "data has a body, all else has none",
    );
    if (this.#closeReason !== null || this.isOver) {
      if (onSent !== undefined) this.#later(onSent);
      return;
    }
    this.#outbox.offer({
      channel: envelope.channel,
      content: { envelope, message },
      body: body ?? null,
      bytes: HEADER_BYTES + (body?.length ?? 0),
      onSent: onSent ?? null,
    });
    this.#wake();
  }

  dropQueued(channel: number): void {
    this.#settle(this.#outbox.drop(channel));
  }

  close(reason: string): void {
    if (this.#closeReason !== null || this.isOver) return;
    this.#closeReason = reason;
    this.#wake();
    this.machine.clock.setTimer(CLOSE_MS_MAX, () => this.fail(reason));
  }

  abort(reason: string): void {
    if (this.isOver) return;
    this.#closeReason ??= reason;
    this.#settle(this.#outbox.take(Number.POSITIVE_INFINITY));
    this.#wake();
  }

  /** From now on nothing passes in either direction, and nobody is told. */
  cut(): void {
    this.#isCut = true;
    this.#onWay.length = 0;
    this.#onWayBytes = 0;
  }

  /** This end learns that the connection is over. */
  fail(reason: string): void {
    this.machine.deliver(() => this.#end(reason));
  }

  #later(act: () => void): void {
    this.#network.clock.setTimer(0, () => this.machine.deliver(act));
  }

  #wake(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    this.#later(() => {
      this.#isPumping = false;
      this.#pump();
    });
  }

  /** Lets leave what the window allows. */
  #pump(): void {
    if (this.isOver) return;
    while (this.#outbox.queuedBytes > 0 && this.#onWayBytes < WINDOW_BYTES) {
      const frames = this.#outbox.take(1);
      for (const { content, body, bytes } of frames) this.#depart(content, body, bytes);
      this.#settle(frames);
    }
    if (this.#closeReason === null || this.#outbox.queuedBytes > 0) return;
    this.#push({ at: this.#arrival(0), bytes: 0, piece: null });
    this.#end(this.#closeReason);
  }

  #depart(content: Content, body: Uint8Array | null, bytes: number): void {
    if (!this.#isCut && this.peer.#isOver) {
      // The other machine answers that it knows no such connection.
      const delayMs = this.#network.delayMs(this.machine, this.peer.machine, 0);
      this.#network.clock.setTimer(2 * delayMs, () => this.fail("connection reset"));
    }
    const copy = body === null ? null : body.slice();
    const { random, options } = this.#network;
    if (copy !== null && options.flipProbability > 0 && random.chance(options.flipProbability)) {
      options.onFlip();
      const at = random.below(copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    }
    const length = copy?.length ?? 0;
    // Half of all bodies arrive as a whole.
    const cut = length === 0 ? 0 : random.below(2 * length);
    if (cut >= length) return this.#pushPiece({ content, body: copy, from: 0, to: length }, bytes);
    this.#pushPiece({ content, body: copy, from: 0, to: cut }, bytes - length + cut);
    if (options.lossProbability > 0 && random.chance(options.lossProbability)) {
      options.onLoss();
      this.#lastArrival += RETRANSMISSION_MS_MIN * 2 ** random.below(RETRANSMISSIONS_MAX);
    }
    this.#pushPiece({ content, body: copy, from: cut, to: length }, length - cut);
  }

  #arrival(bytes: number): number {
    const delayMs = this.#network.delayMs(this.machine, this.peer.machine, bytes);
    this.#lastArrival = Math.max(this.#lastArrival, this.#network.clock.now() + delayMs);
    return this.#lastArrival;
  }

  #pushPiece(piece: Piece, bytes: number): void {
    this.#push({ at: this.#arrival(bytes), bytes, piece });
  }

  #push(parcel: Parcel): void {
    // A cut connection takes in a window's worth, and then its sender waits for ever.
    this.#onWayBytes += parcel.bytes;
    if (this.#isCut) return;
    this.#onWay.push(parcel);
    this.#network.clock.at(parcel.at, () => this.#arrive());
  }

  /** One event for each parcel: it hands over the one that is due. */
  #arrive(): void {
    const first = this.#onWay[0];
    if (first === undefined || first.at > this.#network.clock.now()) return;
    const heldUntil = Math.max(this.machine.isolatedUntil, this.peer.machine.isolatedUntil);
    if (this.#network.clock.now() < heldUntil) {
      this.#network.clock.at(heldUntil, () => this.#arrive());
      return;
    }
    this.#onWay.shift();
    const { peer } = this;
    peer.machine.deliver(() => {
      this.#onWayBytes -= first.bytes;
      if (this.#outbox.queuedBytes > 0) this.#wake();
      if (first.piece === null) peer.#end("closed by the other side");
      else peer.#receive(first.piece);
    });
  }

  #receive({ content: { envelope, message }, body, from, to }: Piece): void {
    if (this.#closeReason !== null || this.#isOver) return;
    const handler = this.#handler;
    assert(handler !== null, "a connection was handed over and nobody took it");
    try {
      if (body === null) {
        handler.onMessage(envelope, message, null);
        return;
      }
      if (from === 0 && this.#place === undefined)
        this.#place = handler.bodyPlace(envelope, message, body.length);
      // Proof of the cast: the call above may have closed this end, which the compiler cannot see.
      if ((this.#closeReason as string | null) !== null) return;
      const place = this.#place;
      assert(place !== undefined, "the rest of a body came without its beginning");
      assert(place === null || place.length === body.length, "bodyPlace gave another length");
      place?.set(body.subarray(from, to), from);
      if (to < body.length) return;
      this.#place = undefined;
      handler.onMessage(envelope, message, place);
    } catch (error) {
      if (!(error instanceof WireFault)) throw error;
      this.close(error.message);
    }
  }

  #settle(frames: readonly QueuedFrame<Content>[]): void {
    for (const { onSent } of frames) if (onSent !== null) this.#later(onSent);
  }

  #end(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#place !== undefined) this.#network.options.onTorn();
    this.#overReason = this.#closeReason ?? reason;
    this.#settle(this.#outbox.take(Number.POSITIVE_INFINITY));
    const handler = this.#handler;
    if (handler === null) return;
    // In a turn of its own, after what the transport still owes.
    this.#later(() => handler.onClose(this.#overReason));
  }
}
