// A lease on a key, from the client's side: one exchange that waits until it is granted, holds it, and gives it back.
// What a lease is worth, the proxy says.

import { CacheError } from "../core/errors.ts";
import type { ObjectKey } from "../core/ids.ts";
import type { Message } from "../wire/messages.ts";
import type { CallOptions, LeaseAnswer, LoadEnd } from "./api.ts";
import type { Exchange, Welcome } from "./exchange.ts";
import type { Operation, OperationHost } from "./operation.ts";
import type { Runner } from "./runner.ts";
import { errorOf } from "./simple-operation.ts";

/** The longest reason of a failure that is told to others, in characters: a message has 1,024 bytes for it. */
const REASON_LENGTH_MAX = 300;

type LeaseResult =
  | { readonly kind: "ended"; readonly isValid: boolean }
  | Exclude<LeaseAnswer, { readonly kind: "held" }>;

/** Asks for a lease; resolves when it is held, or is over before. */
export function askLease(
  runner: Runner,
  key: ObjectKey,
  purpose: "load" | "change",
  options: CallOptions,
): Promise<LeaseAnswer> {
  return new Promise((resolve, reject) => {
    let core: LeaseOperation | null = null;
    const running = runner.run<LeaseResult>(
      { name: "lease", target: { key }, deadlineFrom: "start", usesCallersMemory: false },
      options,
      (host) => {
        core = new LeaseOperation(host, key, purpose, (lease) =>
          resolve({ kind: "held", lease, end }),
        );
        return core;
      },
    );
    const ended = running.then(
      (result) => {
        if (result.kind === "over") resolve(result);
        return result.kind === "ended" && result.isValid;
      },
      (error: unknown) => {
        reject(error); // Of no effect once it was held.
        return false;
      },
    );
    const end = async (how: LoadEnd): Promise<boolean> => {
      core?.giveBack(how);
      return await ended;
    };
  });
}

/** See the header. */
class LeaseOperation implements Operation {
  readonly #host: OperationHost<LeaseResult>;
  readonly #key: ObjectKey;
  readonly #purpose: "load" | "change";
  readonly #onHeld: (lease: number) => void;
  #exchange: Exchange | null = null;
  #isHeld = false;

  constructor(
    host: OperationHost<LeaseResult>,
    key: ObjectKey,
    purpose: "load" | "change",
    onHeld: (lease: number) => void,
  ) {
    this.#host = host;
    this.#key = key;
    this.#purpose = purpose;
    this.#onHeld = onHeld;
  }

  begin(exchange: Exchange, _welcome: Welcome, remainingMs: number): void {
    this.#exchange = exchange;
    const { kind, key, purpose } = {
      kind: "lease",
      key: this.#key,
      purpose: this.#purpose,
    } as const;
    exchange.send({ kind, key, purpose, deadlineMs: remainingMs });
  }

  giveBack(end: LoadEnd): void {
    const { code, reason } = end.outcome === "failed" ? end : { code: "", reason: "" };
    const told = { code: code.slice(0, 64), reason: reason.slice(0, REASON_LENGTH_MAX) };
    this.#exchange?.send({ kind: "leaseEnd", outcome: end.outcome, ...told });
  }

  bodyPlace(): null {
    return null;
  }

  onMessage(message: Message): void {
    switch (message.kind) {
      case "leased":
        if (this.#isHeld) return this.#host.broken("a lease was granted twice");
        this.#isHeld = true;
        return this.#onHeld(message.lease);
      case "leaseOver": {
        const { outcome, code, reason } = message;
        return this.#host.done({ kind: "over", outcome, code, reason });
      }
      case "leaseEnded":
        return this.#host.done({ kind: "ended", isValid: message.isValid });
      case "failed":
        return this.#host.failed(errorOf(message), true);
      default:
        return this.#host.broken(`"${message.kind}" does not answer "lease"`);
    }
  }

  /** What is held goes with the connection; who only waits asks again. */
  onLost(reason: string): CacheError | null {
    this.#exchange = null;
    if (!this.#isHeld) return null;
    return new CacheError(
      "ICACHE_UNREACHABLE",
      `the connection was lost, and the lease with it: ${reason}`,
    );
  }

  release(): void {
    this.#exchange = null;
  }
}
