// The outcomes of recent mutations by (client, sequence), so that a retry is answered and not done again; and the
// gate that bounds how many PUTs are under way at once.

import { RETRY_OUTCOMES_MAX, RETRY_WINDOW_MS } from "../core/limits.ts";
import type { PutSlot } from "./operation.ts";

/** What a mutation came to. */
export type Outcome =
  | { readonly kind: "put"; readonly outcome: "stored" | "exists"; readonly version: number }
  | { readonly kind: "remove"; readonly existed: boolean }
  | { readonly kind: "clear"; readonly count: number };

/** Remembers outcomes for the retry window; the oldest go first when there are too many. */
export class RetryWindow {
  readonly #outcomes = new Map<string, { readonly outcome: Outcome; readonly at: number }>();

  find(clientId: string, sequence: number, now: number): Outcome | null {
    const kept = this.#outcomes.get(`${clientId}:${sequence}`);
    return kept === undefined || now - kept.at > RETRY_WINDOW_MS ? null : kept.outcome;
  }

  record(clientId: string, sequence: number, outcome: Outcome, now: number): void {
    this.#outcomes.set(`${clientId}:${sequence}`, { outcome, at: now });
    // In insertion order, so the front is the oldest.
    for (const [name, { at }] of this.#outcomes) {
      if (now - at <= RETRY_WINDOW_MS && this.#outcomes.size <= RETRY_OUTCOMES_MAX) return;
      this.#outcomes.delete(name);
    }
  }
}

/** Chunks that may be on their way into the pool at once: each may keep a credit's worth of memory here. */
const CHUNKS_ADMITTED_MAX = 192;
/** PUTs that may wait for admission. */
const PUTS_WAITING_MAX = 10_000;

/** Admits PUTs in the order of their coming, as long as the chunks of their stripes fit. */
export class PutGate {
  #admittedChunks = 0;
  readonly #waiting = new Set<{ readonly chunks: number; readonly begin: () => void }>();

  /** False when too many wait already. */
  get hasRoomToWait(): boolean {
    return this.#waiting.size < PUTS_WAITING_MAX;
  }

  /** `begin` is called in this call or in a later one, unless the slot is released first. */
  admit(chunks: number, begin: () => void): PutSlot {
    let state: "waiting" | "admitted" | "released" = "waiting";
    const ticket = {
      chunks: Math.min(chunks, CHUNKS_ADMITTED_MAX),
      begin: (): void => {
        state = "admitted";
        begin();
      },
    };
    this.#waiting.add(ticket);
    this.#pump();
    return {
      release: (): void => {
        if (state === "waiting") this.#waiting.delete(ticket);
        if (state === "admitted") this.#admittedChunks -= ticket.chunks;
        state = "released";
        this.#pump();
      },
    };
  }

  #pump(): void {
    for (const ticket of this.#waiting) {
      if (this.#admittedChunks + ticket.chunks > CHUNKS_ADMITTED_MAX) return;
      this.#waiting.delete(ticket);
      this.#admittedChunks += ticket.chunks;
      ticket.begin();
    }
  }
}
