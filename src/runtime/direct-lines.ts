// An instance's connections to clients, made when the proxy says so and kept between invocations as the one to the proxy
// is. It proves itself and has the client prove itself; what is sent then is decided by transfers.

import { DIRECT_KEY_BYTES, directProof } from "../core/direct.ts";
import type { Clock, Crypto, Timer } from "../core/ports.ts";
import type { Connection, Dialer } from "../wire/connection.ts";
import { type ChannelOwner, DirectLine, type LineChannel } from "../wire/direct-line.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import { type TicketHolder, Tickets } from "../wire/tickets.ts";

/** Clients to which an instance has a connection; one more takes the place of one that is idle. */
export const LINES_MAX = 64;
/** How long dialling and proving may take: a client that is not reached by then goes on through the proxy. */
export const DIAL_MS_MAX = 1_000;
/** How long a client may hold memory of a transfer that has ended, in the middle of a part, before its line is given up. */
const GRACE_MS = 2_000;

/** What it needs of the outside. */
export interface DirectLinesPorts {
  readonly clock: Clock;
  readonly crypto: Crypto;
  /** Null: this instance dials proxies only. */
  readonly dialer: Dialer | null;
}

interface Client {
  readonly address: string;
  readonly key: Uint8Array;
  connection: Connection | null;
  line: DirectLine | null;
  /** Everybody who waits for the outcome of the dial. */
  readonly waiting: ((isUp: boolean) => void)[];
  timer: Timer | null;
  usedAt: number;
}

/** See the header. */
export class DirectLines {
  readonly #ports: DirectLinesPorts;
  readonly #instance: Uint8Array;
  readonly #tickets: Tickets;
  readonly #clients = new Map<number, Client>();

  constructor(ports: DirectLinesPorts, instance: Uint8Array) {
    this.#ports = ports;
    this.#instance = instance;
    this.#tickets = new Tickets(ports.clock);
  }

  /** Connections that both sides have proven. */
  get count(): number {
    let count = 0;
    for (const { line } of this.#clients.values()) if (line !== null) count++;
    return count;
  }

  /** Another proxy numbers its peers anew. */
  clear(): void {
    for (const [peer, client] of [...this.#clients])
      this.#drop(peer, client, "another proxy has taken over");
  }

  /** Makes a connection unless there is one; answers once, possibly within this call. */
  dial(order: MessageOf<"directDial">, answer: (isUp: boolean) => void): void {
    const { peer, address, pairKey } = order;
    const known = this.#clients.get(peer);
    if (known !== undefined) {
      if (known.line !== null) return answer(true);
      known.waiting.push(answer);
      return;
    }
    const { dialer, clock } = this.#ports;
    if (dialer === null || !this.#makeRoom()) return answer(false);
    const client: Client = {
      ...{ address, key: pairKey, connection: null, line: null },
      ...{ waiting: [answer], timer: null, usedAt: clock.now() },
    };
    this.#clients.set(peer, client);
    client.timer = clock.setTimer(DIAL_MS_MAX, () => this.#drop(peer, client, "no answer in time"));
    dialer.dial(address, DIAL_MS_MAX, (connection) => {
      if (this.#clients.get(peer) !== client) return connection?.abort("too late");
      if (connection === null) return this.#drop(peer, client, "not reached");
      this.#greet(peer, client, connection);
    });
  }

  /** Gives the client a ticket; false when there is no connection to it. */
  offer(peer: number, ticket: Uint8Array, holder: TicketHolder): boolean {
    const line = this.#lineOf(peer);
    return line !== null && this.#tickets.offer(ticket, line, holder);
  }

  withdraw(ticket: Uint8Array): void {
    this.#tickets.withdraw(ticket);
  }

  /** Redeems a ticket at the client; null when there is no connection to it. */
  redeem(peer: number, ticket: Uint8Array, owner: ChannelOwner): LineChannel | null {
    return this.#lineOf(peer)?.redeem(ticket, owner) ?? null;
  }

  #lineOf(peer: number): DirectLine | null {
    const client = this.#clients.get(peer);
    if (client === undefined) return null;
    client.usedAt = this.#ports.clock.now();
    return client.line;
  }

  #makeRoom(): boolean {
    if (this.#clients.size < LINES_MAX) return true;
    let oldest: readonly [number, Client] | null = null;
    for (const entry of this.#clients) {
      const isFree = entry[1].line?.channelCount === 0;
      if (isFree && (oldest === null || entry[1].usedAt < oldest[1].usedAt)) oldest = entry;
    }
    if (oldest === null) return false;
    this.#drop(oldest[0], oldest[1], "another client takes its place");
    return true;
  }

  /** Three messages: our proof, the client's proof with a nonce of its own, and our proof over that. */
  #greet(peer: number, client: Client, connection: Connection): void {
    const { crypto } = this.#ports;
    const nonce = crypto.randomBytes(DIRECT_KEY_BYTES);
    let isProven = false;
    client.connection = connection;
    const say = (message: Message): void =>
      connection.send({ channel: 0, term: 0, invocation: 0 }, message);
    const onGreeting = (message: Message): void => {
      if (message.kind === "directChallenge" && !isProven) {
        const expected = directProof(crypto, client.key, "challenge", nonce, message.nonce);
        if (!crypto.equal(expected, message.proof))
          return this.#drop(peer, client, "the client's proof is wrong");
        isProven = true;
        const proof = directProof(crypto, client.key, "proof", nonce, message.nonce);
        say({ kind: "directProof", proof });
      } else if (message.kind === "directWelcome" && isProven) this.#open(peer, client, connection);
      else this.#drop(peer, client, "the client broke the protocol");
    };
    connection.setHandler({
      bodyPlace: (envelope, message, bytes) =>
        client.line?.bodyPlace(envelope, message, bytes) ?? null,
      onMessage: (envelope, message, body) => {
        if (client.line !== null) client.line.onMessage(envelope, message, body);
        else onGreeting(message);
      },
      onClose: (reason) => {
        client.line?.onClose(reason);
        this.#drop(peer, client, reason);
      },
    });
    say({
      kind: "directHello",
      instance: this.#instance,
      nonce,
      proof: directProof(crypto, client.key, "hello", nonce),
    });
  }

  #open(peer: number, client: Client, connection: Connection): void {
    client.timer?.cancel();
    client.line = new DirectLine({
      connection,
      firstChannel: 2,
      tickets: this.#tickets,
      clock: this.#ports.clock,
      graceMs: GRACE_MS,
      onClosed: (line, reason) => {
        this.#tickets.dropLine(line, reason);
        this.#drop(peer, client, reason);
      },
    });
    for (const answer of client.waiting.splice(0)) answer(true);
  }

  #drop(peer: number, client: Client, reason: string): void {
    if (this.#clients.get(peer) !== client) return;
    this.#clients.delete(peer);
    client.timer?.cancel();
    if (client.line !== null) client.line.abort(reason);
    else client.connection?.abort(reason);
    for (const answer of client.waiting.splice(0)) answer(false);
  }
}
