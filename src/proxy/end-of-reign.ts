// Whether a proxy has lost its pool: a function that was invoked says that a proxy of a higher reign came, or that its
// key is another one now. Then this proxy stands aside for good: it invokes nobody and serves nothing, for what it
// believes of the functions is no longer so. Pure.

import { readAnswer } from "../core/invocation.ts";
import type { InvokeOutcome } from "../core/ports.ts";

/**
 * What may help a proxy that no function has served yet: the other one may be an earlier proxy of this very pool, whose state
 * was lost, and which began when the clock was ahead. It cannot be told from one that lives, so it is not overruled.
 */
const REMEDY =
  "if no other proxy is running, one before this began by a clock that was ahead: set this machine's clock right, start with the state folder of that one, or deploy the functions anew";

/**
 * Why this proxy must leave, or null. A node that has not yet proven its key to this proxy may simply be deployed wrongly,
 * which is no other proxy's doing.
 */
export function endOfReign(
  outcome: InvokeOutcome,
  node: number,
  links: readonly { readonly hasGreeted: boolean }[],
): string | null {
  if (outcome.kind !== "returned") return null;
  const answer = readAnswer(outcome.payload);
  if (answer?.status === "superseded") {
    const reason = `another proxy serves this pool now (${answer.reason})`;
    return links.some(({ hasGreeted }) => hasGreeted) ? reason : `${reason}; ${REMEDY}`;
  }
  if (answer?.status === "unverified" && links[node]?.hasGreeted === true)
    return "another proxy has deployed the functions of this pool anew, with a secret of its own";
  return null;
}
