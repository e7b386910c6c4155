// One chunk of a PUT that its function fetches straight from here. The function's word to the proxy is what counts; here
// only the bytes leave.

import { CREDIT_BYTES_INITIAL } from "../core/limits.ts";
import type { LineChannel } from "../wire/direct-line.ts";
import type { TicketHolder } from "../wire/tickets.ts";
import { ChunkSender, type SentChunk } from "./chunk-sender.ts";
import type { DirectHub } from "./direct-hub.ts";

/** Which instance fetches the chunk, and by which ticket. */
export interface DirectWay {
  readonly instance: Uint8Array;
  readonly ticket: Uint8Array;
}

/** What a write tells. */
export interface DirectWriteEvents {
  /** A part was given back by the transport. */
  onSent(): void;
  /** The connection is gone: the chunk cannot go this way. */
  onFailed(): void;
  /** The transport has taken or given back memory. */
  onHold(change: 1 | -1): void;
}

/** See the header. The chunk's bytes are borrowed until `isIdle` is true and `stop` was called. */
export class DirectWrite implements TicketHolder {
  readonly #hub: DirectHub;
  readonly #way: DirectWay;
  readonly #chunk: SentChunk;
  readonly #events: DirectWriteEvents;
  #channel: LineChannel | null = null;
  #sender: ChunkSender | null = null;
  #heldCount = 0;
  #isOver = false;

  constructor(hub: DirectHub, way: DirectWay, chunk: SentChunk, events: DirectWriteEvents) {
    this.#hub = hub;
    this.#way = way;
    this.#chunk = chunk;
    this.#events = events;
  }

  /** Gives the ticket out; false when there is no connection to the instance. */
  begin(): boolean {
    return this.#hub.offer(this.#way.instance, this.#way.ticket, this);
  }

  /** True when the transport holds no part of the chunk. */
  get isIdle(): boolean {
    return this.#heldCount === 0;
  }

  /** Nothing more is sent; what is in the transport comes back soon. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#hub.withdraw(this.#way.ticket);
    this.#sender?.stop();
    this.#channel?.end("cancel");
  }

  /** The same, and when it returns the transport holds nothing. */
  abandon(): void {
    if (this.#isOver && this.isIdle) return;
    this.#isOver = true;
    this.#hub.withdraw(this.#way.ticket);
    this.#sender?.stop();
    this.#channel?.abandon();
  }

  onRedeemed(channel: LineChannel): void {
    this.#channel = channel;
    this.#sender = new ChunkSender(channel, this.#chunk, CREDIT_BYTES_INITIAL, () => {});
    this.#sender.begin(0);
    // The function has memory for all of it.
    this.#sender.grant(this.#chunk.bytes.length);
  }

  place(): null {
    return null;
  }

  onMessage(): void {
    // Whatever became of the chunk, the function tells the proxy.
  }

  onClosed(): void {
    if (!this.#isOver) this.#events.onFailed();
  }

  onHold(change: 1 | -1): void {
    this.#heldCount += change;
    this.#events.onHold(change);
    if (change === -1) this.#events.onSent();
  }
}
