// The side invocation of a link: a second Invoke of the node while its primary is awake, so that another instance
// answers. It keeps how far that call is and tells its guest, the backup round. It never decides what the link believes;
// the link's table takes it over when the primary crashes beside it.

import type { InstanceId, InvocationId } from "../core/ids.ts";
import type { Clock, InvokeOutcome } from "../core/ports.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { Invocations } from "./link-invocation.ts";
import { INVOCATION_LIFE_MS, LEAVE_MARGIN_MS, type SideFact } from "./link-state.ts";

/** Why a guest's side invocation is over for it. */
export type SideEnd = InvokeOutcome["kind"] | "leaving" | "takenOver";

/** Who asked for the side invocation. After `onSideEnd` it is told nothing more, but for how an instance that was `leaving` ended. */
export interface SideGuest {
  /** Told again when it has dialled again. */
  onSideHello(hello: MessageOf<"functionHello">, instance: InstanceId): void;
  onSideMessage(channel: number, message: Message): void;
  /** Its connection is gone, and all that was under way on it: it says hello once more, or its call ends. */
  onSideSevered(): void;
  onSideEnd(reason: SideEnd): void;
}

/** The side invocation of one link; there is at most one. */
export class LinkSide {
  readonly #clock: Clock;
  readonly #invocations: Invocations;
  #fact: SideFact | null = null;
  #guest: SideGuest | null = null;

  constructor(clock: Clock, invocations: Invocations) {
    this.#clock = clock;
    this.#invocations = invocations;
  }

  /** Sends to its instance; the channel, or 0 when it takes nothing (any more). */
  send(channel: number, message: Message, body?: Uint8Array, onSent?: () => void): number {
    const fact = this.#fact;
    const session = fact?.stage === "greeted" ? this.#invocations.sessionOf(fact.invocation) : null;
    if (fact === null || session === null) {
      onSent?.();
      return 0;
    }
    this.#invocations.count(fact.invocation, message);
    session.send(channel, message, body, onSent);
    return channel;
  }

  /** Null when there is none, and none that may still be running. */
  get fact(): SideFact | null {
    if (this.#fact?.stage === "unknown" && this.#clock.now() >= this.#fact.until) this.#fact = null;
    return this.#fact;
  }

  isOf(invocation: InvocationId): boolean {
    return this.fact?.invocation === invocation;
  }

  /** It has been invoked for this guest. */
  begin(invocation: InvocationId, guest: SideGuest): void {
    this.#fact = { stage: "invited", invocation };
    this.#guest = guest;
  }

  /** False: nobody has a use for it any more, and it is to be let go. */
  onHello(hello: MessageOf<"functionHello">, instance: InstanceId): boolean {
    // Over a new connection before the old one was seen to end.
    if (this.#fact?.stage === "greeted") this.onClosed();
    const fact = this.#fact;
    const isAwaited = fact?.stage === "invited" || fact?.stage === "severed";
    if (fact === null || !isAwaited || this.#guest === null) return false;
    this.#fact = { stage: "greeted", invocation: fact.invocation, instance };
    this.#guest.onSideHello(hello, instance);
    return true;
  }

  onMessage(channel: number, message: Message): void {
    this.#guest?.onSideMessage(channel, message);
  }

  /** It has said bye, and is answered. */
  onBye(): void {
    const fact = this.#fact;
    if (fact === null) return;
    if (fact.stage === "unknown") {
      this.#fact = { ...fact, until: this.#clock.now() + LEAVE_MARGIN_MS };
      return;
    }
    if (fact.stage === "greeted" || fact.stage === "severed")
      this.#fact = { ...fact, stage: "leaving" };
    this.#guest?.onSideEnd("leaving"); // Its outcome still comes.
  }

  /** Its connection is gone; it dials again or returns. One that had said bye only returns. */
  onClosed(): void {
    const fact = this.#fact;
    if (fact?.stage !== "greeted") return;
    this.#fact = { ...fact, stage: "severed" };
    this.#guest?.onSideSevered();
  }

  /** The Invoke has ended; the instance that is proven gone, or null. */
  onOutcome(kind: InvokeOutcome["kind"]): InstanceId | null {
    const fact = this.#fact;
    if (fact === null) return null;
    const { invocation } = fact;
    const until = this.#invocations.begunAt(invocation, this.#clock.now()) + INVOCATION_LIFE_MS;
    this.#fact = kind === "unknown" ? { stage: "unknown", invocation, until } : null;
    this.#tellEnd(kind);
    return kind === "crashed" && "instance" in fact ? fact.instance : null;
  }

  /** From now on it is the link's own invocation. */
  takeOver(): void {
    this.#fact = null;
    this.#tellEnd("takenOver");
  }

  #tellEnd(reason: SideEnd): void {
    const guest = this.#guest;
    this.#guest = null;
    guest?.onSideEnd(reason);
  }
}
