// What an operation core is: messages in, effects out through an exchange, and one end reported to its host.
// Cores are synchronous and know no promise, no socket and no signal; run.ts runs them.

import type { Message, MessageOf } from "../wire/messages.ts";
import type { Exchange, Welcome } from "./exchange.ts";

/** How an operation ended. An error is a CacheError, or what the caller's own stream or signal threw. */
export type Outcome<Result> =
  | { readonly kind: "done"; readonly result: Result }
  | { readonly kind: "failed"; readonly error: unknown };

/** What a core may ask of whoever runs it. */
export interface OperationHost<Result> {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Lets input that waits be handled, then calls `act` unless the operation has ended. */
  later(act: () => void): void;
  /** The operation has ended well. Nothing is called on the core any more but `release`. */
  done(result: Result): void;
  /** The operation has ended; `isOver`: the proxy ended the exchange itself, so that no `cancel` is due. */
  failed(error: unknown, isOver?: boolean): void;
  /** The other side broke the protocol: ends the operation and gives the connection up. */
  broken(reason: string): void;
  /** For operations whose deadline counts from the last progress. */
  progress(): void;
}

/** A core. */
export interface Operation {
  /** A connection is there: begin, or begin anew. `remainingMs` is left until the deadline. */
  begin(exchange: Exchange, welcome: Welcome, remainingMs: number): void;
  bodyPlace(message: MessageOf<"data">, bytes: number): Uint8Array | null;
  onMessage(message: Message, body: Uint8Array | null): void;
  /** True while the operation waits for its caller only (a stream's source or reader): then no deadline runs. */
  readonly isIdle?: boolean;
  /** The connection is gone and with it the exchange. Null: may be begun anew; else why the operation ends. */
  onLost(reason: string): unknown;
  /** The proxy refused it because of the ring, and nothing was done; `onLost` follows. */
  onWrongProxy?(): void;
  /** The operation has ended: end what connections to functions do for it. `release` follows when they hold nothing of it. */
  onEnding?(): void;
  /** Called once at the very end, when the transport holds none of the operation's memory any more. */
  release(): void;
}
