// A lease on a key, as one exchange: it is held from `leased` until `leaseEnd`, or until the client, its connection or
// the deadline ends it. Who may hold one is decided in leases.ts.

import { keyFault } from "../core/ids.ts";
import type { Timer } from "../core/ports.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { LeaseHolder, LoadEnd } from "./leases.ts";
import type { ClientChannel, Operation, OperationContext } from "./operation.ts";

const RELEASED: LoadEnd = { outcome: "released", code: "", reason: "" };

/** See the header. */
export class LeaseOperation implements Operation, LeaseHolder {
  readonly key: string;
  readonly purpose: "load" | "change";
  readonly channel: ClientChannel;
  readonly #context: OperationContext;
  readonly #deadline: Timer;
  #isOver = false;

  /** Answers a `lease`; null when it ended at once. */
  static begin(
    request: MessageOf<"lease">,
    channel: ClientChannel,
    context: OperationContext,
  ): LeaseOperation | null {
    const fault = keyFault(request.key);
    if (fault !== null) {
      channel.send({ kind: "failed", code: "ICACHE_INVALID", reason: fault });
      return null;
    }
    const operation = new LeaseOperation(request, channel, context);
    context.table.leases.ask(operation);
    return operation.#isOver ? null : operation;
  }

  constructor(request: MessageOf<"lease">, channel: ClientChannel, context: OperationContext) {
    this.key = request.key;
    this.purpose = request.purpose;
    this.channel = channel;
    this.#context = context;
    this.#deadline = context.clock.setTimer(request.deadlineMs, () => {
      const reason = "the lease, or the wait for it, did not end by its deadline";
      this.#end(RELEASED);
      this.#answer({ kind: "failed", code: "ICACHE_DEADLINE", reason });
    });
  }

  granted(lease: number): void {
    this.channel.send({ kind: "leased", lease });
  }

  over(end: LoadEnd | "present"): void {
    const told = end === "present" ? { ...RELEASED, outcome: "present" as const } : end;
    if (told.outcome === "released") return; // Whoever waited is granted the lease instead.
    this.#close();
    this.#answer({ kind: "leaseOver", ...told, outcome: told.outcome });
  }

  moved(): void {
    this.#close();
    this.#answer({ kind: "wrongEpoch", epoch: this.#context.ring?.epoch ?? 0 });
  }

  onMessage(message: Message): void {
    if (message.kind !== "leaseEnd" || this.#isOver) return;
    const { outcome, code, reason } = message;
    const isValid = this.#end({ outcome, code, reason });
    this.#answer({ kind: "leaseEnded", isValid });
  }

  bodyPlace(): null {
    return null;
  }

  abandon(): void {
    this.#end(RELEASED);
  }

  #answer(message: Message): void {
    this.channel.send(message);
    this.channel.end();
  }

  #end(end: LoadEnd): boolean {
    if (this.#isOver) return false;
    this.#close();
    return this.#context.table.leases.end(this, end);
  }

  #close(): void {
    this.#isOver = true;
    this.#deadline.cancel();
  }
}
