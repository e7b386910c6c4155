// The outcomes of recent mutations by (client, sequence), so that a retry is answered and
// not done again.

import { RETRY_OUTCOMES_MAX, RETRY_WINDOW_MS } from "../core/limits.ts";
import type { StoredOutcome, TableChange } from "../core/ports.ts";

/** What a mutation came to. */
export type Outcome =
  | { readonly kind: "put"; readonly outcome: "stored" | "exists"; readonly version: number }
  | { readonly kind: "remove"; readonly existed: boolean }
  | { readonly kind: "clear"; readonly count: number };

/** What must be durable together with the effect of a change, so that also the next term knows it; null where there was none. */
export function durableOutcome(
  clientId: string,
  sequence: number,
  outcome: Outcome,
): Extract<TableChange, { kind: "outcome" }> | null {
  // Without an effect the retry may find something else: the first one changed nothing, and nobody was told.
  const value = effectOf(outcome);
  if (value === 0) return null;
  return { kind: "outcome", outcome: { clientId, sequence, change: outcome.kind, value } };
}

function effectOf(outcome: Outcome): number {
  switch (outcome.kind) {
    case "put":
      return outcome.outcome === "stored" ? outcome.version : 0;
    case "remove":
      return outcome.existed ? 1 : 0;
    case "clear":
      return outcome.count;
  }
}

function fromStored({ change, value }: StoredOutcome): Outcome {
  switch (change) {
    case "put":
      return { kind: "put", outcome: "stored", version: value };
    case "remove":
      return { kind: "remove", existed: true };
    case "clear":
      return { kind: "clear", count: value };
  }
}

/** Remembers outcomes for the retry window; the oldest go first when there are too many. */
export class RetryWindow {
  readonly #outcomes = new Map<string, { readonly outcome: Outcome; readonly at: number }>();

  /** Those of earlier terms count for a whole window from now: when they were recorded nobody can say without trusting two clocks. */
  restore(outcomes: readonly StoredOutcome[], now: number): void {
    for (const each of outcomes) this.record(each.clientId, each.sequence, fromStored(each), now);
  }

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
