// One connection between a client and a function on which both have proven themselves: channels against tickets. It is
// the one place where frames of ended transfers are dropped: a channel lives from its ticket's redemption to its end and
// never again, so what a frozen machine sends minutes later finds none. It does not know what a ticket is for.

import type { Clock, Timer } from "../core/ports.ts";
import { Roster } from "../core/roster.ts";
import type { Connection, Envelope } from "./connection.ts";
import type { Message, MessageOf } from "./messages.ts";
import type { Tickets } from "./tickets.ts";

/** Channels of one line at a time; one more ticket is not redeemed. */
export const CHANNELS_PER_LINE_MAX = 4_096;

/** Whoever has a channel. */
export interface ChannelOwner {
  /** Where a part goes; null: thrown away. */
  place(message: MessageOf<"data">, bytes: number): Uint8Array | null;
  onMessage(message: Message, body: Uint8Array | null): void;
  /** The connection is gone, and the channel with it; what it held is free. */
  onClosed(reason: string): void;
  /** The transport has taken (+1) or given back (-1) memory of the owner; also after the channel's end. */
  onHold(change: 1 | -1): void;
}

/** How a line is made. */
export interface DirectLineOptions {
  readonly connection: Connection;
  /** The first channel this side chooses; then every second. */
  readonly firstChannel: 1 | 2;
  /** What the other side may redeem here. */
  readonly tickets: Tickets;
  readonly clock: Clock;
  /** How long the transport may hold memory of a channel that has ended before the connection is given up. */
  readonly graceMs: number;
  readonly onClosed: (line: DirectLine, reason: string) => void;
}

/** See the header. */
export class DirectLine {
  readonly connection: Connection;
  readonly #options: DirectLineOptions;
  readonly #channels = new Roster<number, LineChannel>();
  #nextChannel: number;
  /** Whose place the body under way is written to: there is one body at a time. */
  #placed: LineChannel | null = null;
  #isOver = false;

  constructor(options: DirectLineOptions) {
    this.#options = options;
    this.connection = options.connection;
    this.#nextChannel = options.firstChannel;
  }

  /** Transfers under way. */
  get channelCount(): number {
    return this.#channels.size;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  get graceMs(): number {
    return this.#options.graceMs;
  }

  /** Asks for what the ticket is for; null when the line is over or full. */
  redeem(ticket: Uint8Array, owner: ChannelOwner): LineChannel | null {
    if (this.#isOver || this.#channels.size >= CHANNELS_PER_LINE_MAX) return null;
    const channel = this.#open(this.#nextChannel, owner);
    this.#nextChannel += 2;
    channel.send({ kind: "redeem", ticket });
    return channel;
  }

  /** Gives a channel on which a ticket was redeemed to whoever offered it; null when it is in use, or the line is over. */
  take(channel: number, owner: ChannelOwner): LineChannel | null {
    if (this.#isOver || this.#channels.has(channel)) return null;
    return this.#open(channel, owner);
  }

  bodyPlace(envelope: Envelope, message: Message, bytes: number): Uint8Array | null {
    const channel = this.#channels.get(envelope.channel);
    if (channel === undefined || message.kind !== "data") return null;
    const place = channel.owner.place(message, bytes);
    // The owner may have given the connection up.
    if (place === null || this.#isOver) return null;
    this.#placed = channel;
    channel.owner.onHold(1);
    return place;
  }

  onMessage(envelope: Envelope, message: Message, body: Uint8Array | null): void {
    const placed = this.#placed;
    if (body !== null && placed !== null) this.#placed = null;
    const channel = this.#channels.get(envelope.channel);
    if (message.kind === "redeem") this.#onRedeem(envelope.channel, message.ticket);
    else channel?.owner.onMessage(message, channel === placed ? body : null);
    if (body !== null) placed?.owner.onHold(-1);
  }

  onClose(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const placed = this.#placed;
    this.#placed = null;
    placed?.owner.onHold(-1);
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    this.#options.onClosed(this, reason);
    for (const channel of channels) channel.owner.onClosed(reason);
  }

  /** Gives the connection up. */
  abort(reason: string): void {
    this.connection.abort(reason);
    this.onClose(reason);
  }

  /** @internal */
  remove(channel: LineChannel): void {
    if (this.#channels.get(channel.number) === channel) this.#channels.delete(channel.number);
  }

  /** @internal Whether the body under way goes to this channel's memory. */
  isPlaced(channel: LineChannel): boolean {
    return this.#placed === channel;
  }

  #open(number: number, owner: ChannelOwner): LineChannel {
    const channel = new LineChannel(this, number, owner);
    this.#channels.set(number, channel);
    return channel;
  }

  #onRedeem(number: number, ticket: Uint8Array): void {
    const isTheirs = number > 0 && number % 2 !== this.#options.firstChannel % 2;
    if (!isTheirs || this.#channels.has(number) || this.#channels.size >= CHANNELS_PER_LINE_MAX)
      return this.abort("a channel that may not be used");
    this.#options.tickets.redeem(ticket, this, number);
  }
}

/** One transfer's channel on a line. */
export class LineChannel {
  readonly number: number;
  readonly owner: ChannelOwner;
  readonly #line: DirectLine;
  #sending = 0;
  #isAbandoned = false;
  #grace: Timer | null = null;

  constructor(line: DirectLine, number: number, owner: ChannelOwner) {
    this.#line = line;
    this.number = number;
    this.owner = owner;
  }

  /** Sends on the channel; `onSent` as in Connection. */
  send(message: Message, body?: Uint8Array, onSent?: () => void): void {
    const envelope = { channel: this.number, term: 0, invocation: 0 };
    if (body === undefined) return this.#line.connection.send(envelope, message);
    this.#sending += 1;
    this.owner.onHold(1);
    this.#line.connection.send(envelope, message, body, () => {
      if (this.#isAbandoned) return;
      this.#sending -= 1;
      if (!this.#isHeld) this.#grace?.cancel();
      onSent?.();
      this.owner.onHold(-1);
    });
  }

  /** Drops bodies that are queued as a whole. */
  dropQueued(): void {
    this.#line.connection.dropQueued(this.number);
  }

  /** The transfer is over: its owner hears nothing more but `onHold`. `word` is the last message on it. */
  end(word: "taken" | "cancel" | null): void {
    this.#line.remove(this);
    this.dropQueued();
    if (word !== null) this.send({ kind: word });
    if (!this.#isHeld) return;
    const { clock, graceMs } = this.#line;
    // What came while this process was frozen or late is let in first.
    const giveUp = (): void => {
      if (this.#isHeld) this.#line.abort("a transfer that has ended stands in the way");
    };
    this.#grace = clock.setTimer(graceMs, () => clock.afterInput(giveUp));
  }

  /** As `end`, but when it returns the transport holds none of its memory, at the price of the connection if need be. */
  abandon(): void {
    this.#line.remove(this);
    this.#grace?.cancel();
    if (!this.#isHeld) return this.end("cancel");
    const line = this.#line;
    line.connection.abort("a transfer was abandoned");
    line.onClose("a transfer was abandoned");
    this.#isAbandoned = true;
    for (; this.#sending > 0; this.#sending--) this.owner.onHold(-1);
  }

  get #isHeld(): boolean {
    return this.#sending > 0 || this.#line.isPlaced(this);
  }
}
