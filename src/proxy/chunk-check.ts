// Asks a function whether a chunk it stores still matches its digest. A reader's claim alone destroys nothing:
// only the function's own word makes an erasure of it.

import type { InstanceId } from "../core/ids.ts";
import type { Message, WireChunkId } from "../wire/messages.ts";
import type { Exchange } from "./exchange.ts";
import type { NodeLink } from "./node-link.ts";

/** One check; it is not repeated when it cannot be made. */
export class ChunkCheck implements Exchange {
  readonly purpose = "repair";
  readonly #link: NodeLink;
  readonly #id: WireChunkId;
  readonly #onGone: (instance: InstanceId | null) => void;
  #channel = 0;

  /** `onGone`: this instance has dropped the chunk, or never had it. */
  constructor(link: NodeLink, id: WireChunkId, onGone: (instance: InstanceId | null) => void) {
    this.#link = link;
    this.#id = id;
    this.#onGone = onGone;
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
    if (message.kind === "chunkAbsent") this.#onGone(this.#link.awakeInstance);
  }

  onEnd(): void {
    // The next reader will find out.
  }
}
