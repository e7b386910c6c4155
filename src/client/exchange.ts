// One exchange: all frames with one channel number on one connection of a client. It counts the memory that
// the transport holds (bodies not sent yet, places not filled yet), so that its owner knows when memory is its
// own again. It never interprets a message.

import type { CodeRule } from "../core/code.ts";
import type { CacheError } from "../core/errors.ts";
import type { Message, MessageOf } from "../wire/messages.ts";

/** What the proxy said when it accepted the connection. */
export interface Welcome {
  readonly generation: number;
  readonly term: number;
  /** Whose generation and term these are: pools of different proxies count for themselves. */
  readonly address: string;
  /** The number of the proxy's membership document; 0: it owns every key. */
  readonly epoch: number;
  readonly poolNodes: number;
  readonly codeRules: readonly CodeRule[];
}

/** Whoever began an exchange. */
export interface ExchangeOwner {
  /** There is a connection: begin. */
  onOpen(exchange: Exchange, welcome: Welcome): void;
  /** As in ConnectionHandler: where the body goes, or null to throw it away. */
  bodyPlace(message: MessageOf<"data">, bytes: number): Uint8Array | null;
  onMessage(message: Message, body: Uint8Array | null): void;
  /** The connection was lost; the exchange is over. */
  onLost(reason: string): void;
  /** There is no connection and will be none soon. */
  onRefused(error: CacheError): void;
  /** While it waits for a connection: another proxy may be the right one now; its wish was taken back. */
  onMoved(): void;
}

/** What an exchange needs of the session that carries it. */
export interface ExchangeCarrier {
  send(channel: number, message: Message, body?: Uint8Array, onSent?: () => void): void;
  dropQueued(channel: number): void;
  ping(answered: () => void): void;
  /** The exchange has ended but the transport still holds memory of it. */
  onDraining(exchange: Exchange): void;
  /** The exchange has ended and the transport holds nothing of it. */
  onDrained(exchange: Exchange): void;
}

/** A channel in use. */
export class Exchange {
  readonly channel: number;
  readonly owner: ExchangeOwner;
  readonly #carrier: ExchangeCarrier;
  #heldCount = 0;
  #placedCount = 0;
  /** Memory that connections to functions hold for this exchange. */
  #directCount = 0;
  #isLost = false;
  #drained: (() => void) | null = null;

  constructor(channel: number, owner: ExchangeOwner, carrier: ExchangeCarrier) {
    this.channel = channel;
    this.owner = owner;
    this.#carrier = carrier;
  }

  /** True after `end`: its owner hears nothing more. */
  get hasEnded(): boolean {
    return this.#drained !== null;
  }

  /** Sends on this channel. A body is the transport's until `onSent`, which is called exactly once. */
  send(message: Message, body?: Uint8Array, onSent?: () => void): void {
    if (this.#isLost) {
      onSent?.();
      return;
    }
    if (body === undefined) {
      this.#carrier.send(this.channel, message);
      return;
    }
    this.#heldCount += 1;
    this.#carrier.send(this.channel, message, body, () => {
      this.#heldCount -= 1;
      onSent?.();
      this.#settle();
    });
  }

  /** Calls back when the other side has answered a ping on this connection. */
  ping(answered: () => void): void {
    this.#carrier.ping(answered);
  }

  /**
   * Ends the exchange: drops what is queued of it, lets nothing more in. `drained` is called, possibly within
   * this call, when the transport holds none of its memory any more. Called again, only the last `drained` counts.
   */
  end(drained: () => void): void {
    if (this.#drained === nothing) return drained();
    const isFirst = this.#drained === null;
    this.#drained = drained;
    if (!isFirst) return;
    if (!this.#isLost) this.#carrier.dropQueued(this.channel);
    this.#settle();
    if (this.#held > 0) this.#carrier.onDraining(this);
  }

  /** For the session: a place was given to the transport. */
  notePlaced(): void {
    this.#placedCount += 1;
  }

  /** For the session: a place came back filled. */
  noteFilled(): void {
    this.#placedCount -= 1;
    this.#settle();
  }

  /** A connection to a function has taken (+1) or given back (-1) memory of this exchange's owner. */
  noteDirect(change: 1 | -1): void {
    this.#directCount += change;
    this.#settle();
  }

  /** For the session: the connection is closed, so that no place is the transport's any more. */
  noteLost(): void {
    this.#isLost = true;
    this.#placedCount = 0;
    this.#settle();
  }

  get #held(): number {
    return this.#heldCount + this.#placedCount + this.#directCount;
  }

  #settle(): void {
    if (this.#drained === null || this.#drained === nothing) return;
    if (this.#held > 0) return;
    const drained = this.#drained;
    this.#drained = nothing;
    this.#carrier.onDrained(this);
    drained();
  }
}

function nothing(): void {}
