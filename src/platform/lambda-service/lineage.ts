// Recursion count: how often a function already stands in the chain of invocations that led to this
// one, carried in the `Lineage` field of the X-Ray trace header as on AWS. Pure.
// A chain goes on by itself: the function finds the header in `_X_AMZN_TRACE_ID`, and AWS SDKs send it on.

/** Invocations of one function in one chain; the next is refused with RecursiveInvocationException. */
export const RECURSION_MAX = 16;

/** Hops kept in a header; older ones of longer chains are dropped, so that it stays small. */
const HOPS_MAX = 32;

/** The header to hand to the function, or null when the chain is too long. */
export function extendLineage(
  header: string | null,
  functionHash: string,
  fresh: () => string,
  countMax: number = RECURSION_MAX,
): string | null {
  const fields = new Map<string, string>();
  for (const field of (header ?? "").split(";")) {
    const equals = field.indexOf("=");
    if (equals > 0) fields.set(field.slice(0, equals).trim(), field.slice(equals + 1).trim());
  }
  const counts = parseLineage(fields.get("Lineage") ?? "");
  const count = (counts.get(functionHash) ?? 0) + 1;
  if (count > countMax) return null;
  counts.delete(functionHash);
  counts.set(functionHash, count);
  if (!fields.has("Root")) fields.set("Root", fresh());
  if (!fields.has("Sampled")) fields.set("Sampled", "0");
  const hops = [...counts].slice(-HOPS_MAX).map(([hash, times]) => `${hash}:${times}`);
  fields.set("Lineage", hops.join(","));
  return [...fields].map(([name, value]) => `${name}=${value}`).join(";");
}

function parseLineage(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const hop of text.split(",")) {
    const [, hash, times] = /^([0-9a-f]{8}):(\d{1,6})$/.exec(hop) ?? [];
    if (hash !== undefined && times !== undefined) counts.set(hash, Number(times));
  }
  return counts;
}
