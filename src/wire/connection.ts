// The port between the cores and whatever carries frames: a TCP socket, an in-process pair, or the simulation.
// A core never sees bytes of a header, and a transport never sees what a message means.

import type { Message } from "./messages.ts";

/** What stands in a frame's header beside the message. */
export interface Envelope {
  readonly channel: number;
  readonly term: number;
  readonly invocation: number;
}

/** One ordered, reliable stream of messages. All calls are synchronous; handlers are called in later turns. */
export interface Connection {
  /** For logs: host:port of the other side, or a name. */
  readonly remote: string;
  /** Bytes handed to `send` that the transport has not passed on yet. */
  readonly queuedBytes: number;
  /**
   * Queues a message, in order. Messages without a body overtake bodies of other channels that are still queued, but
   * never anything of their own channel; channel 0 is one of them. Bodies of different channels take turns.
   * `body` (data only, at most PART_BYTES_MAX) is borrowed until `onSent` is called, exactly once: also when the connection closes first.
   */
  send(envelope: Envelope, message: Message, body?: Uint8Array, onSent?: () => void): void;
  /** Drops bodies of this channel that are still queued as a whole (calling their onSent); headers already begun are finished. */
  dropQueued(channel: number): void;
  /** Idempotent. `onClose` follows in a later turn unless it has been called. Messages already queued are sent if they can be within a second. */
  close(reason: string): void;
  /** Closes at once: nothing queued is sent, and when this returns no place is written to and no body is read any more. `onSent` and `onClose` are called in a later turn. */
  abort(reason: string): void;
  /** Where what comes in goes; set once, in the turn in which the connection was handed over. */
  setHandler(handler: ConnectionHandler): void;
}

/** The owner of a connection. */
export interface ConnectionHandler {
  /**
   * A data frame's header has come: where shall its `bytes` go? The answer must be exactly that long; it belongs to
   * the transport until `onMessage` or `onClose` is called. Null: read them and throw them away.
   */
  bodyPlace(envelope: Envelope, message: Message, bytes: number): Uint8Array | null;
  /** A whole frame has come; `body` is what `bodyPlace` gave, filled. Null for messages without a body, and where it said null. */
  onMessage(envelope: Envelope, message: Message, body: Uint8Array | null): void;
  /** Called once; nothing follows. */
  onClose(reason: string): void;
}

/** Dials; `deadlineMs` counts from the call. The answer comes through `opened` in a later turn, exactly once. */
export interface Dialer {
  dial(
    address: string,
    deadlineMs: number,
    opened: (connection: Connection | null, reason: string) => void,
  ): void;
}

/** Takes in connections at an address. */
export interface Door {
  /**
   * `accept` takes over each connection and sets its handler. `opened` is called once, in a later turn: with the address
   * that others dial, or with null and the reason why there is none.
   */
  open(
    accept: (connection: Connection) => void,
    opened: (address: string | null, reason: string) => void,
  ): void;
  /** Takes no more, aborts what is open; `closed` is called when all are gone. */
  close(closed: () => void): void;
}
