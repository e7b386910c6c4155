// Whether a proxy has lost its pool: a function that was invoked says that a proxy of a higher reign came, or that its
// key is another one now. Then this proxy stands aside for good: it invokes nobody and serves nothing, for what it
// believes of the functions is no longer so. Pure.

import { readAnswer } from "../core/invocation.ts";
import type { InvokeOutcome } from "../core/ports.ts";

/**
 * Why this proxy must leave, or null. `wasGreeted`: the node has proven its key to this proxy before; a node that never
 * did may simply be deployed wrongly, which is no other proxy's doing.
 */
export function endOfReign(outcome: InvokeOutcome, wasGreeted: boolean): string | null {
  if (outcome.kind !== "returned") return null;
  const answer = readAnswer(outcome.payload);
  if (answer?.status === "superseded")
    return `another proxy serves this pool now (${answer.reason})`;
  if (answer?.status === "unverified" && wasGreeted)
    return "another proxy has deployed the functions of this pool anew, with a secret of its own";
  return null;
}
