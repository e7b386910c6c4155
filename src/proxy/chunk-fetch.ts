// One transfer of a chunk from a function, shared by all GETs that want it at the time. Parts are passed on as they
// come; the fastest reader sets the pace. Who falls behind by more than a little goes on with a transfer of its own.

import type { InstanceId } from "../core/ids.ts";
import type { Clock } from "../core/ports.ts";
import type { Message, MessageOf, WireChunkId } from "../wire/messages.ts";
import type { Exchange, ExchangeEnd } from "./exchange.ts";
import type { NodeLink } from "./node-link.ts";
import { Part, type PartPool } from "./part-pool.ts";
import type { TransferCredit } from "./transfer-credit.ts";

/** A GET that wants this chunk. */
export interface FetchReader {
  /** The chunk is there; called once, before its parts. */
  onFound(found: MessageOf<"chunkFound">): void;
  /** A part, borrowed: hold it to keep it. In order of offset. */
  onPart(part: Part): void;
  /** Bytes that it was handed and has not passed on. */
  readonly waitingBytes: number;
  /** Others are too far ahead of it: it left this transfer, and the part at `offset` is the first that it was not handed. */
  onOutpaced(offset: number): void;
  /** All parts were passed on. */
  onFetched(): void;
  /** The node is later than a wake takes. */
  onFetchLate(): void;
  /** `missing`: the instance `answeredBy` has said that it does not have it. */
  onFetchFailed(reason: "missing" | "unreachable", answeredBy: InstanceId | null): void;
}

/** What a fetch needs of the proxy. */
export interface FetchContext {
  readonly clock: Clock;
  readonly parts: PartPool;
  /** It is over, one way or the other; nobody can join it any more. */
  onOver(fetch: ChunkFetch, completedMs: number | null): void;
}

/** Chunks up to this are kept whole while their transfer lasts, so that later readers can join. */
const JOINABLE_BYTES_MAX = 256 * 1_024;
/** How often a transfer is begun again when invocations end under it. */
const OPENINGS_MAX = 4;

/** A transfer under way. */
export class ChunkFetch implements Exchange {
  readonly purpose: "serve" | "repair";
  readonly name: string;
  readonly bytes: number;
  readonly #id: WireChunkId;
  readonly #link: NodeLink;
  readonly #context: FetchContext;
  readonly #readers = new Set<FetchReader>();
  readonly #startedAt: number;
  #channel: number | null = null;
  #found: MessageOf<"chunkFound"> | null = null;
  readonly #from: number;
  #received: number;
  #openings = 1;
  /** The function gave it up because no reader took anything; it goes on when one does. */
  #isStalled = false;
  /** All parts so far, or null once the first have been let go. */
  #kept: Part[] | null = [];
  /** Parts that a reader has passed on, each once however many readers do. */
  readonly #passedOn = new WeakSet<Part>();
  readonly #credit: TransferCredit;

  /** `from`: its first byte to be had; a transfer that does not begin with the chunk cannot be joined. */
  constructor(
    name: string,
    id: WireChunkId,
    range: { readonly from: number; readonly bytes: number },
    purpose: "serve" | "repair",
    link: NodeLink,
    context: FetchContext,
  ) {
    this.purpose = purpose;
    this.name = name;
    this.bytes = range.bytes;
    this.#from = range.from;
    this.#received = range.from;
    if (range.from > 0) this.#kept = null;
    this.#id = id;
    this.#link = link;
    this.#context = context;
    this.#startedAt = context.clock.now();
    this.#credit = context.parts.budget.begin();
    link.open(this);
  }

  /** Whether a reader that comes now would still get the chunk from its beginning. */
  get isJoinable(): boolean {
    return this.#kept !== null;
  }

  /** Adds a reader; it is told what it has missed in this call. */
  join(reader: FetchReader): void {
    this.#readers.add(reader);
    if (this.#found !== null) reader.onFound(this.#found);
    for (const part of this.#kept ?? []) reader.onPart(part);
  }

  /** Takes a reader away without calling it; without readers the transfer is cancelled. */
  leave(reader: FetchReader): void {
    if (!this.#readers.delete(reader) || this.#readers.size > 0) return;
    this.#link.close(this, this.#channel);
    this.#end(null);
  }

  /** A reader has passed this part on: the function may send about as much again. */
  onPassedOn(part: Part): void {
    if (this.#passedOn.has(part)) return;
    this.#passedOn.add(part);
    this.#credit.onPassedOn(part.bytes.length);
    if (this.#isStalled && this.#readers.size > 0) {
      this.#isStalled = false;
      this.#link.open(this);
      return;
    }
    const isRunning = this.#channel !== null && this.#received < this.bytes;
    if (!isRunning || this.#channel === null || !this.#link.isAwake) return;
    const bytes = this.#credit.draw(this.bytes - this.#received);
    if (bytes === 0) return;
    const { stripe, index } = this.#id;
    this.#link.send(this.#channel, { kind: "credit", stripe, index, bytes });
  }

  start(channel: number): void {
    this.#channel = channel;
    this.#credit.restart();
    const credit = this.#credit.draw(this.bytes - this.#received);
    this.#link.send(channel, { kind: "chunkGet", ...this.#id, offset: this.#received, credit });
  }

  bodyPlace(message: Message, bytes: number): Uint8Array | null {
    if (message.kind !== "data" || this.#found === null) return null;
    if (message.offset !== this.#received || message.offset + bytes > this.bytes) return null;
    return this.#context.parts.take(bytes);
  }

  onMessage(message: Message, body: Uint8Array | null): void {
    if (message.kind === "chunkFound") this.#onFound(message);
    else if (message.kind === "chunkAbsent") this.#fail("missing");
    else if (message.kind === "cancel") this.#onGivenUp();
    else if (message.kind === "data" && body !== null) this.#onPart(body, message.offset);
  }

  onEnd(reason: ExchangeEnd): void {
    this.#channel = null;
    if (reason === "interrupted" && this.#openings < OPENINGS_MAX) {
      this.#openings++;
      this.#link.open(this);
      return;
    }
    this.#fail(reason === "lost" ? "missing" : "unreachable");
  }

  onLate(): void {
    for (const reader of [...this.#readers]) reader.onFetchLate();
  }

  #onFound(found: MessageOf<"chunkFound">): void {
    if (found.bytes !== this.bytes) return this.#fail("missing"); // Not the chunk the table speaks of.
    const isFirst = this.#found === null;
    this.#found = found;
    if (isFirst) for (const reader of [...this.#readers]) reader.onFound(found);
    if (this.bytes === 0) this.#complete();
  }

  #onGivenUp(): void {
    if (this.#channel !== null) this.#link.finish(this.#channel);
    this.#channel = null;
    this.#isStalled = true;
  }

  #onPart(body: Uint8Array, offset: number): void {
    const part = new Part(this.#context.parts, body, offset);
    this.#received += body.length;
    this.#credit.onReceived(body.length);
    if (this.bytes > JOINABLE_BYTES_MAX) this.#letGo();
    if (this.#kept !== null) {
      part.hold();
      this.#kept.push(part);
    }
    for (const reader of [...this.#readers]) {
      // One that left on the way is told nothing more.
      if (!this.#readers.has(reader)) continue;
      const isOutpaced = this.#readers.size > 1 && reader.waitingBytes > this.#credit.lagBytesMax;
      if (!isOutpaced) reader.onPart(part);
      else if (this.#readers.delete(reader)) reader.onOutpaced(offset);
    }
    part.release();
    if (this.#received === this.bytes) this.#complete();
  }

  #complete(): void {
    if (this.#channel !== null) this.#link.finish(this.#channel);
    const readers = [...this.#readers];
    // What the rest of a chunk takes says nothing of whole ones.
    this.#end(this.#from === 0 ? this.#context.clock.now() - this.#startedAt : null);
    for (const reader of readers) reader.onFetched();
  }

  #fail(reason: "missing" | "unreachable"): void {
    const answeredBy = this.#link.awakeInstance;
    if (this.#channel !== null) this.#link.finish(this.#channel);
    const readers = [...this.#readers];
    this.#end(null);
    for (const reader of readers) reader.onFetchFailed(reason, answeredBy);
  }

  #end(completedMs: number | null): void {
    this.#readers.clear();
    this.#letGo();
    this.#credit.end();
    this.#context.onOver(this, completedMs);
  }

  #letGo(): void {
    for (const part of this.#kept ?? []) part.release();
    this.#kept = null;
  }
}
