// Asks a function whether a chunk it stores still matches its digest. A reader's claim alone destroys nothing:
// only the function's own word makes an erasure of it.

import type { InstanceId } from "../core/ids.ts";
import type { Message, WireChunkId } from "../wire/messages.ts";
import type { Exchange } from "./exchange.ts";
import type { NodeLink } from "./node-link.ts";

/** `gone`: the instance has dropped it, or never had it. `whole`: what a reader found was damaged on the way. */
export type CheckOutcome = "gone" | "whole" | "unknown";

/** One check; it is not repeated when it cannot be made. */
export class ChunkCheck implements Exchange {
  readonly purpose = "repair";
  readonly #link: NodeLink;
  readonly #id: WireChunkId;
  readonly #onOutcome: (outcome: CheckOutcome, instance: InstanceId | null) => void;
  #channel = 0;

  /** `onOutcome`: called once, with the instance whose word it is. */
  constructor(
    link: NodeLink,
    id: WireChunkId,
    onOutcome: (outcome: CheckOutcome, instance: InstanceId | null) => void,
  ) {
    this.#link = link;
    this.#id = id;
    this.#onOutcome = onOutcome;
  }

  start(channel: number): void {
    this.#channel = channel;
    this.#link.send(channel, { kind: "chunkVerify", ...this.#id });
  }

  bodyPlace(): null {
    return null;
  }

  onMessage(message: Message): void {
    this.#link.finish(this.#channel);
    const outcome =
      message.kind === "chunkAbsent"
        ? "gone"
        : message.kind === "chunkStored"
          ? "whole"
          : "unknown";
    this.#onOutcome(outcome, this.#link.awakeInstance);
  }

  onEnd(): void {
    this.#onOutcome("unknown", null); // The next reader will find out.
  }
}
