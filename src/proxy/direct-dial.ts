// Asks an instance to make a connection to a client. It says nothing of transfers.

import type { InstanceId } from "../core/ids.ts";
import type { Message } from "../wire/messages.ts";
import type { Exchange } from "./exchange.ts";
import type { NodeLink } from "./node-link.ts";

/** `unknown`: the instance had no time to answer. */
export type DialOutcome = "up" | "down" | "unknown";

/** One attempt. */
export class DirectDial implements Exchange {
  readonly purpose = "serve";
  readonly #link: NodeLink;
  readonly #order: () => Message;
  readonly #onOutcome: (outcome: DialOutcome, instance: InstanceId | null) => void;
  #channel = 0;

  /** `order` is made when the node is awake; `onOutcome` is called once, with the instance whose word it is. */
  constructor(
    link: NodeLink,
    order: () => Message,
    onOutcome: (outcome: DialOutcome, instance: InstanceId | null) => void,
  ) {
    this.#link = link;
    this.#order = order;
    this.#onOutcome = onOutcome;
  }

  start(channel: number): void {
    this.#channel = channel;
    this.#link.send(channel, this.#order());
  }

  bodyPlace(): null {
    return null;
  }

  onMessage(message: Message): void {
    this.#link.finish(this.#channel);
    const isUp = message.kind === "directState" && message.isUp;
    this.#onOutcome(isUp ? "up" : "down", this.#link.awakeInstance);
  }

  onEnd(): void {
    this.#onOutcome("unknown", null);
  }
}
