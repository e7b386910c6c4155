// A GET on the proxy's side: finds and pins the version, and lets one StripeGet per stripe of the range bring
// d chunks to the client. What the proxy has in its own memory it answers at once, and there is no operation.

import { chunkCount } from "../core/code.ts";
import type { ObjectKey } from "../core/ids.ts";
import { stripeAt } from "../core/layout.ts";
import type { Timer } from "../core/ports.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { HotChunk } from "./hot-objects.ts";
import { type ObjectVersion, placeOf } from "./object-version.ts";
import type { ClientChannel, Operation, OperationContext } from "./operation.ts";
import { type StripeEnd, StripeGet } from "./stripe-get.ts";

/** What `found` says of a version; the range is added by GETs. */
export function describe(
  object: ObjectVersion,
  generation: number,
  firstStripe: number,
  endStripe: number,
): MessageOf<"found"> {
  const { version, code, layout, createdAtMs, expiresAtMs, metadata } = object;
  return {
    kind: "found",
    bytes: layout.bytes,
    version,
    generation,
    ...code,
    stripeCount: layout.stripeCount,
    stripeBytes: layout.stripeBytes,
    lastStripeBytes: layout.lastStripeBytes,
    createdAtMs,
    expiresAtMs,
    metadata,
    firstStripe,
    endStripe,
  };
}

/**
 * Objects up to this whose functions are awake are answered in one piece: what is known of the object travels with its
 * bytes, which are there a moment later, and proxy and client are spared a write and a read for each GET.
 */
const TOGETHER_BYTES_MAX = 64 * 1_024;
/**
 * A client for which so much waits already is answered by functions, whose transfers it has to take before more comes:
 * it could ask for ever and never read.
 */
const HOT_QUEUED_BYTES_MAX = 16 * 1_024 * 1_024;

/** A GET under way. */
export class GetOperation implements Operation {
  readonly #channel: ClientChannel;
  readonly #context: OperationContext;
  readonly #object: ObjectVersion;
  readonly #wantAll: boolean;
  readonly #stripes = new Map<number, StripeGet>();
  readonly #deadline: Timer;
  readonly #endStripe: number;
  #nextStripe: number;

  /** Answers a `get`; null when it ended at once. */
  static begin(
    request: MessageOf<"get">,
    channel: ClientChannel,
    context: OperationContext,
  ): GetOperation | null {
    context.counters.gets++;
    const found = context.table.lookup(request.key as ObjectKey); // An unknown or odd key is simply absent.
    if (found.kind === "miss") {
      context.counters[found.reason === "expired" ? "missesExpired" : "missesAbsent"]++;
      channel.send({ kind: "miss", reason: found.reason });
      return null;
    }
    const { generation, counters } = context;
    const { version } = found.object;
    if (request.knownVersion === version && request.knownGeneration === generation) {
      counters.hits++;
      counters.hitsUnchanged++;
      channel.send({ kind: "unchanged", version });
      return null;
    }
    const hot = hotFor(request, found.object, context);
    if (hot === null || channel.queuedBytes >= HOT_QUEUED_BYTES_MAX)
      return new GetOperation(request, found.object, channel, context);
    counters.hits++;
    counters.hitsHot++;
    sendWhole(found.object, generation, hot, channel);
    return null;
  }

  constructor(
    request: MessageOf<"get">,
    object: ObjectVersion,
    channel: ClientChannel,
    context: OperationContext,
  ) {
    this.#context = context;
    this.#object = object;
    this.#wantAll = request.wantAll;
    const { layout } = object;
    const end = Math.min(request.rangeEnd, layout.bytes);
    const isEmpty = request.rangeStart >= end;
    this.#nextStripe = isEmpty ? 0 : stripeAt(layout, request.rangeStart);
    this.#endStripe = isEmpty ? 0 : stripeAt(layout, end - 1) + 1;
    context.table.pin(object);
    this.#deadline = context.clock.setTimer(request.deadlineMs, () => this.#miss("unreachable"));
    const found = describe(object, context.generation, this.#nextStripe, this.#endStripe);
    const isSmall = !isEmpty && layout.bytes <= TOGETHER_BYTES_MAX && request.stripesAhead > 0;
    const isSoonThere = isSmall && isAwake(object, this.#nextStripe, context);
    this.#channel = isSoonThere ? new HeldChannel(channel, found) : channel;
    if (!isSoonThere) channel.send(found);
    for (let ahead = 0; ahead < request.stripesAhead && this.#nextStripe < this.#endStripe; ahead++)
      this.#startNext();
  }

  onMessage(message: Message): void {
    if (message.kind === "getStripe") {
      if (message.stripe === this.#nextStripe && message.stripe < this.#endStripe)
        this.#startNext();
    } else if (message.kind === "chunkBad") {
      this.#context.counters.corruptChunks++;
      this.#context.hot.drop(this.#object);
      this.#stripes.get(message.stripe)?.onBad(message.index);
    } else if (message.kind === "notReceived") {
      this.#stripes.get(message.stripe)?.onNotReceived(message.index, message.attempt);
    } else if (message.kind === "getDone") {
      this.#context.counters.hits++;
      this.#free();
      this.#channel.end();
    }
  }

  bodyPlace(): null {
    return null;
  }

  abandon(): void {
    this.#free();
  }

  #startNext(): void {
    const stripe = this.#nextStripe++;
    const end = (outcome: StripeEnd): void => this.#miss(outcome);
    this.#stripes.set(
      stripe,
      new StripeGet(this.#object, stripe, this.#wantAll, this.#channel, this.#context, end),
    );
  }

  #miss(reason: StripeEnd): void {
    this.#context.counters[reason === "lost" ? "missesLost" : "missesUnreachable"]++;
    this.#free();
    this.#channel.send({ kind: "miss", reason });
    this.#channel.end();
  }

  #free(): void {
    this.#deadline.cancel();
    for (const stripe of this.#stripes.values()) stripe.close();
    this.#stripes.clear();
    this.#context.table.unpin(this.#object);
  }
}

/** What answers the request without a function, or null. A reader who says that it was bad makes us forget it. */
function hotFor(
  { rangeStart, rangeEnd, stripesAhead, isWholeBad }: MessageOf<"get">,
  object: ObjectVersion,
  { hot, counters }: OperationContext,
): HotChunk | null {
  if (isWholeBad) {
    counters.corruptChunks++;
    counters.hotBad++;
    hot.drop(object);
    return null;
  }
  const chunk = hot.find(object) ?? null;
  return stripesAhead > 0 && rangeStart < Math.min(rangeEnd, object.layout.bytes) ? chunk : null;
}

function sendWhole(
  object: ObjectVersion,
  generation: number,
  { index, digestLow, digestHigh, bytes }: HotChunk,
  channel: ClientChannel,
): void {
  const { version, code, layout, createdAtMs, expiresAtMs, metadata } = object;
  channel.send({
    kind: "whole",
    bytes: layout.bytes,
    version,
    generation,
    dataChunks: code.dataChunks,
    parityChunks: code.parityChunks,
    stripeCount: layout.stripeCount,
    stripeBytes: layout.stripeBytes,
    lastStripeBytes: layout.lastStripeBytes,
    createdAtMs,
    expiresAtMs,
    metadata,
    index,
    digestLow,
    digestHigh,
  });
  channel.send({ kind: "data", stripe: 0, index, attempt: 0, offset: 0 }, bytes);
}

/** Whether enough functions are awake to answer this stripe. */
function isAwake(object: ObjectVersion, stripe: number, { pool }: OperationContext): boolean {
  let awake = 0;
  for (let index = 0; index < chunkCount(object.code); index++) {
    const place = placeOf(object, stripe, index);
    if (place !== undefined && pool.links[place.node]?.awakeInstance === place.instance) awake++;
  }
  return awake >= object.code.dataChunks;
}

/** Sends a first message right before the second, whatever that is. */
class HeldChannel implements ClientChannel {
  readonly clientId: string;
  readonly direct: ClientChannel["direct"];
  readonly #channel: ClientChannel;
  #held: Message | null;

  constructor(channel: ClientChannel, held: Message) {
    this.clientId = channel.clientId;
    this.direct = channel.direct;
    this.#channel = channel;
    this.#held = held;
  }

  send(message: Message, body?: Uint8Array, onSent?: () => void): void {
    const held = this.#held;
    this.#held = null;
    if (held !== null) this.#channel.send(held);
    this.#channel.send(message, body, onSent);
  }

  get queuedBytes(): number {
    return this.#channel.queuedBytes;
  }

  end(): void {
    this.#channel.end();
  }
}
