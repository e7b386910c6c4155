// What a proxy makes of the table that an earlier one left: its objects, the accounts of the nodes, and the instance
// that each node is taken for until it speaks. It asks no function whether all of that is still so.

import { type InstanceId, instanceId, type NodeIndex, type ObjectKey } from "../core/ids.ts";
import type { LoadedTable, TableChange, TableStore } from "../core/ports.ts";
import type { ObjectTable } from "./object-table.ts";
import { fromStored } from "./object-version.ts";

/** What a restored table is measured by. */
export interface RestoreContext {
  readonly nodes: number;
  readonly store: TableStore;
  hashKey(key: ObjectKey): Uint8Array;
}

/** Fills the table; the primaries are the instances that confirmed the newest version of their node. */
export function restoreTable(
  loaded: LoadedTable,
  table: ObjectTable,
  context: RestoreContext,
): Map<NodeIndex, InstanceId> {
  const newest = new Map<NodeIndex, { readonly version: number; readonly instance: InstanceId }>();
  const outside: TableChange[] = [];
  for (const stored of loaded.objects) {
    if (stored.places.some((place) => place.node >= context.nodes)) {
      // The pool was made smaller. Kept, it would come back with a larger one, though deleted meanwhile.
      outside.push({ kind: "remove", key: stored.key });
      continue;
    }
    const object = fromStored(stored, context.hashKey(stored.key as ObjectKey)); // Proof: committed, so checked.
    table.restore(object);
    for (const { node, instance } of object.places) {
      if (instance !== null && (newest.get(node)?.version ?? -1) < object.version)
        newest.set(node, { version: object.version, instance });
    }
  }
  for (const replica of loaded.replicas) table.restoreReplica(replica);
  if (outside.length > 0) context.store.commit(outside);
  return new Map([...newest].map(([node, { instance }]) => [node, instanceId(instance)]));
}
