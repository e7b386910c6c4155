// Operations of one request without bodies: stat, remove, list, status, clear, ping. All may be begun anew after
// a lost connection: reads change nothing, and changes carry their sequence number.

import { CacheError, isErrorCode } from "../core/errors.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { Exchange, Welcome } from "./exchange.ts";
import type { Operation, OperationHost } from "./operation.ts";

/** The error that a `failed` message stands for. */
export function errorOf(message: MessageOf<"failed">): CacheError {
  return new CacheError(
    isErrorCode(message.code) ? message.code : "ICACHE_INTERNAL",
    message.reason,
  );
}

/** What a reply means: the result, "more" when it is not whole yet, or "unexpected". */
export type Reply<Result> =
  | { readonly kind: "result"; readonly result: Result }
  | { readonly kind: "more" }
  | { readonly kind: "unexpected" };

/** One request, its replies, one result. */
export class SimpleOperation<Result> implements Operation {
  readonly #host: OperationHost<Result>;
  readonly #request: Message;
  readonly #makeReader: () => (message: Message) => Reply<Result>;
  #read: ((message: Message) => Reply<Result>) | null = null;

  /** `makeReader` is called at each beginning, so that half a reply is forgotten. */
  constructor(
    host: OperationHost<Result>,
    request: Message,
    makeReader: () => (message: Message) => Reply<Result>,
  ) {
    this.#host = host;
    this.#request = request;
    this.#makeReader = makeReader;
  }

  begin(exchange: Exchange): void {
    this.#read = this.#makeReader();
    exchange.send(this.#request);
  }

  bodyPlace(): null {
    return null;
  }

  onMessage(message: Message): void {
    if (message.kind === "failed") return this.#host.failed(errorOf(message), true);
    const reply = this.#read?.(message) ?? { kind: "unexpected" };
    if (reply.kind === "result") this.#host.done(reply.result);
    else if (reply.kind === "unexpected")
      this.#host.broken(`"${message.kind}" does not answer "${this.#request.kind}"`);
  }

  onLost(): null {
    return null;
  }

  release(): void {}
}

/** A round trip on the connection itself; its result is in milliseconds. */
export class PingOperation implements Operation {
  readonly #host: OperationHost<number>;
  #beginning = 0;

  constructor(host: OperationHost<number>) {
    this.#host = host;
  }

  begin(exchange: Exchange, _welcome: Welcome): void {
    const beganAt = this.#host.now();
    this.#beginning += 1;
    const beginning = this.#beginning;
    exchange.ping(() => {
      if (beginning === this.#beginning) this.#host.done(this.#host.now() - beganAt);
    });
  }

  bodyPlace(): null {
    return null;
  }

  onMessage(message: Message): void {
    this.#host.broken(`"${message.kind}" does not answer "ping"`);
  }

  onLost(): null {
    this.#beginning += 1;
    return null;
  }

  release(): void {}
}
