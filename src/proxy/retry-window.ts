// The outcomes of recent mutations by (client, sequence), so that a retry is answered and
// not done again.

import { RETRY_OUTCOMES_MAX, RETRY_WINDOW_MS } from "../core/limits.ts";

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
