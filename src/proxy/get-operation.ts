// A GET on the proxy's side: finds and pins the version, and lets one StripeGet per stripe of the range bring
// d chunks to the client.

import type { ObjectKey } from "../core/ids.ts";
import { stripeAt } from "../core/layout.ts";
import type { Timer } from "../core/ports.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { ObjectVersion } from "./object-version.ts";
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
    return new GetOperation(request, found.object, channel, context);
  }

  constructor(
    request: MessageOf<"get">,
    object: ObjectVersion,
    channel: ClientChannel,
    context: OperationContext,
  ) {
    this.#channel = channel;
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
    channel.send(describe(object, context.generation, this.#nextStripe, this.#endStripe));
    for (let ahead = 0; ahead < request.stripesAhead && this.#nextStripe < this.#endStripe; ahead++)
      this.#startNext();
  }

  onMessage(message: Message): void {
    if (message.kind === "getStripe") {
      if (message.stripe === this.#nextStripe && message.stripe < this.#endStripe)
        this.#startNext();
    } else if (message.kind === "chunkBad") {
      this.#context.counters.corruptChunks++;
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
