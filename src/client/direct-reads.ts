// The chunks that one GET fetches straight from functions. For each it redeems the ticket, passes on what comes, and says
// when nothing more can come of it. It guards the memory: a place is named for a chunk only while no other transfer of
// that chunk, here or through the proxy, has one.

import type { Timer } from "../core/ports.ts";
import type { ChannelOwner, LineChannel } from "../wire/direct-line.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { DirectHub } from "./direct-hub.ts";
import type { Change } from "./stripe-assembly.ts";

/** A transfer in which nothing moves for so long goes through the proxy. A hedge comes long before. */
export const STALL_MS_MAX = 5_000;
/** How long a stripe that could be decoded waits for a part that is under way to the place of what would be decoded. */
export const HURRY_MS = 20;

/** The GET. */
export interface DirectReadsOwner {
  onChunk(message: MessageOf<"chunk">): void;
  place(message: MessageOf<"data">, bytes: number): Uint8Array | null;
  /** A part has come; what it changed. */
  onPart(message: MessageOf<"data">, body: Uint8Array | null): Change;
  /** The transport has let go of the chunk's place. */
  onUnplaced(stripe: number, index: number): void;
  /** The transfer is over without the chunk. */
  onFailed(stripe: number, index: number, attempt: number): void;
  /** The transport has taken or given back memory. */
  onHold(change: 1 | -1): void;
}

/** See the header. */
export class DirectReads {
  readonly #hub: DirectHub;
  readonly #owner: DirectReadsOwner;
  readonly #reads = new Map<string, DirectRead>();
  /** To whose place a body is being written, also of those that have ended. */
  readonly #placed = new Set<DirectRead>();
  #stall: Timer | null = null;
  #hurry: Timer | null = null;
  readonly #hurried = new Set<number>();

  constructor(hub: DirectHub, owner: DirectReadsOwner) {
    this.#hub = hub;
    this.#owner = owner;
  }

  /** Fetches a chunk; what was under way of it is given up. */
  begin(message: MessageOf<"chunkDirect">): void {
    const { stripe, index, attempt, instance, ticket } = message;
    this.abandon(stripe, index);
    const read = new DirectRead(message, this.#owner, {
      now: () => this.#hub.clock.now(),
      over: () => this.#forget(read),
      placed: (isPlaced) => {
        if (isPlaced) this.#placed.add(read);
        else this.#placed.delete(read);
      },
    });
    const channel = this.#hub.redeem(instance, ticket, read);
    if (channel === null) return this.#owner.onFailed(stripe, index, attempt);
    read.begin(channel);
    this.#reads.set(nameOf(read), read);
    this.#stall ??= this.#hub.clock.setTimer(STALL_MS_MAX / 4, () => this.#lookForStalls());
  }

  /** The chunk comes another way: when this returns nothing is written to its place any more. */
  abandon(stripe: number, index: number): void {
    this.#abandon(this.#reads.get(`${stripe}/${index}`));
  }

  /** The stripe is complete; parts that are under way may still fill their places. */
  endStripe(stripe: number): void {
    for (const read of [...this.#reads.values()]) {
      if (read.stripe !== stripe) continue;
      this.#forget(read);
      read.end();
    }
  }

  /** The stripe waits for nothing but places to become free: gives them a moment, then takes them. */
  hurry(stripe: number): void {
    this.#hurried.add(stripe);
    this.#hurry ??= this.#hub.clock.setTimer(HURRY_MS, () => {
      this.#hurry = null;
      const stuck = [...this.#reads.values()].filter(
        (read) => read.isPlaced && this.#hurried.has(read.stripe),
      );
      this.#hurried.clear();
      for (const read of stuck) this.#abandon(read);
    });
  }

  /** All that is under way; the owner hears no more but of memory. When it returns no place is written to. */
  abandonAll(): void {
    this.#stall?.cancel();
    this.#hurry?.cancel();
    this.#stall = null;
    this.#hurry = null;
    const reads = new Set([...this.#reads.values(), ...this.#placed]);
    this.#reads.clear();
    // All before any: giving up one connection ends several.
    for (const read of reads) read.isMuted = true;
    for (const read of reads) read.abandon();
  }

  #abandon(read: DirectRead | undefined): void {
    if (read === undefined) return;
    this.#forget(read);
    read.abandon();
  }

  #forget(read: DirectRead): void {
    if (this.#reads.get(nameOf(read)) === read) this.#reads.delete(nameOf(read));
  }

  #lookForStalls(): void {
    this.#stall = null;
    const now = this.#hub.clock.now();
    for (const read of [...this.#reads.values()]) {
      if (now - read.progressAt < STALL_MS_MAX) continue;
      this.#abandon(read);
      this.#owner.onFailed(read.stripe, read.index, read.attempt);
    }
    if (this.#reads.size > 0)
      this.#stall = this.#hub.clock.setTimer(STALL_MS_MAX / 4, () => this.#lookForStalls());
  }
}

/** What a read needs of its siblings' keeper. */
interface ReadPort {
  now(): number;
  over(): void;
  placed(isPlaced: boolean): void;
}

/** One chunk on its way from one function. */
class DirectRead implements ChannelOwner {
  readonly stripe: number;
  readonly index: number;
  readonly attempt: number;
  progressAt: number;
  isPlaced = false;
  /** The owner wants to hear of memory only. */
  isMuted = false;
  readonly #owner: DirectReadsOwner;
  readonly #port: ReadPort;
  /** A part is being passed on: whoever ends the transfer meanwhile does not know yet what became of it. */
  #isBusy = false;
  #isEnded = false;
  #channel: LineChannel | null = null;

  constructor(
    { stripe, index, attempt }: MessageOf<"chunkDirect">,
    owner: DirectReadsOwner,
    port: ReadPort,
  ) {
    this.stripe = stripe;
    this.index = index;
    this.attempt = attempt;
    this.progressAt = port.now();
    this.#owner = owner;
    this.#port = port;
  }

  begin(channel: LineChannel): void {
    this.#channel = channel;
  }

  end(): void {
    this.#isEnded = true;
    if (!this.#isBusy) this.#channel?.end("cancel");
  }

  abandon(): void {
    this.#channel?.abandon();
  }

  place(message: MessageOf<"data">, bytes: number): Uint8Array | null {
    return this.#isOurs(message) ? this.#owner.place(this.#named(message), bytes) : null;
  }

  onMessage(message: Message, body: Uint8Array | null): void {
    const { stripe, index, attempt } = this;
    this.progressAt = this.#port.now();
    if (message.kind === "chunkFound") {
      const { bytes, digestLow, digestHigh } = message;
      this.#owner.onChunk({
        kind: "chunk",
        ...{ stripe, index, attempt, bytes, digestLow, digestHigh },
      });
    } else if (message.kind === "data" && this.#isOurs(message)) this.#onPart(message, body);
    else this.#fail();
  }

  onClosed(): void {
    this.#port.over();
    if (!this.isMuted) this.#owner.onFailed(this.stripe, this.index, this.attempt);
  }

  onHold(change: 1 | -1): void {
    this.isPlaced = change === 1;
    this.#port.placed(this.isPlaced);
    if (!this.isPlaced) this.#owner.onUnplaced(this.stripe, this.index);
    this.#owner.onHold(change);
  }

  #onPart(message: MessageOf<"data">, body: Uint8Array | null): void {
    this.isPlaced = false;
    this.#isBusy = true;
    const change = this.#owner.onPart(this.#named(message), body);
    this.#isBusy = false;
    if (change === "none" && !this.#isEnded) return;
    this.#port.over();
    this.#channel?.end(change === "good" ? "taken" : "cancel");
  }

  #fail(): void {
    this.#port.over();
    this.#channel?.end("cancel");
    this.#owner.onFailed(this.stripe, this.index, this.attempt);
  }

  #isOurs(message: MessageOf<"data">): boolean {
    return message.stripe === this.stripe && message.index === this.index;
  }

  /** As the assembly knows the transfer. */
  #named(message: MessageOf<"data">): MessageOf<"data"> {
    return { ...message, attempt: this.attempt };
  }
}

function nameOf({ stripe, index }: DirectRead): string {
  return `${stripe}/${index}`;
}
