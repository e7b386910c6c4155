// The client's door for functions: verifies who comes in, keeps one line for each instance, and gives out and redeems
// tickets. Whoever cannot prove that the proxy sent it is closed without an answer. It does not know what an operation is.

import { DIRECT_CHUNK_BYTES_MIN, DIRECT_KEY_BYTES, directProof, pairKey } from "../core/direct.ts";
import { toHex } from "../core/invocation.ts";
import type { Clock, Crypto, Timer } from "../core/ports.ts";
import type { Connection, Door } from "../wire/connection.ts";
import { type ChannelOwner, DirectLine, type LineChannel } from "../wire/direct-line.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import { type TicketHolder, Tickets } from "../wire/tickets.ts";

/** Instances that have a connection to one client: those of some pools, and their replicas. */
export const LINES_MAX = 2_048;
/** Connections that have not proven themselves yet; one more is closed at once. */
export const STRANGERS_MAX = 256;
/** How long a connection may take to prove itself. */
export const PROOF_MS_MAX = 2_000;
/** How long a connection may hold memory of a transfer that has ended, before it is given up. */
export const GRACE_MS = 50;

/** What a hub is made of. */
export interface DirectHubOptions {
  readonly door: Door;
  readonly clock: Clock;
  readonly crypto: Crypto;
  /** As the proxies have it for this client: shorter chunks are not asked for; absent: 128 KiB. */
  readonly chunkBytesMin?: number;
  /** The address is known: tell the proxies. */
  readonly onOpened: () => void;
  /** There is none, and will be none. */
  readonly onFault?: (reason: string) => void;
}

/** What a hub has seen. */
export interface DirectCounts {
  /** Where functions dial; null: the door is not open. */
  readonly address: string | null;
  /** Why it is not. */
  readonly fault: string;
  readonly lines: number;
  /** Transfers that have not ended. */
  readonly channels: number;
  /** Tickets that were given out and neither redeemed nor taken back. */
  readonly tickets: number;
  /** Connections that were turned away. */
  readonly refused: number;
  /** Tickets that were redeemed in vain. */
  readonly refusedTickets: number;
}

/** See the header. */
export class DirectHub {
  readonly clock: Clock;
  readonly chunkBytesMin: number;
  readonly #options: DirectHubOptions;
  readonly #secret: Uint8Array;
  readonly #tickets: Tickets;
  readonly #lines = new Map<string, DirectLine>();
  #address: string | null = null;
  #fault = "not opened yet";
  #strangers = 0;
  #refused = 0;

  constructor(options: DirectHubOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.chunkBytesMin = options.chunkBytesMin ?? DIRECT_CHUNK_BYTES_MIN;
    this.#secret = options.crypto.randomBytes(DIRECT_KEY_BYTES);
    // A client hears of its tickets before it tells the proxy anything that makes a function redeem one.
    this.#tickets = new Tickets(options.clock, 0);
    options.door.open(
      (connection) => this.#accept(connection),
      (address, reason) => {
        this.#address = address;
        this.#fault = reason;
        if (address !== null) options.onOpened();
        else options.onFault?.(reason);
      },
    );
  }

  /** What the proxies are told; null while there is nothing to tell. */
  get listen(): MessageOf<"listen"> | null {
    if (this.#address === null) return null;
    return { kind: "listen", address: this.#address, secret: this.#secret };
  }

  /** Whether any function has a connection to this client. */
  get hasLines(): boolean {
    return this.#lines.size > 0;
  }

  get counts(): DirectCounts {
    let channels = 0;
    for (const line of this.#lines.values()) channels += line.channelCount;
    return {
      address: this.#address,
      fault: this.#fault,
      lines: this.#lines.size,
      channels,
      tickets: this.#tickets.count,
      refused: this.#refused,
      refusedTickets: this.#tickets.refused,
    };
  }

  /** Redeems a ticket at an instance; null when it has no connection to us (any more). */
  redeem(instance: Uint8Array, ticket: Uint8Array, owner: ChannelOwner): LineChannel | null {
    return this.#lines.get(toHex(instance))?.redeem(ticket, owner) ?? null;
  }

  /** Gives a ticket out to an instance; false when it has no connection to us (any more). */
  offer(instance: Uint8Array, ticket: Uint8Array, holder: TicketHolder): boolean {
    const line = this.#lines.get(toHex(instance));
    return line !== undefined && this.#tickets.offer(ticket, line, holder);
  }

  withdraw(ticket: Uint8Array): void {
    this.#tickets.withdraw(ticket);
  }

  /** Closes the door and every line; `closed` is called when all are gone. */
  close(closed: () => void): void {
    for (const line of [...this.#lines.values()]) line.abort("the client was closed");
    this.#options.door.close(closed);
  }

  /** A hello with a proof, our challenge, a proof over that: a stranger gets no byte in answer, and a replay gets no further. */
  #accept(connection: Connection): void {
    const { clock } = this;
    if (this.#strangers >= STRANGERS_MAX || this.#lines.size >= LINES_MAX)
      return this.#refuse(connection);
    this.#strangers++;
    let stranger: Timer | null = clock.setTimer(PROOF_MS_MAX, () => refuse());
    let line: DirectLine | null = null;
    const settle = (): void => {
      if (stranger !== null) this.#strangers--;
      stranger?.cancel();
      stranger = null;
    };
    const refuse = (): void => {
      settle();
      this.#refuse(connection);
    };
    const greeting = this.#greeting(connection, (instance) => {
      settle();
      line = this.#open(instance, connection);
    });
    connection.setHandler({
      bodyPlace: (envelope, message, bytes) => line?.bodyPlace(envelope, message, bytes) ?? null,
      onMessage: (envelope, message, body) => {
        if (line !== null) line.onMessage(envelope, message, body);
        else if (stranger !== null && !greeting(message)) refuse();
      },
      onClose: (reason) => {
        settle();
        line?.onClose(reason);
      },
    });
  }

  /** The client's part of the handshake; false ends it. */
  #greeting(
    connection: Connection,
    proven: (instance: Uint8Array) => void,
  ): (message: Message) => boolean {
    const { crypto } = this.#options;
    const nonce = crypto.randomBytes(DIRECT_KEY_BYTES);
    const say = (message: Message): void =>
      connection.send({ channel: 0, term: 0, invocation: 0 }, message);
    let hello: MessageOf<"directHello"> | null = null;
    let key: Uint8Array = this.#secret;
    return (message) => {
      if (message.kind === "directHello" && hello === null) {
        key = pairKey(crypto, this.#secret, message.instance);
        const expected = directProof(crypto, key, "hello", message.nonce);
        if (!crypto.equal(expected, message.proof)) return false;
        hello = message;
        const proof = directProof(crypto, key, "challenge", hello.nonce, nonce);
        say({ kind: "directChallenge", nonce, proof });
        return true;
      }
      if (message.kind !== "directProof" || hello === null) return false;
      const expected = directProof(crypto, key, "proof", hello.nonce, nonce);
      if (!crypto.equal(expected, message.proof)) return false;
      say({ kind: "directWelcome" });
      proven(hello.instance);
      return true;
    };
  }

  #open(instance: Uint8Array, connection: Connection): DirectLine {
    const name = toHex(instance);
    const line = new DirectLine({
      connection,
      firstChannel: 1,
      tickets: this.#tickets,
      clock: this.clock,
      graceMs: GRACE_MS,
      onClosed: (closed, reason) => {
        if (this.#lines.get(name) === closed) this.#lines.delete(name);
        this.#tickets.dropLine(closed, reason);
      },
    });
    // The instance has dialled anew: it has given the old one up, or serves another of our sessions.
    this.#lines.get(name)?.abort("replaced by a newer connection");
    this.#lines.set(name, line);
    return line;
  }

  #refuse(connection: Connection): void {
    this.#refused++;
    connection.abort("not one of ours");
  }
}
