// The exchanges of one invocation that take time: chunks coming in, chunks going out, inventories. It checks
// digests, obeys credit and counts bytes; it knows no connection, no lease and no proof. What it
// calls "work" is an exchange that is still open; the instance does not leave while there is any.

import { seedOf } from "../checksum/chunk-digest.ts";
import { assert } from "../core/assert.ts";
import { STRIPE_BYTES_JOINED_MAX } from "../core/limits.ts";
import type { Clock } from "../core/ports.ts";
import { Roster } from "../core/roster.ts";
import type { Message, MessageOf, WireChunkId } from "../wire/messages.ts";
import type { ChunkStore } from "./chunk-store.ts";
import { Deadline } from "./deadline.ts";
import type { DirectLines } from "./direct-lines.ts";
import { DirectIncoming, DirectOutgoing } from "./direct-transfers.ts";
import { IncomingChunk } from "./incoming-chunk.ts";
import { isIntact } from "./intact.ts";
import { InventoryPages } from "./inventory-pages.ts";
import { OutgoingChunk } from "./outgoing-chunk.ts";

/** Open exchanges of one invocation. A proxy that has more on one function has lost count: the connection is closed. */
export const TRANSFERS_MAX = 4_096;
/** A transfer in which nothing moved for this long is given up: it would hold the function awake. The proxy asks again. */
export const TRANSFER_IDLE_MS_MAX = 10_000;
/** The longest chunk: a stripe kept whole, and what rounding may add. */
export const CHUNK_BYTES_MAX = STRIPE_BYTES_JOINED_MAX + 4_096;

/** Where transfers speak to. */
export interface TransferPort {
  send(channel: number, message: Message, body?: Uint8Array, onSent?: () => void): void;
  dropQueued(channel: number): void;
  /** Bytes that wait in the connection. */
  queuedBytes(): number;
  /** The generation of the store: part of every chunk's identity. */
  generation(): number;
  /** The connections to clients. */
  readonly direct: Pick<DirectLines, "offer" | "withdraw" | "redeem">;
  /** The proxy broke the protocol. */
  fault(reason: string): void;
  /** The last open exchange ended. */
  onIdle(): void;
}

/** One open exchange. */
export interface Transfer {
  /** When something moved last, on the clock. */
  progressAt: number;
  /** The other side allows more. */
  credit(bytes: number): void;
  /** Where a part goes; null when it is none of this transfer's. */
  place(message: MessageOf<"data">, bytes: number): Uint8Array | null;
  /** A part has come; `body` is null when `place` was. */
  data(message: MessageOf<"data">, body: Uint8Array | null): void;
  /** Nothing moved for too long: tell the proxy. */
  giveUp(): void;
  /** Frees what it holds; it is never called twice, and of the transfer nothing is called after it. */
  end(): void;
}

/** All open exchanges, by channel. */
export class Transfers {
  readonly #clock: Clock;
  readonly #store: ChunkStore;
  readonly #port: TransferPort;
  readonly #open = new Roster<number, Transfer>();
  readonly #sweep: Deadline;

  constructor(clock: Clock, store: ChunkStore, port: TransferPort) {
    this.#clock = clock;
    this.#store = store;
    this.#port = port;
    this.#sweep = new Deadline(clock, () => this.#sweepIdle());
  }

  /** How many exchanges are open. */
  get count(): number {
    return this.#open.size;
  }

  /** Begins to take a chunk in, or answers at once. */
  put(channel: number, message: MessageOf<"chunkPut">): void {
    const incoming = this.#receive(channel, message, (bytes) => {
      const { stripe, index } = message;
      this.#port.send(channel, { kind: "credit", stripe, index, bytes });
    });
    if (incoming === null) return;
    this.#begin(channel, incoming);
    incoming.begin();
  }

  /** The same for a chunk that is to be fetched from a client. */
  take(channel: number, message: MessageOf<"chunkTake">): void {
    let transfer: DirectIncoming | null = null;
    const incoming = this.#receive(
      channel,
      message,
      () => {},
      () => transfer?.close(),
    );
    if (incoming === null) return;
    const interrupt = (): void => incoming.giveUp();
    transfer = new DirectIncoming(incoming, interrupt);
    this.#begin(channel, transfer);
    const line = this.#port.direct.redeem(message.peer, message.ticket, transfer.owner);
    if (line === null) return interrupt();
    transfer.begin(line);
    incoming.begin();
  }

  /** Offers a chunk to a client, or says that it is not here. */
  deliver(channel: number, message: MessageOf<"chunkSend">): void {
    if (!this.#mayOpen(channel)) return;
    const chunk = this.#store.find(message);
    if (chunk === null) {
      this.#port.send(channel, { kind: "chunkAbsent" });
      return;
    }
    const { peer, ticket } = message;
    const fail = (): void => this.#interrupt(channel, () => ({ kind: "undelivered" }));
    const outgoing = new DirectOutgoing(chunk, {
      now: () => this.#clock.now(),
      lend: () => this.#store.lend(chunk),
      giveBack: () => this.#store.giveBack(chunk),
      delivered: () => {
        this.#port.send(channel, { kind: "chunkDelivered" });
        this.#close(channel);
      },
      fail,
      withdraw: () => this.#port.direct.withdraw(ticket),
    });
    this.#begin(channel, outgoing);
    if (!this.#port.direct.offer(peer, ticket, outgoing) && this.#open.has(channel)) fail();
  }

  /** Begins to send a chunk, or says that it is not here. */
  get(channel: number, message: MessageOf<"chunkGet">): void {
    if (!this.#mayOpen(channel)) return;
    const chunk = this.#store.find(message);
    if (chunk === null) {
      this.#port.send(channel, { kind: "chunkAbsent" });
      return;
    }
    const { digestLow, digestHigh } = chunk;
    this.#port.send(channel, {
      kind: "chunkFound",
      bytes: chunk.bytes.length,
      digestLow,
      digestHigh,
    });
    const outgoing = new OutgoingChunk(chunk, message.offset, message.credit, {
      now: () => this.#clock.now(),
      lend: () => this.#store.lend(chunk),
      giveBack: () => this.#store.giveBack(chunk),
      send: (part, body, onSent) => this.#port.send(channel, part, body, onSent),
      complete: () => this.#close(channel),
      interrupt: () => this.#interrupt(channel, () => ({ kind: "cancel" })),
      dropQueued: () => this.#port.dropQueued(channel),
    });
    this.#begin(channel, outgoing);
    outgoing.pump();
  }

  /** Checks a stored chunk against its digest and forgets it when it has gone bad. */
  verify(channel: number, message: MessageOf<"chunkVerify">): void {
    const chunk = this.#store.find(message);
    if (chunk !== null && isIntact(chunk, this.#port.generation())) {
      this.#port.send(channel, this.#storedNow());
      return;
    }
    if (chunk !== null) this.#store.drop(message);
    this.#port.send(channel, { kind: "chunkAbsent" });
  }

  /** Begins to say what is held. */
  inventory(channel: number): void {
    if (!this.#mayOpen(channel)) return;
    const pages = new InventoryPages(this.#clock, this.#store.chunks(), {
      send: (page) => this.#port.send(channel, page),
      queuedBytes: () => this.#port.queuedBytes(),
      complete: () => this.#close(channel),
    });
    this.#begin(channel, pages);
    pages.pump();
  }

  /** More credit for a chunk going out; for anything else it means nothing. */
  credit(channel: number, message: MessageOf<"credit">): void {
    this.#open.get(channel)?.credit(message.bytes);
  }

  /** The proxy has no more use for the exchange. */
  cancel(channel: number): void {
    if (this.#end(channel)) this.#becameIdle();
  }

  /** Where a part goes, or null. */
  place(channel: number, message: MessageOf<"data">, bytes: number): Uint8Array | null {
    return this.#open.get(channel)?.place(message, bytes) ?? null;
  }

  /** A part has come. */
  data(channel: number, message: MessageOf<"data">, body: Uint8Array | null): void {
    this.#open.get(channel)?.data(message, body);
  }

  /** The invocation or the connection is over, and every exchange with it. `onIdle` is not called. */
  endAll(): void {
    for (const channel of this.#open.keys()) this.#end(channel);
    this.#sweep.cancel();
  }

  /** Makes room for a chunk that will come; null when that was answered at once. */
  #receive(
    channel: number,
    message: MessageOf<"chunkPut" | "chunkTake">,
    grant: (bytes: number) => void,
    completed: () => void = () => {},
  ): IncomingChunk | null {
    if (message.bytes > CHUNK_BYTES_MAX) {
      this.#port.fault(`a chunk of ${message.bytes} bytes, limit ${CHUNK_BYTES_MAX}`);
      return null;
    }
    if (!this.#mayOpen(channel)) return null;
    const held = this.#store.find(message);
    const isSame =
      held !== null &&
      held.bytes.length === message.bytes &&
      held.digestLow === message.digestLow &&
      held.digestHigh === message.digestHigh;
    // A repeated request, or the second of two: the parts that follow find no exchange and are thrown away.
    if (isSame) {
      this.#port.send(channel, this.#storedNow());
      return null;
    }
    const place = this.#store.reserve(message.bytes);
    if (place === null) {
      this.#port.send(channel, this.#refused("full"));
      return null;
    }
    const seed = seedOf({ ...identityOf(message), generation: this.#port.generation() });
    return new IncomingChunk(message, place, seed, {
      now: () => this.#clock.now(),
      grant,
      release: (lent) => this.#store.release(place, lent),
      returned: (lent) => this.#store.returned(lent),
      complete: (isGood) => {
        if (isGood) this.#store.add({ ...message, bytes: place });
        else this.#store.release(place, null);
        this.#port.send(channel, isGood ? this.#storedNow() : this.#refused("corrupt"));
        completed();
        this.#close(channel);
      },
      interrupt: () => this.#interrupt(channel, () => this.#refused("interrupted")),
    });
  }

  #mayOpen(channel: number): boolean {
    const reason = this.#open.has(channel)
      ? `channel ${channel} is in use`
      : channel === 0
        ? "channel 0 has no exchanges"
        : this.#open.size >= TRANSFERS_MAX
          ? `more than ${TRANSFERS_MAX} open exchanges`
          : null;
    if (reason !== null) this.#port.fault(reason);
    return reason === null;
  }

  #begin(channel: number, transfer: Transfer): void {
    this.#open.set(channel, transfer);
    if (this.#open.size === 1) this.#sweep.set(this.#clock.now() + TRANSFER_IDLE_MS_MAX / 2);
  }

  /** A transfer came to its own end and holds nothing any more. */
  #close(channel: number): void {
    assert(this.#open.delete(channel), "an exchange ended twice");
    this.#becameIdle();
  }

  #end(channel: number): boolean {
    const transfer = this.#open.get(channel);
    if (transfer === undefined) return false;
    this.#open.delete(channel);
    transfer.end();
    return true;
  }

  /** A transfer cannot go on. What it held is free before the proxy is told how much is. */
  #interrupt(channel: number, answer: () => Message): void {
    this.#end(channel);
    this.#port.send(channel, answer());
    this.#becameIdle();
  }

  #becameIdle(): void {
    if (this.#open.size > 0) return;
    this.#sweep.cancel();
    this.#port.onIdle();
  }

  #sweepIdle(): void {
    const now = this.#clock.now();
    for (const transfer of this.#open.values()) {
      if (now - transfer.progressAt >= TRANSFER_IDLE_MS_MAX) transfer.giveUp();
    }
    if (this.#open.size > 0) this.#sweep.set(now + TRANSFER_IDLE_MS_MAX / 2);
  }

  #storedNow(): MessageOf<"chunkStored"> {
    return { kind: "chunkStored", usedBytes: this.#store.usedBytes };
  }

  #refused(reason: MessageOf<"chunkRefused">["reason"]): MessageOf<"chunkRefused"> {
    const { usedBytes, budgetBytes } = this.#store;
    return { kind: "chunkRefused", reason, usedBytes, budgetBytes };
  }
}

function identityOf({ keyHash, version, stripe, index }: WireChunkId): WireChunkId {
  return { keyHash, version, stripe, index };
}
