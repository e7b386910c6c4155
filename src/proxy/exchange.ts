// What the proxy's sessions ask of a link: an exchange waits until the node is awake, runs on one channel,
// and ends with its answer or with the reason why there is none.

import type { Purpose } from "../core/ports.ts";
import type { Message } from "../wire/messages.ts";

/**
 * Why an exchange ended without its answer. `interrupted`: the invocation ended under it, it may be opened
 * again; `lost`: the instance is proven gone; `unreachable`: the node could not be woken, nothing is proven.
 */
export type ExchangeEnd = "interrupted" | "lost" | "unreachable";

/** One exchange with a function; its owner implements it, the link drives it. */
export interface Exchange {
  readonly purpose: Purpose;
  /** The node is awake: send the first message on this channel. */
  start(channel: number): void;
  /** Where the body of a data frame goes; see ConnectionHandler. */
  bodyPlace(message: Message, bytes: number): Uint8Array | null;
  onMessage(message: Message, body: Uint8Array | null): void;
  /** It waits, and will for longer than a wake takes: the primary is looked for, or a wake has failed. */
  onLate?(): void;
  /** Called at most once per opening, and never after `close` of the link for it. */
  onEnd(reason: ExchangeEnd): void;
}
