// Broken invariants: stay on in production, are never caught except at the edge of the process.

/** An invariant of ours does not hold. Nobody catches this but the edge of the process. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws AssertionError unless `condition` holds. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** The place a value of type `never` ends: a case was forgotten. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
