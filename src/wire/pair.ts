// Two connections of one process, back to back: for a proxy embedded in the application, and for tests and simulation.
// Messages are passed by reference and never encoded; bodies are copied once, into the place the receiver names, in the
// same order as on a socket. It has no clock: `schedule` decides when the next batch goes.

import { assert } from "../core/assert.ts";
import type { Connection, ConnectionHandler, Envelope } from "./connection.ts";
import { HEADER_BYTES } from "./frame.ts";
import type { Message } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { WireFault } from "./schema.ts";

/** What one side delivers in one turn: long enough to be cheap, short enough to let others in (0.3 ms of copying). */
const BATCH_BYTES = 2 * 1_024 * 1_024;
/** What a message without a body counts for, so that a turn's batch of them is bounded, too (4,096 of them). */
const BODILESS_BYTES = 512;

/** Runs a task in a later turn; tasks run in the order in which they were given. */
export type Schedule = (task: () => void) => void;

interface Parcel {
  readonly envelope: Envelope;
  readonly message: Message;
}

/** Two connections; what one sends the other gets. `names` are what each side sees as `remote`. */
export function connectionPair(
  schedule: Schedule,
  names: readonly [first: string, second: string] = ["pair:a", "pair:b"],
): [Connection, Connection] {
  const first = new PairEnd(schedule, names[0]);
  const second = new PairEnd(schedule, names[1]);
  first.join(second);
  second.join(first);
  return [first, second];
}

class PairEnd implements Connection {
  readonly remote: string;
  readonly #schedule: Schedule;
  readonly #outbox = new Outbox<Parcel>();
  #peer: PairEnd | null = null;
  #handler: ConnectionHandler | null = null;
  #isScheduled = false;
  /** Set by `close`: what is queued still goes out, nothing more comes in. */
  #closeReason: string | null = null;
  #isOver = false;
  #settled: (() => void)[] = [];

  constructor(schedule: Schedule, remote: string) {
    this.#schedule = schedule;
    this.remote = remote;
  }

  join(peer: PairEnd): void {
    this.#peer = peer;
  }

  get queuedBytes(): number {
    return this.#outbox.queuedBytes;
  }

  setHandler(handler: ConnectionHandler): void {
    assert(this.#handler === null, "a connection's handler is set once");
    this.#handler = handler;
  }

  send(envelope: Envelope, message: Message, body?: Uint8Array, onSent?: () => void): void {
    const isData = message.kind === "data";
    assert(
      isData === (body !== undefined && body.length > 0),
      "data has a body, all else has none",
    );
    if (this.#closeReason !== null || this.#isOver) {
      this.#settle(onSent ?? null);
      return;
    }
    this.#outbox.offer({
      channel: envelope.channel,
      content: { envelope, message },
      body: body ?? null,
      bytes: body === undefined ? BODILESS_BYTES : HEADER_BYTES + body.length,
      onSent: onSent ?? null,
    });
    this.#wake();
  }

  dropQueued(channel: number): void {
    for (const frame of this.#outbox.drop(channel)) this.#settle(frame.onSent);
  }

  close(reason: string): void {
    if (this.#closeReason !== null || this.#isOver) return;
    this.#closeReason = reason;
    this.#wake();
  }

  abort(reason: string): void {
    if (this.#isOver) return;
    this.#closeReason ??= reason;
    for (const frame of this.#outbox.take(Number.POSITIVE_INFINITY)) this.#settle(frame.onSent);
    this.#wake();
  }

  #wake(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#schedule(() => {
      this.#isScheduled = false;
      this.#deliver();
    });
  }

  #settle(onSent: (() => void) | null): void {
    if (onSent === null) return;
    this.#settled.push(onSent);
    this.#wake();
  }

  #deliver(): void {
    this.#callSettled();
    if (this.#isOver) return;
    const peer = this.#peer!;
    const faults: unknown[] = [];
    for (const frame of this.#outbox.take(BATCH_BYTES)) {
      try {
        peer.#receive(frame.content, frame.body);
      } catch (error) {
        // The peer has closed itself and ignores the rest of the batch, which counts as sent all the same.
        faults.push(error);
      }
      if (frame.onSent !== null) this.#settled.push(frame.onSent);
    }
    this.#callSettled();
    if (this.#outbox.queuedBytes > 0) this.#wake();
    else if (this.#closeReason !== null) {
      this.#end(this.#closeReason);
      peer.#end("closed by the other side");
    }
    if (faults.length > 0) throw faults[0];
  }

  #callSettled(): void {
    const settled = this.#settled;
    this.#settled = [];
    for (const onSent of settled) onSent();
  }

  #receive({ envelope, message }: Parcel, body: Uint8Array | null): void {
    if (this.#closeReason !== null || this.#isOver) return;
    const handler = this.#handler;
    assert(handler !== null, "a connection was handed over and nobody took it");
    try {
      if (body === null) {
        handler.onMessage(envelope, message, null);
        return;
      }
      const place = handler.bodyPlace(envelope, message, body.length);
      // Proof of the cast: the call above may have closed this end, which the compiler cannot see.
      if ((this.#closeReason as string | null) !== null) return;
      assert(place === null || place.length === body.length, "bodyPlace gave another length");
      place?.set(body);
      handler.onMessage(envelope, message, place);
    } catch (error) {
      this.close(error instanceof Error ? error.message : "a handler threw");
      if (!(error instanceof WireFault)) throw error;
    }
  }

  #end(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const { onSent } of this.#outbox.take(Number.POSITIVE_INFINITY)) {
      if (onSent !== null) this.#settled.push(onSent);
    }
    this.#callSettled();
    this.#handler?.onClose(this.#closeReason ?? reason);
  }
}
