// GET: asks for an object or a range of it, puts its stripes together in memory that a sink provides, and asks
// for more as the sink has room. The protocol's steps are in docs/protocol/operations.md. Synchronous; no promise.

import { keyHash } from "../checksum/chunk-digest.ts";
import { chunkCount, isReplicated } from "../core/code.ts";
import { CacheError } from "../core/errors.ts";
import { keyBytes } from "../core/ids.ts";
import { stripeLength, stripeOffset } from "../core/layout.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { DirectHub } from "./direct-hub.ts";
import { DirectReads } from "./direct-reads.ts";
import type { Exchange, Welcome } from "./exchange.ts";
import { checkFound, foundOf } from "./found-object.ts";
import type { FoundObject, GetOutcome, GetRequest, GetSink, RepairOffers } from "./get-contract.ts";
import type { Operation, OperationHost } from "./operation.ts";
import { errorOf } from "./simple-operation.ts";
import { type Change, StripeAssembly } from "./stripe-assembly.ts";
import { WholeObject } from "./whole-object.ts";

/** Stripes that may be on their way at once into memory of the caller. */
export const STRIPES_AHEAD_MAX = 4;

/** See the header. */
export class GetOperation implements Operation {
  readonly #host: OperationHost<GetOutcome>;
  readonly #request: GetRequest;
  readonly #sink: GetSink;
  readonly #scratch: BufferPool;
  readonly #repairs: RepairOffers | null;
  readonly #hub: DirectHub | null;
  #direct: DirectReads | null = null;
  readonly #keyHash: Uint8Array;
  readonly #startedAt: number;
  #exchange: Exchange | null = null;
  #address = "";
  /** What this beginning has named; 0: nothing. */
  #knownVersion = 0;
  #found: FoundObject | null = null;
  /** All of it came at once: for the proxy the read is over. */
  #isWhole = false;
  /** What is still to come of it, where all of it is wanted. */
  #whole: WholeObject | null = null;
  /** What this beginning has asked for. */
  #asked: MessageOf<"get"> | null = null;
  readonly #assemblies = new Map<number, StripeAssembly>();
  #nextStripe = 0;
  #endStripe = 0;
  #allowedTo = 0;
  #openCount = 0;
  #foundAt = 0;
  #receivedAt = 0;
  #decodeMs = 0;
  #reconstructed = 0;

  constructor(
    host: OperationHost<GetOutcome>,
    request: GetRequest,
    sink: GetSink,
    scratch: BufferPool,
    repairs: RepairOffers | null,
    hub: DirectHub | null = null,
  ) {
    this.#host = host;
    this.#request = request;
    this.#sink = sink;
    this.#scratch = scratch;
    this.#repairs = repairs;
    this.#hub = hub;
    this.#keyHash = keyHash(keyBytes(request.key));
    this.#startedAt = host.now();
  }

  get isIdle(): boolean {
    return this.#found !== null && this.#openCount === 0;
  }

  begin(exchange: Exchange, { address, generation }: Welcome, remainingMs: number): void {
    this.#exchange = exchange;
    this.#address = address;
    this.#direct = null;
    this.#restart();
    const { key, start, end, wantAll, stripesAhead, proxyDeadlineMs, known } = this.#request;
    // Another pool's version of the same number is another object.
    const isOfThis = known?.address === address && known.generation === generation;
    this.#knownVersion = isOfThis ? known.version : 0;
    const knownVersion = this.#knownVersion;
    const deadlineMs =
      proxyDeadlineMs ?? Math.max(1, Math.floor(remainingMs - Math.min(500, remainingMs / 20)));
    const asked = {
      kind: "get",
      key,
      rangeStart: start,
      rangeEnd: end,
      stripesAhead,
      wantAll,
      deadlineMs,
      knownGeneration: isOfThis ? generation : 0,
      knownVersion,
      isWholeBad: false,
    } as const;
    this.#asked = asked;
    this.#sink.prepare(() => {
      if (this.#exchange === exchange) exchange.send(asked);
    });
  }

  bodyPlace(message: MessageOf<"data">, bytes: number): Uint8Array | null {
    if (this.#whole !== null) return this.#whole.place(message, bytes);
    return this.#assemblies.get(message.stripe)?.place(message, bytes) ?? null;
  }

  onMessage(message: Message, body: Uint8Array | null): void {
    switch (message.kind) {
      case "data":
        if (this.#whole !== null) this.#onWholeBody(this.#whole, message, body);
        else this.#onData(message, body);
        return;
      case "chunk":
        this.#direct?.abandon(message.stripe, message.index);
        return this.#onChunk(message);
      case "chunkDirect":
        return this.#onChunkDirect(message);
      case "found":
        return this.#onFound(message);
      case "whole":
        return this.#onWhole(message);
      case "unchanged":
        return this.#onUnchanged(message);
      case "erasures":
        return this.#assemblies.get(message.stripe)?.noteErased(message.indexes);
      case "miss":
        return this.#host.done({ kind: "miss", reason: message.reason });
      case "failed":
        return this.#host.failed(errorOf(message), true);
      default:
        return this.#host.broken(`"${message.kind}" within a GET`);
    }
  }

  onLost(reason: string): unknown {
    this.#exchange = null;
    this.#dropAssemblies();
    if (this.#sink.canRestart) return null;
    return new CacheError("ICACHE_UNREACHABLE", `the connection was lost: ${reason}`);
  }

  onEnding(): void {
    this.#direct?.abandonAll();
  }

  release(): void {
    this.#dropAssemblies();
    this.#sink.release();
  }

  /** The sink has room for more. */
  pull(): void {
    const found = this.#found;
    if (found === null) return;
    while (this.#nextStripe < this.#endStripe && this.#openCount < this.#request.stripesAhead) {
      if (!this.#openStripe(found, this.#nextStripe)) return;
      this.#nextStripe += 1;
    }
  }

  #onUnchanged({ version }: MessageOf<"unchanged">): void {
    if (this.#found !== null || version === 0 || version !== this.#knownVersion)
      return this.#host.broken("unchanged, but the version was not asked about");
    this.#host.done({ kind: "unchanged", totalMs: this.#host.now() - this.#startedAt });
  }

  #restart(): void {
    this.#found = null;
    this.#isWhole = false;
    this.#decodeMs = 0;
    this.#reconstructed = 0;
    this.#openCount = 0;
  }

  /** All that `found` and `chunk` say, in one; the chunk's only part follows. */
  #onWhole(message: MessageOf<"whole">): void {
    const { index, bytes, digestLow, digestHigh, stripeCount } = message;
    const isPossible =
      isReplicated(message) &&
      index < chunkCount(message) &&
      stripeCount === 1 &&
      this.#found === null;
    if (!isPossible || this.#asked?.isWholeBad === true)
      return this.#host.broken("a whole object, where it cannot be or was bad before");
    this.#isWhole = true;
    const found = this.#describe(foundOf(message));
    if (found === null) return;
    const isAll = bytes > 0 && found.start === 0 && found.end === bytes;
    const target = isAll ? this.#sink.target(0, 0, bytes) : null;
    if (target === null) {
      this.#beginStripes(found);
      this.#onChunk({ kind: "chunk", stripe: 0, index, attempt: 0, bytes, digestLow, digestHigh });
      return;
    }
    this.#whole = new WholeObject(this.#keyHash, message, target);
    this.#openCount = 1;
    this.#nextStripe = 1;
    this.#endStripe = 1;
    this.#host.progress();
  }

  #onWholeBody(whole: WholeObject, message: MessageOf<"data">, body: Uint8Array | null): void {
    if (!whole.isRight(body)) return this.#sayBad(message);
    this.#whole = null;
    this.#receivedAt = this.#host.now();
    this.#openCount = 0;
    this.#sink.complete(0);
    this.#finishIfWhole(this.#receivedAt);
  }

  #onFound(message: MessageOf<"found">): void {
    if (this.#found !== null) return this.#host.broken("found twice");
    const found = this.#describe(message);
    if (found !== null) this.#beginStripes(found);
  }

  /** Null: it cannot be what it says, or not be taken; the read has ended. */
  #describe(message: MessageOf<"found">): FoundObject | null {
    const found = checkFound(message, this.#request, this.#address);
    if (typeof found === "string") {
      this.#host.broken(found);
      return null;
    }
    this.#found = found;
    this.#foundAt = this.#host.now();
    this.#receivedAt = this.#foundAt;
    const error = this.#sink.open(found);
    if (error !== null) this.#host.failed(error);
    return error === null ? found : null;
  }

  #beginStripes({ message, start, end }: FoundObject): void {
    const isEmpty = start === end;
    this.#nextStripe = isEmpty ? 0 : message.firstStripe;
    this.#endStripe = isEmpty ? 0 : message.endStripe;
    this.#allowedTo = Math.min(this.#endStripe, this.#nextStripe + this.#request.stripesAhead);
    this.pull();
    this.#finishIfWhole();
  }

  #openStripe(found: FoundObject, stripe: number): boolean {
    const { layout, start, end, code, message } = found;
    const offset = stripeOffset(layout, stripe);
    const stripeBytes = stripeLength(layout, stripe);
    const from = Math.max(0, start - offset);
    const to = Math.min(stripeBytes, end - offset);
    const target = this.#sink.target(stripe, offset + from - start, to - from);
    if (target === null) return false;
    const { generation, version } = message;
    const spec = {
      keyHash: this.#keyHash,
      generation,
      version,
      stripe,
      code,
      stripeBytes,
      start: from,
      end: to,
    };
    this.#assemblies.set(stripe, new StripeAssembly(spec, target, this.#scratch));
    this.#openCount += 1;
    this.#host.progress();
    if (stripe >= this.#allowedTo) {
      this.#allowedTo = stripe + 1;
      this.#exchange?.send({ kind: "getStripe", stripe });
    }
    return true;
  }

  #onChunk(message: MessageOf<"chunk">): void {
    const assembly = this.#assemblies.get(message.stripe);
    if (assembly?.announce(message) === "bad") this.#sayBad(message);
  }

  #onChunkDirect(message: MessageOf<"chunkDirect">): void {
    const { stripe, index, attempt } = message;
    const isWanted = this.#assemblies.get(stripe)?.isFinished === false;
    const exchange = this.#exchange;
    if (!isWanted || exchange === null) return;
    if (this.#hub !== null) this.#direct ??= this.#directReads(this.#hub, exchange);
    if (this.#direct === null) exchange.send({ kind: "notReceived", stripe, index, attempt });
    else this.#direct.begin(message);
  }

  #directReads(hub: DirectHub, exchange: Exchange): DirectReads {
    return new DirectReads(hub, {
      onChunk: (message) => this.#onChunk(message),
      place: (message, bytes) => this.bodyPlace(message, bytes),
      onPart: (message, body) => this.#onData(message, body),
      onUnplaced: (stripe, index) => this.#onUnplaced(stripe, index),
      onFailed: (stripe, index, attempt) =>
        exchange.send({ kind: "notReceived", stripe, index, attempt }),
      onHold: (change) => exchange.noteDirect(change),
    });
  }

  #onUnplaced(stripe: number, index: number): void {
    const assembly = this.#assemblies.get(stripe);
    assembly?.unplace(index);
    if (assembly === undefined || assembly.isReceiving) return;
    if (assembly.isFinished) this.#forget(assembly);
    else if (!assembly.isShort) this.#finishStripe(assembly);
  }

  #onData(message: MessageOf<"data">, body: Uint8Array | null): Change {
    const assembly = this.#assemblies.get(message.stripe);
    if (assembly === undefined) return "none";
    const change = assembly.received(message, body);
    if (change === "bad") this.#sayBad(message);
    if (assembly.isFinished) {
      if (!assembly.isReceiving) this.#forget(assembly);
    } else if (change !== "none" || !assembly.isShort) this.#finishStripe(assembly);
    return change;
  }

  #sayBad({ stripe, index }: { readonly stripe: number; readonly index: number }): void {
    if (!this.#isWhole) return this.#exchange?.send({ kind: "chunkBad", stripe, index });
    // For the proxy this read is over: it is asked once more, and then asks a function.
    if (this.#asked === null) return;
    this.#asked = { ...this.#asked, isWholeBad: true };
    this.#dropAssemblies();
    this.#restart();
    this.#exchange?.send(this.#asked);
  }

  #finishStripe(assembly: StripeAssembly): void {
    if (!assembly.isReady) {
      if (!assembly.isShort) this.#direct?.hurry(assembly.spec.stripe);
      return;
    }
    this.#direct?.endStripe(assembly.spec.stripe);
    this.#receivedAt = this.#host.now();
    const reconstructed = assembly.finish();
    if (reconstructed > 0) {
      this.#reconstructed += reconstructed;
      this.#decodeMs += this.#host.now() - this.#receivedAt;
    }
    this.#offerRepairs(assembly);
    if (!assembly.isReceiving) this.#forget(assembly);
    this.#openCount -= 1;
    this.#host.progress();
    this.#sink.complete(assembly.spec.stripe);
    this.pull();
    this.#finishIfWhole();
  }

  #offerRepairs(assembly: StripeAssembly): void {
    const bytes = assembly.lostBytes;
    if (this.#repairs === null || bytes === 0 || !this.#repairs.hasRoom(bytes)) return;
    const { keyHash: hash, generation, version, stripe } = assembly.spec;
    for (const lost of assembly.lostChunks()) {
      this.#repairs.offer({
        key: this.#request.key,
        keyHash: hash,
        generation,
        version,
        stripe,
        ...lost,
      });
    }
  }

  #forget(assembly: StripeAssembly): void {
    assembly.release();
    this.#assemblies.delete(assembly.spec.stripe);
  }

  #dropAssemblies(): void {
    this.#direct?.abandonAll();
    for (const assembly of this.#assemblies.values()) assembly.release();
    this.#assemblies.clear();
    this.#whole = null;
  }

  #finishIfWhole(now: number = this.#host.now()): void {
    const found = this.#found;
    if (found === null || this.#nextStripe < this.#endStripe || this.#openCount > 0) return;
    if (!this.#isWhole) this.#exchange?.send({ kind: "getDone" });
    this.#host.done({
      kind: "hit",
      found,
      foundMs: this.#foundAt - this.#startedAt,
      receiveMs: this.#receivedAt - this.#startedAt,
      decodeMs: this.#decodeMs,
      totalMs: now - this.#startedAt,
      reconstructed: this.#reconstructed,
    });
  }
}
