// One stripe of a GET: which chunks to ask for, when to hedge, and when there is no hope. The first d chunks that
// come whole win; the transfers of the others are cancelled.

import { chunkCount } from "../core/code.ts";
import type { InstanceId } from "../core/ids.ts";
import type { Timer } from "../core/ports.ts";
import type { MessageOf } from "../wire/messages.ts";
import { type CheckOutcome, ChunkCheck } from "./chunk-check.ts";
import { ChunkReader } from "./chunk-reader.ts";
import { DirectReader } from "./direct-reader.ts";
import type { NodeLink } from "./node-link.ts";
import { chunkBytesOf, chunkIdOf, type ObjectVersion, placeOf } from "./object-version.ts";
import type { ClientChannel, OperationContext } from "./operation.ts";
import type { Part } from "./part-pool.ts";

/** Why a stripe cannot be had. */
export type StripeEnd = "lost" | "unreachable";

type ChunkState =
  | { readonly kind: "idle" }
  | {
      readonly kind: "fetching";
      readonly reader: ChunkReader | DirectReader;
      readonly since: number;
    }
  | { readonly kind: "done" }
  /** Found corrupt by this reader; its function is checking it. */
  | { readonly kind: "doubted" }
  | { readonly kind: "missing" }
  | { readonly kind: "unreachable" };

/** How soon a chunk could come: at once, after a wake, or later than that, if at all. */
type Nearness = "awake" | "asleep" | "late";

const IDLE: ChunkState = { kind: "idle" };

/** So many times the bound overdue, and at least so long, a chunk is replaced also when no hedge may go out. */
const STUCK_BOUNDS = 4;
const STUCK_MS_MIN = 1_000;

/** A stripe on its way to a client. */
export class StripeGet {
  readonly object: ObjectVersion;
  readonly stripe: number;
  readonly channel: ClientChannel;
  readonly #context: OperationContext;
  readonly #wanted: number;
  readonly #onEnd: (end: StripeEnd) => void;
  readonly #chunks: ChunkState[];
  readonly #erasures = new Set<number>();
  /** Found corrupt once, and whole by their functions: damaged on the way, and worth a second read, not a third. */
  readonly #readAnew = new Set<number>();
  /** How often each chunk was announced to the client: one that was cancelled may be wanted after all. */
  readonly #attempts = new Map<number, number>();
  #hedgeTimer: Timer | null = null;
  #isClosed = false;

  constructor(
    object: ObjectVersion,
    stripe: number,
    wantAll: boolean,
    channel: ClientChannel,
    context: OperationContext,
    onEnd: (end: StripeEnd) => void,
  ) {
    this.object = object;
    this.stripe = stripe;
    this.channel = channel;
    this.#context = context;
    this.#onEnd = onEnd;
    this.#wanted = object.code.dataChunks;
    this.#chunks = Array.from({ length: chunkCount(object.code) }, () => IDLE);
    for (const index of this.#chunks.keys())
      if (placeOf(object, stripe, index)?.instance === null) this.#noteMissing(index);
    this.#tellErasures();
    // Later, so that the reason for a miss never comes within the constructor of its owner.
    const first = wantAll ? this.#chunks.length : this.#wanted;
    for (const index of this.#preferred().slice(0, first)) this.#ask(index);
    if (this.#count("fetching") < this.#wanted) context.clock.setTimer(0, () => this.#fill());
    this.#armHedge();
  }

  /** Nothing more is wanted of it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#hedgeTimer?.cancel();
    this.#leaveAll();
  }

  /** The reader found this chunk corrupt. Its function is asked to check: a claim alone destroys nothing. */
  onBad(index: number): void {
    if (this.#chunks[index]?.kind !== "done") return;
    this.#chunks[index] = { kind: "doubted" };
    const { object, stripe } = this;
    const link = this.#link(index);
    if (link === undefined) this.#chunks[index] = { kind: "unreachable" };
    link?.open(
      new ChunkCheck(link, chunkIdOf(object, stripe, index), (outcome, instance) =>
        this.#onChecked(index, outcome, instance),
      ),
    );
    this.#fill();
  }

  /** The client says that it did not get the chunk directly: it gets it from here. */
  onNotReceived(index: number, attempt: number): void {
    const chunk = this.#chunks[index];
    if (chunk === undefined || attempt !== this.#attempts.get(index)) return;
    if (chunk.kind === "fetching" && chunk.reader.isDirect) {
      chunk.reader.leave();
      return this.onUndelivered(index, true);
    }
    // Its function has heard that it arrived, which can only be said of what it sent earlier.
    if (chunk.kind !== "done") return;
    this.#chunks[index] = IDLE;
    this.#fill();
  }

  /** The chunk can be had directly: the client redeems the ticket. */
  onTicket(index: number, instance: Uint8Array, ticket: Uint8Array): void {
    const attempt = this.#nextAttempt(index);
    const { stripe } = this;
    this.channel.send({ kind: "chunkDirect", stripe, index, attempt, instance, ticket });
  }

  /** The direct way has failed: the chunk goes through the proxy. */
  onUndelivered(index: number, isBroken: boolean): void {
    const link = this.#link(index);
    if (isBroken && link !== undefined) this.channel.direct?.forget(link);
    if (this.#isClosed) return;
    this.#fetch(index, new ChunkReader(this, index, this.#context));
  }

  onFound(index: number, found: MessageOf<"chunkFound">): void {
    const { bytes, digestLow, digestHigh } = found;
    this.channel.send({
      kind: "chunk",
      stripe: this.stripe,
      index,
      attempt: this.#nextAttempt(index),
      bytes,
      digestLow,
      digestHigh,
    });
  }

  onPart(index: number, part: Part, onPassedOn: () => void): void {
    part.hold();
    const { offset, bytes } = part;
    const attempt = this.#attempts.get(index) ?? 0;
    this.channel.send({ kind: "data", stripe: this.stripe, index, attempt, offset }, bytes, () => {
      onPassedOn();
      part.release();
    });
  }

  /** The chunk has come, as far as these bytes go: if that is all of it, the next reader may need no function. */
  offerHot(index: number, found: MessageOf<"chunkFound">, bytes: Uint8Array): void {
    this.#context.hot.offer(this.object, index, found, bytes);
  }

  onFetched(index: number): void {
    this.#chunks[index] = { kind: "done" };
    if (this.#count("done") < this.#wanted) return;
    this.#hedgeTimer?.cancel();
    this.#leaveAll();
  }

  /** The node of a chunk is late: another chunk is asked for now, and not only when the first ones should have come. */
  onLate(): void {
    if (!this.#isClosed) this.#hedge();
  }

  onFailed(index: number, reason: "missing" | "unreachable", answeredBy: InstanceId | null): void {
    const place = placeOf(this.object, this.stripe, index);
    // The word of an instance is proof about its own store only: the one we mean may live and be out of reach.
    if (reason === "missing" && (place?.instance === null || place?.instance === answeredBy)) {
      this.#context.table.markMissing(this.object, this.stripe, index);
      this.#noteMissing(index);
      this.#tellErasures();
    } else {
      this.#chunks[index] = { kind: "unreachable" };
    }
    this.#fill();
  }

  #onChecked(index: number, outcome: CheckOutcome, instance: InstanceId | null): void {
    const { object, stripe } = this;
    const isGone = outcome === "gone" && placeOf(object, stripe, index)?.instance === instance;
    if (isGone) this.#context.table.markMissing(object, stripe, index);
    if (this.#isClosed || this.#chunks[index]?.kind !== "doubted") return;
    if (outcome === "whole" && !this.#readAnew.has(index)) {
      this.#readAnew.add(index);
      this.#chunks[index] = IDLE;
    } else {
      this.#chunks[index] = { kind: isGone ? "missing" : "unreachable" };
    }
    this.#fill();
  }

  /** Asks for as many chunks as are still short, or ends without hope. */
  #fill(): void {
    if (this.#isClosed) return;
    while (this.#count("done") + this.#count("fetching") < this.#wanted) {
      const next = this.#preferred()[0];
      if (next === undefined) {
        // A chunk in doubt may turn out whole; the GET's deadline bounds the wait.
        if (this.#count("doubted") === 0) this.#giveUp();
        return;
      }
      this.#ask(next);
    }
    this.#armHedge();
  }

  #giveUp(): void {
    const missing = this.#count("missing");
    const isLost = this.#chunks.length - missing < this.#wanted;
    if (isLost) this.#context.table.forgetIfLost(this.object, this.stripe);
    this.close();
    this.#onEnd(isLost ? "lost" : "unreachable");
  }

  /**
   * The idle chunks, best first: data before parity, for then nothing needs decoding; but if that would wake a node and
   * parity on nodes that are awake would not, those. Late ones last.
   */
  #preferred(): number[] {
    const idle = [...this.#chunks.keys()].filter((index) => this.#chunks[index]?.kind === "idle");
    const short = this.#wanted - this.#count("done") - this.#count("fetching");
    const at = (...nearness: readonly Nearness[]): number[] =>
      idle.filter((index) => nearness.includes(this.#nearness(index)));
    const awake = at("awake");
    const isEnough = awake.length >= short && short > 0;
    return isEnough
      ? [...awake, ...at("asleep"), ...at("late")]
      : [...at("awake", "asleep"), ...at("late")];
  }

  #nearness(index: number): Nearness {
    const [place, link] = [placeOf(this.object, this.stripe, index), this.#link(index)];
    if (place === undefined || link === undefined || link.isLate) return "late";
    if (!link.isAwake) return "asleep";
    return link.awakeInstance === place.instance ? "awake" : "late";
  }

  #ask(index: number): void {
    this.#context.counters.chunkGets++;
    this.#context.hedges.earn();
    this.#fetch(
      index,
      DirectReader.where(this, index, this.#context) ?? new ChunkReader(this, index, this.#context),
    );
  }

  #fetch(index: number, reader: ChunkReader | DirectReader): void {
    this.#chunks[index] = { kind: "fetching", reader, since: this.#context.clock.now() };
    reader.begin(this.#context);
  }

  #nextAttempt(index: number): number {
    const attempt = (this.#attempts.get(index) ?? -1) + 1;
    this.#attempts.set(index, attempt);
    return attempt;
  }

  get #hedgeAfterMs(): number {
    return this.#context.latency.hedgeAfterMs(chunkBytesOf(this.object, this.stripe, 0));
  }

  /** For when the next chunk will be late. Where those that are late could not be replaced, it is tried again soon. */
  #armHedge(): void {
    this.#hedgeTimer?.cancel();
    if (this.#isClosed || this.#count("idle") === 0 || this.#count("fetching") === 0) return;
    const { clock } = this.#context;
    const [now, bound] = [clock.now(), this.#hedgeAfterMs];
    let delay = bound;
    for (const chunk of this.#chunks) {
      if (chunk.kind !== "fetching") continue;
      const left = chunk.since + bound - now;
      delay = Math.min(delay, left > 0 ? left : bound / 2);
    }
    this.#hedgeTimer = clock.setTimer(delay, () => this.#hedge());
  }

  /** Asks for one more chunk in place of each that is late, those that were asked for as hedges included; within the budget. */
  #hedge(): void {
    const { clock, hedges, counters } = this.#context;
    const [now, bound] = [clock.now(), this.#hedgeAfterMs];
    let short = this.#wanted - this.#count("done");
    let longest = 0;
    this.#chunks.forEach((chunk, index) => {
      if (chunk.kind !== "fetching") return;
      const waited = now - chunk.since;
      if (waited < bound && this.#nearness(index) !== "late") short--;
      else longest = Math.max(longest, waited);
      if (waited >= bound) this.#link(index)?.activity.noteOverdue(chunk.since);
    });
    const isStuck = longest >= Math.max(STUCK_MS_MIN, STUCK_BOUNDS * bound);
    for (; short > 0; short--) {
      const next = this.#preferred()[0];
      if (next === undefined || !(hedges.spend() || isStuck)) break;
      counters.hedges++;
      this.#ask(next);
    }
    this.#armHedge();
  }

  #link(index: number): NodeLink | undefined {
    const place = placeOf(this.object, this.stripe, index);
    return place === undefined ? undefined : this.#context.pool.links[place.node];
  }

  #noteMissing(index: number): void {
    this.#chunks[index] = { kind: "missing" };
    this.#erasures.add(index);
  }

  #tellErasures(): void {
    if (this.#erasures.size === 0) return;
    this.channel.send({ kind: "erasures", stripe: this.stripe, indexes: [...this.#erasures] });
  }

  #leaveAll(): void {
    this.#chunks.forEach((chunk, index) => {
      if (chunk.kind !== "fetching") return;
      this.#chunks[index] = IDLE;
      chunk.reader.leave();
    });
  }

  #count(kind: ChunkState["kind"]): number {
    let count = 0;
    for (const chunk of this.#chunks) if (chunk.kind === kind) count++;
    return count;
  }
}
