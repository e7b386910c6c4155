// The order in which a connection sends: what has no body goes first, bodies of different channels take turns, and
// nothing overtakes anything of its own channel. So a PING put behind 400 MB of bodies is the next to leave.
// Pure: it never writes, and sets no bound on bodies; flow control does (credit), and the connection on the rest.

import { Roster } from "../core/roster.ts";
import { Fifo } from "./fifo.ts";

/** One frame that waits to be sent. `content` is the transport's: an encoded header, or the message itself. */
export interface QueuedFrame<Content> {
  readonly channel: number;
  readonly content: Content;
  /** Null for a message without a body. Borrowed until `onSent`. */
  readonly body: Uint8Array | null;
  /** Header, fields and body. */
  readonly bytes: number;
  readonly onSent: (() => void) | null;
}

/** What a connection has still to send. */
export class Outbox<Content> {
  /** Frames that wait for nothing but the socket. */
  readonly #ready = new Fifo<QueuedFrame<Content>>();
  /** Of channels with queued bodies: all that is queued, a body at the head. */
  readonly #byChannel = new Roster<number, Fifo<QueuedFrame<Content>>>();
  /** The channels of that map, in the order of their turns. */
  readonly #turns = new Fifo<number>();
  #queuedBytes = 0;
  #bodilessBytes = 0;

  /** All that is queued. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** What is queued of messages without a body, to which no flow control applies. */
  get bodilessBytes(): number {
    return this.#bodilessBytes;
  }

  /** Queues a frame. */
  offer(frame: QueuedFrame<Content>): void {
    this.#queuedBytes += frame.bytes;
    if (frame.body === null) this.#bodilessBytes += frame.bytes;
    const queue = this.#byChannel.get(frame.channel);
    if (queue !== undefined) queue.push(frame);
    else if (frame.body === null) this.#ready.push(frame);
    else {
      const fresh = new Fifo<QueuedFrame<Content>>();
      fresh.push(frame);
      this.#byChannel.set(frame.channel, fresh);
      this.#turns.push(frame.channel);
    }
  }

  /** Takes the next frames, until they have `budgetBytes` or more: at least one if any is queued. */
  take(budgetBytes: number): QueuedFrame<Content>[] {
    const frames: QueuedFrame<Content>[] = [];
    let takenBytes = 0;
    while (takenBytes < budgetBytes) {
      const frame = this.#ready.shift() ?? this.#nextBody();
      if (frame === undefined) break;
      this.#account(frame);
      takenBytes += frame.bytes;
      frames.push(frame);
    }
    return frames;
  }

  /** Takes out the bodies of a channel; what it has without a body stays, in order. */
  drop(channel: number): QueuedFrame<Content>[] {
    const queue = this.#byChannel.get(channel);
    if (queue === undefined) return [];
    this.#byChannel.delete(channel);
    this.#turns.remove(channel);
    const dropped: QueuedFrame<Content>[] = [];
    for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) {
      if (frame.body === null) this.#ready.push(frame);
      else {
        this.#account(frame);
        dropped.push(frame);
      }
    }
    return dropped;
  }

  #nextBody(): QueuedFrame<Content> | undefined {
    const channel = this.#turns.shift();
    if (channel === undefined) return undefined;
    const queue = this.#byChannel.get(channel);
    const frame = queue?.shift();
    if (queue === undefined || frame === undefined) return undefined;
    // What stood behind this body without one of its own has nothing to wait for any more.
    while (queue.first()?.body === null) this.#ready.push(queue.shift()!);
    if (queue.count === 0) this.#byChannel.delete(channel);
    else this.#turns.push(channel);
    return frame;
  }

  #account(frame: QueuedFrame<Content>): void {
    this.#queuedBytes -= frame.bytes;
    if (frame.body === null) this.#bodilessBytes -= frame.bytes;
  }
}
