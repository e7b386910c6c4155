// What a proxy reports of its nodes: states of links, instances, chunks and bytes. It only reads.

import type { ProxyStatus } from "../core/status.ts";
import type { NodeSpace } from "./node-space.ts";
import type { Pool } from "./pool.ts";

/** A chunk of which a replica is known to hold a copy. */
export interface StoredCopy {
  readonly replica: string;
  readonly name: string;
}

/** All copies, but for those of replicas that have not yet shown in this term what they hold. */
export function* copiesOf(spaces: readonly NodeSpace[]): IterableIterator<StoredCopy> {
  for (const { replica, chunks, isReplicaAssumed } of spaces) {
    if (isReplicaAssumed || replica === null) continue;
    for (const [name, { hasCopy }] of chunks) if (hasCopy) yield { replica, name };
  }
}

/** The part of the report that concerns the nodes. */
export function poolStatus(
  pool: Pool,
): Pick<ProxyStatus, "nodes" | "chunkBytes" | "capacityBytes"> {
  const { links, spaces } = pool;
  const byState: Record<string, number> = {};
  for (const { state } of links) byState[state.kind] = (byState[state.kind] ?? 0) + 1;
  const sum = (of: (space: NodeSpace) => number): number =>
    spaces.reduce((total, space) => total + of(space), 0);
  return {
    nodes: {
      count: spaces.length,
      byState,
      greeted: links.filter((link) => link.hasGreeted).length,
      rows: spaces.map(({ node, chunks, copies, replica, usedBytes, budgetBytes }) => ({
        node,
        state: pool.link(node).state.kind,
        instance: pool.link(node).primary,
        replica,
        isInRound: pool.link(node).hasSide,
        chunks: chunks.size,
        copies,
        usedBytes,
        budgetBytes,
      })),
    },
    chunkBytes: sum((space) => space.usedBytes),
    capacityBytes: sum((space) => space.budgetBytes),
  };
}
