// How many nodes lose all they hold when instances are reclaimed at random and each node has two with the same content,
// a primary and its replica: both must be among the reclaimed. Arithmetic only; chunks and codes are availability.ts's.
//
// Of C(2N, r) ways to reclaim r of 2N instances, C(N, d) · C(N−d, r−2d) · 2^(r−2d) take both of exactly d nodes.

/** The probabilities that 0, 1, … `nodes` nodes lose both instances when `reclaimed` of all of them go at once. */
export function nodesLostOfPairs(nodes: number, reclaimed: number): number[] {
  if (!Number.isInteger(nodes) || nodes < 0)
    throw new RangeError("nodes are a whole number from 0");
  if (!Number.isInteger(reclaimed) || reclaimed < 0 || reclaimed > 2 * nodes)
    throw new RangeError("there are two instances for each node");
  const lnFactorials = new Float64Array(2 * nodes + 1);
  for (let k = 2; k < lnFactorials.length; k++)
    lnFactorials[k] = (lnFactorials[k - 1] ?? 0) + Math.log(k);
  const lnChoose = (from: number, count: number): number =>
    (lnFactorials[from] ?? Number.NaN) -
    (lnFactorials[count] ?? Number.NaN) -
    (lnFactorials[from - count] ?? Number.NaN);
  const all = lnChoose(2 * nodes, reclaimed);
  return Array.from({ length: nodes + 1 }, (_, both) => {
    const single = reclaimed - 2 * both;
    if (single < 0 || single > nodes - both) return 0;
    const ways = lnChoose(nodes, both) + lnChoose(nodes - both, single) + single * Math.LN2;
    return Math.exp(ways - all);
  });
}

/** The same when each number of reclaimed instances, from 0 to 2 · `nodes`, has its own probability. */
export function pairReclaimCounts(nodes: number, instances: readonly number[]): number[] {
  const sums = Array.from({ length: nodes + 1 }, () => 0);
  for (const [reclaimed, probability] of instances.entries()) {
    if (probability === 0) continue;
    for (const [lost, each] of nodesLostOfPairs(nodes, reclaimed).entries())
      sums[lost] = (sums[lost] ?? 0) + probability * each;
  }
  return sums;
}
