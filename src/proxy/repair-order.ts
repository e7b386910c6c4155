// A repairer's exchange on the proxy's side: it waits for work, gets d chunks of one stripe as a GET would, and sends the
// lost ones back, one after the other. It holds the stripe's claim from the order to its end.

import { stripeLength } from "../core/layout.ts";
import type { Timer } from "../core/ports.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { ClientChannel, Operation, OperationContext } from "./operation.ts";
import type { RepairWorker } from "./repair-desk.ts";
import { RepairOperation } from "./repair-operation.ts";
import { type DegradedStripe, missingOf } from "./repair-plan.ts";
import { type StripeEnd, StripeGet } from "./stripe-get.ts";

/** An order that has not ended by then is given up; its stripe comes again. */
export const ORDER_MS_MAX = 30_000;

/** A repairer that waits or works. */
export class RepairOrder implements Operation, RepairWorker {
  readonly isBackground = true;
  readonly #channel: ClientChannel;
  readonly #context: OperationContext;
  #task: DegradedStripe | null = null;
  #reading: StripeGet | null = null;
  #storing: RepairOperation | null = null;
  #timer: Timer | null = null;
  #storedChunks = 0;

  /** Answers a `repairAsk`; null when it was refused. */
  static begin(channel: ClientChannel, context: OperationContext): RepairOrder | null {
    const order = new RepairOrder(channel, context);
    if (context.repairs.wait(order)) return order;
    const reason = "too many repairers ask this proxy for work";
    channel.send({ kind: "failed", code: "ICACHE_OVERLOADED", reason });
    return null;
  }

  constructor(channel: ClientChannel, context: OperationContext) {
    this.#channel = {
      clientId: channel.clientId,
      direct: null, // Its bytes are counted here.
      get queuedBytes() {
        return channel.queuedBytes;
      },
      send: (message, body, onSent) => {
        context.counters.repairBytes += body?.length ?? 0;
        channel.send(message, body, onSent);
      },
      end: () => channel.end(),
    };
    this.#context = {
      ...context,
      hedges: context.repairs.hedges,
      fetch: (object, stripe, index, reader, how) =>
        context.fetch(object, stripe, index, reader, { ...how, purpose: "repair" }),
    };
  }

  onTask(task: DegradedStripe): void {
    const { object, stripe } = task;
    const { clock, table, generation } = this.#context;
    this.#task = task;
    table.pin(object);
    this.#timer = clock.setTimer(ORDER_MS_MAX, () => {
      this.#end("failed");
      const reason = `the repair did not end within ${ORDER_MS_MAX} ms`;
      this.#channel.send({ kind: "failed", code: "ICACHE_DEADLINE", reason });
      this.#channel.end();
    });
    this.#channel.send({
      kind: "repairOrder",
      key: object.key,
      version: object.version,
      generation,
      ...object.code,
      stripe,
      stripeBytes: stripeLength(object.layout, stripe),
      missing: missingOf(object, stripe),
    });
    this.#reading = new StripeGet(object, stripe, false, this.#channel, this.#context, (end) =>
      this.#onUnreadable(end),
    );
  }

  onMessage(message: Message, body: Uint8Array | null): void {
    const task = this.#task;
    if (task === null) return;
    switch (message.kind) {
      case "chunkBad":
        this.#context.counters.corruptChunks++;
        return this.#reading?.onBad(message.index);
      case "repair":
        return this.#store(task, message);
      case "data":
        return this.#storing?.onMessage(message, body);
      case "repairDone":
        this.#end(this.#storedChunks > 0 || !task.object.isCurrent ? "done" : "failed");
        return this.#channel.end();
      default:
    }
  }

  bodyPlace(message: Message, bytes: number): Uint8Array | null {
    return this.#storing?.bodyPlace(message, bytes) ?? null;
  }

  abandon(): void {
    this.#context.repairs.leave(this);
    this.#end("gone");
  }

  #store({ object, stripe }: DegradedStripe, request: MessageOf<"repair">): void {
    const isOrdered =
      request.key === object.key &&
      request.version === object.version &&
      request.stripe === stripe &&
      this.#storing === null;
    if (!isOrdered) return this.#channel.send({ kind: "repaired", outcome: "refused" });
    this.#reading?.close(); // It has what it needs.
    const channel: ClientChannel = {
      ...this.#channel,
      send: (message, body, onSent) => {
        if (message.kind === "repaired" && message.outcome === "stored") this.#storedChunks++;
        this.#channel.send(message, body, onSent);
      },
      end: () => {
        this.#storing = null;
      },
    };
    this.#storing = RepairOperation.begin(request, channel, this.#context, true);
  }

  #onUnreadable(reason: StripeEnd): void {
    this.#end("failed");
    this.#channel.send({ kind: "miss", reason });
    this.#channel.end();
  }

  #end(how: "done" | "failed" | "gone"): void {
    const task = this.#task;
    if (task === null) return;
    this.#task = null;
    this.#timer?.cancel();
    this.#reading?.close();
    this.#storing?.abandon();
    this.#storing = null;
    this.#context.table.unpin(task.object);
    this.#context.repairs.finish(this, task, how);
  }
}
