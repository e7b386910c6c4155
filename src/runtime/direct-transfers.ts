// The two transfers of the direct path: a chunk that a client fetches from here, and one that is fetched from a client.
// They do on a client's line what OutgoingChunk and IncomingChunk do on the link; the proxy hears the outcome only.

import type { ChannelOwner, LineChannel } from "../wire/direct-line.ts";
import type { Message } from "../wire/messages.ts";
import type { TicketHolder } from "../wire/tickets.ts";
import type { StoredChunk } from "./chunk-store.ts";
import type { IncomingChunk } from "./incoming-chunk.ts";
import { OutgoingChunk, type OutgoingPort } from "./outgoing-chunk.ts";
import type { Transfer } from "./transfers.ts";

/** What a chunk on its way to a client needs of its surroundings. */
export interface DirectOutgoingPort extends Pick<OutgoingPort, "now" | "lend" | "giveBack"> {
  /** The client has all of it. */
  delivered(): void;
  /** It cannot go on; must end in `end`. */
  fail(): void;
  withdraw(): void;
}

/** A chunk for which a client holds a ticket. It is over when the client has said so: what lies in a frozen machine's buffers has not arrived. */
export class DirectOutgoing implements Transfer, TicketHolder {
  readonly #chunk: StoredChunk;
  readonly #port: DirectOutgoingPort;
  readonly #startedAt: number;
  readonly #chunkBytes: number;
  #channel: LineChannel | null = null;
  #parts: OutgoingChunk | null = null;

  constructor(chunk: StoredChunk, port: DirectOutgoingPort) {
    this.#chunk = chunk;
    this.#port = port;
    this.#startedAt = port.now();
    this.#chunkBytes = chunk.bytes.length;
  }

  get progressAt(): number {
    return this.#parts?.progressAt ?? this.#startedAt;
  }

  onRedeemed(channel: LineChannel): void {
    this.#channel = channel;
    const { bytes, digestLow, digestHigh } = this.#chunk;
    // Dropped since it was offered.
    if (bytes.length < this.#chunkBytes) return this.#port.fail();
    channel.send({ kind: "chunkFound", bytes: bytes.length, digestLow, digestHigh });
    this.#parts = new OutgoingChunk(this.#chunk, 0, bytes.length, {
      now: this.#port.now,
      lend: this.#port.lend,
      giveBack: this.#port.giveBack,
      send: (part, body, onSent) => channel.send(part, body, onSent),
      dropQueued: () => channel.dropQueued(),
      complete: () => {},
      interrupt: () => this.#port.fail(),
    });
    this.#parts.pump();
  }

  onMessage(message: Message): void {
    if (message.kind === "taken") {
      this.#channel?.end(null);
      this.#port.delivered();
    } else if (message.kind === "cancel") this.#port.fail();
  }

  onClosed(): void {
    this.#port.fail();
  }

  onHold(): void {
    // The chunk is lent part by part.
  }

  place(): null {
    return null;
  }

  credit(): void {
    // The client has memory for all of it.
  }

  data(): void {
    // Nothing comes in on the link's channel.
  }

  giveUp(): void {
    this.#port.fail();
  }

  end(): void {
    this.#port.withdraw();
    this.#parts?.end();
    this.#channel?.end("cancel");
  }
}

/** A chunk that is fetched from a client against a ticket: its parts come on the client's line, and none on the link. */
export class DirectIncoming implements Transfer {
  /** What the line speaks to. */
  readonly owner: ChannelOwner;
  readonly #incoming: IncomingChunk;
  readonly #fail: () => void;
  #channel: LineChannel | null = null;

  constructor(incoming: IncomingChunk, fail: () => void) {
    this.#incoming = incoming;
    this.#fail = fail;
    this.owner = {
      place: (message, bytes) => incoming.place(message, bytes),
      onMessage: (message, body) => {
        if (message.kind === "data") incoming.data(message, body);
        else if (message.kind === "cancel") fail();
      },
      onClosed: fail,
      onHold: (more) => {
        if (more < 0) incoming.returned();
      },
    };
  }

  get progressAt(): number {
    return this.#incoming.progressAt;
  }

  /** Its channel, once the ticket was sent. */
  begin(channel: LineChannel): void {
    this.#channel = channel;
  }

  credit(): void {
    // Only for chunks going out on the link.
  }

  place(): null {
    return null;
  }

  data(): void {
    // A part on the link was thrown away.
  }

  giveUp(): void {
    this.#fail();
  }

  /** All bytes came. */
  close(): void {
    this.#channel?.end(null);
  }

  end(): void {
    this.#channel?.end("cancel");
    this.#incoming.end();
  }
}
