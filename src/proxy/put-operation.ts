// A PUT on the proxy's side: admission, a version, its stripes, and the one step in which it becomes current. The
// old version stays as it is until then, and for ever if this one fails.

import { type CodeSpec, chunkCount, codeFault } from "../core/code.ts";
import type { ErrorCode } from "../core/errors.ts";
import { keyFault, type ObjectKey, type Version } from "../core/ids.ts";
import { layoutFault, layoutOfStripes } from "../core/layout.ts";
import {
  METADATA_BYTES_MAX,
  STRIPE_BYTES_JOINED_MAX,
  STRIPES_PER_OBJECT_MAX,
} from "../core/limits.ts";
import type { Timer } from "../core/ports.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import { ObjectSpread } from "./object-spread.ts";
import type { ChunkPlace, ObjectVersion } from "./object-version.ts";
import type { ClientChannel, Operation, OperationContext } from "./operation.ts";
import type { GatedPut, PutSlot } from "./put-gate.ts";
import { durableOutcome } from "./retry-window.ts";
import { StripePut } from "./stripe-put.ts";

/** Stripes of one PUT that may be under way: the gate weighs a PUT as one stripe, so their number must have a bound here. */
const STRIPES_UNDER_WAY_MAX = 4;

/** A PUT under way. */
export class PutOperation implements Operation, GatedPut {
  readonly #request: MessageOf<"putOpen">;
  readonly #channel: ClientChannel;
  readonly #context: OperationContext;
  readonly #code: CodeSpec;
  readonly #keyHash: Uint8Array;
  readonly #stripes = new Map<number, StripePut>();
  #spread: ObjectSpread | null = null;
  readonly #deadline: Timer;
  readonly #slot: PutSlot;
  #version: Version | null = null;
  #commit: MessageOf<"putCommit"> | null = null;
  #isOver = false;
  #receivedBytes = 0;
  /** The chunks of a stripe: what it weighs at the gate. */
  readonly chunks: number;

  /** Answers a `putOpen`; null when it ended at once. */
  static begin(
    request: MessageOf<"putOpen">,
    channel: ClientChannel,
    context: OperationContext,
  ): PutOperation | null {
    const done = context.outcomeOf(channel.clientId, request.sequence);
    if (done?.kind === "put") {
      channel.send({ kind: "putDone", outcome: done.outcome, version: done.version });
      return null;
    }
    const fault = requestFault(request, context.pool.spaces.length);
    if (fault !== null) {
      channel.send({ kind: "failed", code: "ICACHE_INVALID", reason: fault });
      return null;
    }
    const tooLarge = sizeFault(request, context.pool.capacityBytes);
    if (tooLarge !== null) {
      channel.send({ kind: "failed", code: "ICACHE_TOO_LARGE", reason: tooLarge });
      return null;
    }
    if (!context.putGate.hasRoomToWait) {
      channel.send({
        kind: "failed",
        code: "ICACHE_OVERLOADED",
        reason: "too many PUTs wait already; try again later",
      });
      return null;
    }
    context.counters.puts++;
    return new PutOperation(request, channel, context);
  }

  constructor(request: MessageOf<"putOpen">, channel: ClientChannel, context: OperationContext) {
    this.#request = request;
    this.#channel = channel;
    this.#context = context;
    this.#code = { dataChunks: request.dataChunks, parityChunks: request.parityChunks };
    this.#keyHash = context.hashKey(request.key);
    this.#deadline = context.clock.setTimer(request.deadlineMs, () =>
      this.#fail("ICACHE_DEADLINE", "the PUT did not end by its deadline"),
    );
    this.chunks = chunkCount(this.#code);
    this.#slot = context.putGate.admit(this);
  }

  /** See GatedPut. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get heldBytes(): number {
    let bytes = 0;
    for (const stripe of this.#stripes.values()) bytes += stripe.heldBytes;
    return bytes;
  }

  /** Admitted, maybe within the constructor: nothing is answered before its owner has it. */
  onAdmitted(): void {
    this.#context.clock.setTimer(0, () => this.#open());
  }

  onMessage(message: Message, body: Uint8Array | null): void {
    if (this.#isOver || this.#version === null) return;
    switch (message.kind) {
      case "putStripe":
        return this.#onStripe(message);
      case "putChunk":
        this.#stripes.get(message.stripe)?.onChunk(message);
        return;
      case "data":
        this.#receivedBytes += body?.length ?? 0;
        this.#stripes.get(message.stripe)?.onData(message, body);
        return;
      case "askDirect":
        this.#stripes.get(message.stripe)?.openDirect();
        return;
      case "notReceived":
        this.#stripes.get(message.stripe)?.onNotReceived(message.index, message.attempt);
        return;
      case "putCommit":
        return this.#onCommit(message);
      default:
    }
  }

  bodyPlace(message: Message, bytes: number): Uint8Array | null {
    if (this.#isOver || message.kind !== "data") return null;
    return this.#stripes.get(message.stripe)?.bodyPlace(message, bytes) ?? null;
  }

  abandon(): void {
    if (this.#isOver) return;
    this.#context.counters.putsFailed++;
    this.#end(false);
  }

  #open(): void {
    if (this.#isOver) return;
    const found = this.#request.ifAbsent
      ? this.#context.table.lookup(this.#request.key as ObjectKey)
      : null;
    if (found?.kind === "found") return this.#done("exists", found.object.version);
    if (!this.#holdsLease()) return this.#overtaken();
    this.#version = this.#context.table.drawVersion();
    this.#channel.send({
      kind: "putOpened",
      version: this.#version,
      generation: this.#context.generation,
    });
  }

  #newSpread(): ObjectSpread {
    const { spread, pool, table } = this.#context;
    return new ObjectSpread({
      spread,
      nodes: pool.spaces.map(({ node }) => node),
      isIdle: (node) => pool.link(node).isIdle,
      replaced: new Set(table.peek(this.#request.key)?.places.map(({ node }) => node)),
    });
  }

  #onStripe(message: MessageOf<"putStripe">): void {
    const { stripe, bytes } = message;
    if (this.#version === null) return;
    const isNext =
      stripe === this.#stripes.size && this.#commit === null && stripe < STRIPES_PER_OBJECT_MAX;
    if (!isNext || bytes < 1 || bytes > STRIPE_BYTES_JOINED_MAX)
      return this.#fail("ICACHE_INVALID", `stripe ${stripe} of ${bytes} bytes cannot follow`);
    const underWay = [...this.#stripes.values()].filter((put) => !put.isStored).length;
    if (underWay >= STRIPES_UNDER_WAY_MAX)
      return this.#fail(
        "ICACHE_INVALID",
        `${underWay} stripes are under way; ${STRIPES_UNDER_WAY_MAX} are allowed`,
      );
    const order = {
      stripe,
      bytes,
      code: this.#code,
      keyHash: this.#keyHash,
      version: this.#version,
    };
    const spread = this.#spread ?? this.#newSpread();
    this.#spread = spread;
    const wish = spread.wish(this.chunks, bytes >= this.#request.bytes);
    const put = StripePut.begin(order, wish, this.#channel, this.#context, {
      onStored: () => this.#tryCommit(),
      onFailed: (code, reason) => this.#fail(code, reason),
    });
    if (put === null)
      return this.#fail(
        "ICACHE_POOL_FULL",
        `no room for a stripe of ${bytes} bytes on ${chunkCount(this.#code)} nodes, and nothing more may be evicted`,
      );
    this.#stripes.set(stripe, put);
    spread.note(put.places().map(({ node }) => node));
  }

  #onCommit(message: MessageOf<"putCommit">): void {
    const { stripeCount, stripeBytes, lastStripeBytes, bytes } = message;
    const layout = layoutOfStripes(stripeCount, stripeBytes, lastStripeBytes);
    const fault =
      stripeCount !== this.#stripes.size || layout.bytes !== bytes
        ? "the layout does not match the stripes"
        : layoutFault(layout);
    const differing = [...this.#stripes.values()].find(
      (put) => put.bytes !== (put.stripe === stripeCount - 1 ? lastStripeBytes : stripeBytes),
    );
    if (fault !== null || differing !== undefined)
      return this.#fail(
        "ICACHE_INVALID",
        fault ?? `stripe ${differing?.stripe} has another length than the layout says`,
      );
    this.#commit = message;
    this.#tryCommit();
  }

  #tryCommit(): void {
    const commit = this.#commit;
    if (this.#isOver || commit === null || this.#version === null) return;
    // The same PUT, begun on another connection while this one seemed alive, may have ended first.
    const done = this.#context.outcomeOf(this.#channel.clientId, this.#request.sequence);
    if (done?.kind === "put") {
      this.#end(false);
      this.#channel.send({ kind: "putDone", outcome: done.outcome, version: done.version });
      return this.#channel.end();
    }
    for (const stripe of this.#stripes.values()) if (!stripe.isStored) return;
    if (this.#context.ring?.mayChange(this.#request.key) === false) return this.#refuse();
    const { table, wallClock } = this.#context;
    if (this.#request.ifAbsent) {
      const found = table.lookup(this.#request.key as ObjectKey);
      if (found.kind === "found") return this.#done("exists", found.object.version);
    }
    if (!this.#holdsLease()) return this.#overtaken();
    const places: ChunkPlace[] = [];
    for (let stripe = 0; stripe < commit.stripeCount; stripe++) {
      const put = this.#stripes.get(stripe);
      if (put === undefined || !put.isWhole())
        return this.#fail("ICACHE_UNREACHABLE", "functions were lost before the object was stored");
      places.push(...put.places());
    }
    const now = wallClock.now();
    const object: ObjectVersion = {
      key: this.#request.key as ObjectKey, // Proof: requestFault has checked it.
      keyHash: this.#keyHash,
      version: this.#version,
      code: this.#code,
      layout: layoutOfStripes(commit.stripeCount, commit.stripeBytes, commit.lastStripeBytes),
      createdAtMs: now,
      expiresAtMs:
        this.#request.ttlMs === 0
          ? 0
          : Math.min(now + this.#request.ttlMs, Number.MAX_SAFE_INTEGER),
      metadata: this.#request.metadata,
      places,
      usedAt: 0,
      pins: 0,
      isCurrent: true,
    };
    const outcome = { kind: "put", outcome: "stored", version: object.version } as const;
    const { clientId } = this.#channel;
    table.commit(object, durableOutcome(clientId, this.#request.sequence, outcome));
    this.#context.table.leases.changed(object.key, this.#request.lease);
    this.#done("stored", object.version);
  }

  #holdsLease(): boolean {
    const { key, lease } = this.#request;
    return lease === 0 || this.#context.table.leases.isHeld(key, this.#channel.clientId, lease);
  }

  #overtaken(): void {
    this.#done("exists", this.#context.table.peek(this.#request.key)?.version ?? 0);
  }

  #done(outcome: "stored" | "exists", version: number): void {
    this.#context.recordOutcome(this.#channel.clientId, this.#request.sequence, {
      kind: "put",
      outcome,
      version,
    });
    this.#end(outcome === "stored");
    this.#channel.send({ kind: "putDone", outcome, version });
    this.#channel.end();
  }

  /** The key went to another proxy while the PUT was under way. */
  #refuse(): void {
    this.#context.counters.putsFailed++;
    this.#end(false);
    this.#channel.send({ kind: "wrongEpoch", epoch: this.#context.ring?.epoch ?? 0 });
    this.#channel.end();
  }

  #fail(code: ErrorCode, reason: string): void {
    if (this.#isOver) return;
    this.#context.counters.putsFailed++;
    this.#end(false);
    this.#channel.send({ kind: "failed", code, reason });
    this.#channel.end();
  }

  #end(isStored: boolean): void {
    this.#isOver = true;
    this.#deadline.cancel();
    this.#slot.release();
    for (const stripe of this.#stripes.values()) stripe.close(isStored);
  }
}

/** An object that can never fit is refused before anything is evicted for it. */
function sizeFault(request: MessageOf<"putOpen">, capacityBytes: number): string | null {
  const { bytes, dataChunks, parityChunks } = request;
  if (bytes === Number.MAX_SAFE_INTEGER) return null; // Not known yet: it fails when the pool is full of it.
  const needBytes = (bytes / dataChunks) * (dataChunks + parityChunks);
  if (needBytes <= capacityBytes) return null;
  return `the object takes ${Math.ceil(needBytes)} bytes as ${dataChunks}+${parityChunks}; the whole pool has ${capacityBytes}`;
}

function requestFault(request: MessageOf<"putOpen">, nodes: number): string | null {
  const code = { dataChunks: request.dataChunks, parityChunks: request.parityChunks };
  const metadataBytes = request.metadata.reduce(
    (sum, { name, value }) => sum + name.length + value.length,
    0,
  );
  if (metadataBytes > METADATA_BYTES_MAX)
    return `metadata has ${metadataBytes} characters; ${METADATA_BYTES_MAX} are allowed`;
  if (chunkCount(code) > nodes)
    return `the code ${code.dataChunks}+${code.parityChunks} needs ${chunkCount(code)} nodes; the pool has ${nodes}`;
  return keyFault(request.key) ?? codeFault(code);
}
