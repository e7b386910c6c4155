// One stripe of a PUT: its chunks on their way to d+p distinct nodes, what happens to those whose node fails, and
// when enough are confirmed.

import { type CodeSpec, chunkCount, quorum } from "../core/code.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { InstanceId, NodeIndex, Version } from "../core/ids.ts";
import { chunkLength } from "../core/layout.ts";
import type { Timer } from "../core/ports.ts";
import type { MessageOf, WireChunkId } from "../wire/messages.ts";
import { type ChunkPut, creditFor, endUpload, newChunkPut } from "./chunk-put.ts";
import { ChunkUpload, type Upload, type UploadOwner } from "./chunk-upload.ts";
import { DirectUpload, wayInWords } from "./direct-upload.ts";
import type { ExchangeEnd } from "./exchange.ts";
import type { NodeLink } from "./node-link.ts";
import { chunkName } from "./node-space.ts";
import type { NodeWish } from "./object-spread.ts";
import type { ChunkPlace } from "./object-version.ts";
import type { ClientChannel, OperationContext } from "./operation.ts";
import { Part } from "./part-pool.ts";

/** What stripe it is. */
export interface StripeOrder {
  readonly stripe: number;
  readonly bytes: number;
  readonly code: CodeSpec;
  readonly keyHash: Uint8Array;
  readonly version: Version;
}

/** The PUT it belongs to. */
export interface StripePutOwner {
  onStored(): void;
  onFailed(code: ErrorCode, reason: string): void;
}

/**
 * A chunk is sent this often before it counts as one that will not come. A busy machine ends a few attempts by
 * re-dials alone, though nothing is wrong with any node.
 */
const ATTEMPTS_MAX = 8;
/** A chunk of which nothing was heard for so long is tried on another node, if there is one. */
const STALL_MS = 8_000;

/** A stripe on its way into the pool. */
export class StripePut implements UploadOwner {
  readonly stripe: number;
  readonly bytes: number;
  readonly #order: StripeOrder;
  readonly #channel: ClientChannel;
  readonly #context: OperationContext;
  readonly #owner: StripePutOwner;
  readonly #chunks: ChunkPut[];
  #timer: Timer | null = null;
  #quorumSince: number | null = null;
  #isStored = false;
  #isClosed = false;

  /** Reserves room for every chunk, where `wish` says if that can be; null when there is none. */
  static begin(
    order: StripeOrder,
    wish: NodeWish | null,
    channel: ClientChannel,
    context: OperationContext,
    owner: StripePutOwner,
  ): StripePut | null {
    const { code, stripe, version, keyHash, bytes } = order;
    const requests = Array.from({ length: chunkCount(code) }, (_, index) => ({
      id: { keyHash, version, stripe, index },
      bytes: chunkLength(bytes, code.dataChunks, index),
    }));
    const nodes = context.pool.reserve(requests, new Set(), wish);
    return nodes === null ? null : new StripePut(order, requests, nodes, channel, context, owner);
  }

  constructor(
    order: StripeOrder,
    requests: readonly { readonly id: WireChunkId; readonly bytes: number }[],
    nodes: readonly NodeIndex[],
    channel: ClientChannel,
    context: OperationContext,
    owner: StripePutOwner,
  ) {
    this.#order = order;
    this.stripe = order.stripe;
    this.bytes = order.bytes;
    this.#channel = channel;
    this.#context = context;
    this.#owner = owner;
    const movedAt = context.clock.now();
    this.#chunks = requests.map(({ id, bytes }, index) => {
      const node = nodes[index] ?? nodes[0];
      if (node === undefined) throw new RangeError("a stripe has at least one chunk");
      context.pool.link(node).wake("serve"); // It starts while the client still sends.
      return newChunkPut(index, id, bytes, node, movedAt);
    });
    this.#tick();
  }

  /** Enough chunks are confirmed; what is still under way may yet come. */
  get isStored(): boolean {
    return this.#isStored;
  }

  /** What of it is here and waits for functions. */
  get heldBytes(): number {
    return this.#chunks.reduce((sum, { credit }) => sum + (credit?.heldBytes ?? 0), 0);
  }

  /** Still true at the moment of the commit: chunks confirmed before may have been lost since. */
  isWhole(): boolean {
    return (
      this.places().filter((place) => place.instance !== null).length >= this.#order.code.dataChunks
    );
  }

  /** Where its chunks lie. */
  places(): ChunkPlace[] {
    return this.#chunks.map((chunk) => ({
      node: chunk.node,
      instance: this.#isHeld(chunk) ? chunk.instance : null,
    }));
  }

  /** The client asks which chunks it may send straight to their functions. */
  openDirect(): void {
    const { direct } = this.#channel;
    const ways: ReturnType<typeof wayInWords>[] = [];
    for (const chunk of this.#chunks) {
      const isFresh = chunk.attempt === 0 && chunk.upload === null && chunk.way === null;
      if (direct === null || !isFresh || !direct.isWorth(chunk.bytes)) continue;
      const instance = direct.upTo(this.#context.pool.link(chunk.node));
      if (instance === null) continue;
      chunk.way = { peer: direct.peer, instance, ticket: direct.drawTicket() };
      ways.push(wayInWords(chunk.index, chunk.way));
    }
    this.#channel.send({ kind: "stripeOpened", stripe: this.stripe, direct: ways });
  }

  /** The direct transfer of this attempt came to nothing on the client's side. */
  onNotReceived(index: number, attempt: number): void {
    const chunk = this.#chunks[index];
    if (chunk === undefined || chunk.way === null || chunk.attempt !== attempt) return;
    if (chunk.state !== "pending") return;
    this.#cancel(chunk);
    this.#retry(chunk, undefined);
  }

  onChunk(message: MessageOf<"putChunk">): void {
    const chunk = this.#chunks[message.index];
    if (
      chunk === undefined ||
      chunk.state !== "pending" ||
      chunk.attempt !== message.attempt ||
      chunk.upload !== null
    )
      return;
    if (message.bytes !== chunk.bytes)
      return this.#owner.onFailed(
        "ICACHE_INVALID",
        `chunk ${message.index} should have ${chunk.bytes} bytes, not ${message.bytes}`,
      );
    const { digestLow, digestHigh } = message;
    const order = {
      id: chunk.id,
      bytes: chunk.bytes,
      digestLow,
      digestHigh,
      purpose: "serve",
    } as const;
    const { pool } = this.#context;
    const link = pool.link(chunk.node);
    const sendDrops = (to: NodeLink): void => pool.sendDrops(to);
    chunk.movedAt = this.#context.clock.now();
    if (chunk.way === null) {
      chunk.upload = new ChunkUpload(order, link, this, sendDrops);
      chunk.credit = creditFor(chunk, this.#context.parts.budget);
      return this.#grant(chunk);
    }
    chunk.received = chunk.bytes; // None of it comes here.
    chunk.upload = new DirectUpload(order, link, chunk.way, this, sendDrops);
  }

  bodyPlace(message: MessageOf<"data">, bytes: number): Uint8Array | null {
    const chunk = this.#chunks[message.index];
    if (
      chunk === undefined ||
      chunk.upload === null ||
      chunk.attempt !== message.attempt ||
      chunk.received !== message.offset
    )
      return null;
    return chunk.received + bytes > chunk.bytes ? null : this.#context.parts.take(bytes);
  }

  onData(message: MessageOf<"data">, body: Uint8Array | null): void {
    const chunk = this.#chunks[message.index];
    if (
      body === null ||
      chunk === undefined ||
      !(chunk.upload instanceof ChunkUpload) ||
      chunk.attempt !== message.attempt ||
      chunk.received !== message.offset
    )
      return;
    chunk.received += body.length;
    chunk.credit?.onReceived(body.length);
    chunk.movedAt = this.#context.clock.now();
    chunk.upload.feed(new Part(this.#context.parts, body, message.offset));
  }

  onForwarded(upload: Upload, bytes: number): void {
    const chunk = this.#chunkOf(upload);
    if (chunk === undefined) return;
    chunk.movedAt = this.#context.clock.now();
    chunk.credit?.onPassedOn(bytes);
    this.#grant(chunk);
  }

  onStored(upload: Upload, instance: InstanceId): void {
    const chunk = this.#chunkOf(upload);
    if (chunk === undefined) return;
    if (chunk.way !== null) this.#context.counters.directPuts++;
    chunk.state = "stored";
    chunk.instance = instance;
    endUpload(chunk);
    this.#context.pool.spaces[chunk.node]?.confirm(chunk.id, instance);
    this.#judge();
  }

  onUploadFailed(upload: Upload, reason: ExchangeEnd | "full" | "corrupt"): void {
    const chunk = this.#chunkOf(upload);
    if (chunk === undefined) return;
    endUpload(chunk);
    // The same node once more when only its invocation ended, or the bytes were damaged on the way.
    const isPassing = reason === "interrupted" || reason === "corrupt";
    const other = isPassing && chunk.attempt === 0 ? undefined : this.#reserveOther(chunk);
    if (other === undefined && !isPassing) this.#fail(chunk);
    else this.#retry(chunk, other);
  }

  /** Ends what is under way. Without a commit everything that was stored is dropped again. */
  close(isCommitted: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const chunk of this.#chunks) {
      this.#cancel(chunk);
      // What the table does not count on must not stay accounted for.
      if (isCommitted && this.#isHeld(chunk)) continue;
      this.#release(chunk);
    }
  }

  /** Allows the client as much more as there is memory for; as parts leave for the function, it is asked again. */
  #grant({ credit, bytes, received, index }: ChunkPut): void {
    const more = credit?.draw(bytes - received) ?? 0;
    if (more > 0) this.#channel.send({ kind: "credit", stripe: this.stripe, index, bytes: more });
  }

  #cancel(chunk: ChunkPut): void {
    chunk.upload?.cancel();
    endUpload(chunk);
  }

  /** Room on a node that has no chunk of this stripe; undefined in a pool no larger than its code. */
  #reserveOther(chunk: ChunkPut): NodeIndex | undefined {
    if (this.#isStored || this.#isClosed) return undefined;
    const others = new Set(this.#chunks.map((other) => other.node));
    return this.#context.pool.reserve([{ id: chunk.id, bytes: chunk.bytes }], others)?.[0];
  }

  /** Once more, on another node where room was reserved for it, or on its own. */
  #retry(chunk: ChunkPut, other: NodeIndex | undefined): void {
    if (this.#isStored || this.#isClosed) return this.#fail(chunk);
    if (chunk.way !== null) this.#channel.direct?.forget(this.#context.pool.link(chunk.node));
    chunk.way = null; // Once only: what failed directly goes through the proxy.
    chunk.attempt++;
    chunk.received = 0;
    chunk.movedAt = this.#context.clock.now();
    if (other !== undefined) {
      this.#release(chunk);
      chunk.node = other;
    }
    if (chunk.attempt >= ATTEMPTS_MAX) return this.#fail(chunk);
    this.#context.counters.resends++;
    this.#context.pool.link(chunk.node).wake("serve");
    this.#channel.send({
      kind: "resend",
      stripe: this.stripe,
      index: chunk.index,
      attempt: chunk.attempt,
    });
  }

  #fail(chunk: ChunkPut): void {
    this.#release(chunk);
    chunk.state = "failed";
    this.#judge();
  }

  /** Frees the account of a chunk; the node is told to drop it, whether it has it or not. */
  #release(chunk: ChunkPut): void {
    this.#context.pool.spaces[chunk.node]?.release(chunk.id, true);
    chunk.instance = null;
  }

  /** Are enough confirmed, or can there never be? What was confirmed and is lost by now is asked for again, if there is room. */
  #judge(): void {
    if (this.#isStored || this.#isClosed) return;
    for (const chunk of this.#chunks) {
      if (chunk.state !== "stored" || this.#isHeld(chunk)) continue;
      const other = this.#reserveOther(chunk);
      if (other === undefined) continue;
      chunk.state = "pending";
      this.#retry(chunk, other);
    }
    const stored = this.#chunks.filter((chunk) => chunk.state === "stored").length;
    const failed = this.#chunks.filter((chunk) => chunk.state === "failed").length;
    const enough = quorum(this.#order.code);
    const { clock, stragglerMs } = this.#context;
    if (stored >= enough) this.#quorumSince ??= clock.now();
    const isLate = this.#quorumSince !== null && clock.now() - this.#quorumSince >= stragglerMs;
    if (
      stored === this.#chunks.length ||
      (stored >= enough && (isLate || stored + failed === this.#chunks.length))
    )
      return this.#succeed();
    if (this.#chunks.length - failed < enough)
      this.#owner.onFailed(
        "ICACHE_UNREACHABLE",
        `only ${this.#chunks.length - failed} of ${this.#chunks.length} chunks of stripe ${this.stripe} found a function that takes them`,
      );
  }

  #succeed(): void {
    this.#isStored = true;
    this.#timer?.cancel();
    for (const chunk of this.#chunks) {
      if (chunk.state !== "pending") continue;
      this.#cancel(chunk);
      this.#release(chunk);
      chunk.state = "failed";
    }
    this.#channel.send({ kind: "stripeStored", stripe: this.stripe });
    this.#owner.onStored();
  }

  /** Looks after stragglers and stalls, four times per straggler deadline. */
  #tick(): void {
    const { clock, stragglerMs } = this.#context;
    this.#timer = clock.setTimer(stragglerMs / 4, () => {
      if (this.#isClosed || this.#isStored) return;
      const now = clock.now();
      for (const chunk of this.#chunks) {
        // A chunk that waits for its client's bytes is not stalled by its node.
        const isAtNode =
          chunk.upload !== null && (chunk.received === chunk.bytes || !chunk.upload.link.isAwake);
        if (chunk.state !== "pending" || !isAtNode || now - chunk.movedAt < STALL_MS) continue;
        const other = this.#reserveOther(chunk);
        // A cold start takes its time, and there is nowhere else to go: the PUT's deadline bounds the wait.
        if (other === undefined && chunk.upload?.link.isAwake === false) continue;
        this.#cancel(chunk);
        this.#retry(chunk, other);
      }
      this.#judge();
      if (!this.#isStored && !this.#isClosed) this.#tick();
    });
  }

  #chunkOf(upload: Upload): ChunkPut | undefined {
    return this.#chunks.find((chunk) => chunk.upload === upload);
  }

  /** Confirmed, and by an instance that is not gone by now. */
  #isHeld({ node, instance, id }: ChunkPut): boolean {
    // The account of a lost instance is cleared. That it is the primary is not asked: another may have served.
    return (
      instance !== null &&
      this.#context.pool.spaces[node]?.chunks.get(chunkName(id))?.instance === instance
    );
  }
}
