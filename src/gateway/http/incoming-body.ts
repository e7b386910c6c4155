// The body of a request as it comes: pulled part by part, so that a slow cache makes the sender wait. It can be failed
// from outside when what follows the body is no HTTP. It knows
// of the message only what it uses.

import type { Clock } from "../../core/ports.ts";
import { BODY_PACE, Pace } from "../pace.ts";
import { LATE, within } from "../waiting.ts";
import { RequestFault } from "./message.ts";

/** What it uses of a message of node:http. */
export interface MessageSource {
  on(event: "data", listener: (bytes: Uint8Array) => void): unknown;
  on(event: "end" | "close" | "error", listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

/** One request's body; to be read once. */
export class IncomingBody implements AsyncIterable<Uint8Array> {
  readonly #incoming: MessageSource;
  readonly #clock: Clock;
  readonly #begin: () => void;
  readonly #pace = new Pace(BODY_PACE);
  readonly #parts: Uint8Array[] = [];
  #isBegun = false;
  #isEnded = false;
  #isFinished = false;
  #fault: RequestFault | null = null;
  #wake: (() => void) | null = null;

  /** `begin` is called before the first part is read: the place for `100 Continue`. */
  constructor(incoming: MessageSource, clock: Clock, begin: () => void) {
    this.#incoming = incoming;
    this.#clock = clock;
    this.#begin = begin;
    incoming.on("error", () => this.#lost());
    incoming.on("close", () => this.#lost());
    incoming.on("end", () => {
      this.#isEnded = true;
      this.#changed();
    });
  }

  /** True when the body was not what its head had said; the connection cannot go on. */
  get isFailed(): boolean {
    return this.#fault !== null;
  }

  /** Spoils the body, also one that has been read already; false when its request has been answered. */
  fail(fault: RequestFault): boolean {
    if (this.#isFinished) return false;
    this.#fault ??= fault;
    this.#changed();
    return true;
  }

  /** The request is about to be answered: what comes now is no longer its business. */
  finish(): void {
    this.#isFinished = true;
  }

  /** Waits for the input that is there already, then tells whether it spoilt the body. */
  async faultAfterEnd(): Promise<RequestFault | null> {
    await new Promise<void>((resolve) => this.#clock.afterInput(resolve));
    return this.#fault;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    this.#start();
    for (;;) {
      if (this.#fault !== null) throw this.#fault;
      const part = this.#parts.shift();
      if (part !== undefined) {
        yield part;
        continue;
      }
      if (this.#isEnded) return;
      this.#incoming.resume();
      await this.#moreInTime();
    }
  }

  #start(): void {
    if (this.#isBegun) return;
    this.#isBegun = true;
    this.#begin();
    this.#incoming.on("data", (bytes: Uint8Array) => {
      if (this.#isFinished) return;
      this.#parts.push(bytes);
      this.#incoming.pause();
      this.#changed();
    });
  }

  async #moreInTime(): Promise<void> {
    const startedAt = this.#clock.now();
    const more = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const outcome = await within(this.#clock, this.#pace.patienceMs, more);
    const bytes = this.#parts.reduce((sum, part) => sum + part.length, 0);
    this.#pace.moved(bytes, this.#clock.now() - startedAt);
    if (outcome === LATE) this.fail(new RequestFault(408, "the body comes too slowly"));
  }

  #lost(): void {
    if (!this.#isEnded) this.fail(new RequestFault(400, "the body ended early"));
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
