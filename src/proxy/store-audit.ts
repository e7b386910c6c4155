// A comparison of an instance's inventory with what the account of its node says of it: pages come in, and what is to be
// forgotten here and dropped there comes out. It sends nothing and knows no link.

import type { InstanceId } from "../core/ids.ts";
import type { MessageOf, WireChunkId } from "../wire/messages.ts";
import { type ChunkRecord, chunkName, type NodeSpace } from "./node-space.ts";
import type { ObjectTable } from "./object-table.ts";

/** One comparison under way. */
export class StoreAudit {
  readonly instance: InstanceId;
  readonly #space: NodeSpace;
  /** What the account had of the instance when it was asked. */
  readonly #expected = new Map<string, ChunkRecord>();
  readonly #listed: WireChunkId[] = [];

  constructor(space: NodeSpace, instance: InstanceId) {
    this.instance = instance;
    this.#space = space;
    for (const [name, record] of space.chunks)
      if (isHeldBy(space, record, instance)) this.#expected.set(name, record);
  }

  /** A page has come; true after the last one. */
  onPage(page: MessageOf<"inventory">): boolean {
    for (const chunk of page.chunks) {
      this.#expected.delete(chunkName(chunk));
      this.#listed.push(chunk);
    }
    return page.isLast;
  }

  /**
   * What is left in `#expected` is missing. Of what was listed, the replica's copies of chunks that are the table's are
   * counted from now on: a version never changes, so whoever has verified it once has it. The answer is all else: it is to be dropped.
   */
  settle(table: ObjectTable | null): readonly WireChunkId[] {
    const space = this.#space;
    for (const [name, record] of this.#expected) {
      if (space.chunks.get(name) !== record || !isHeldBy(space, record, this.instance)) continue; // Gone or overwritten in the meantime.
      if (record.instance !== this.instance) space.loseCopy(record);
      else if (record.object === null) space.release(record.id, false);
      else {
        const { object, id } = record;
        table?.markMissing(object, id.stripe, id.index);
        table?.forgetIfLost(object, id.stripe);
      }
    }
    const isReplica = space.replica === this.instance;
    const unwanted = this.#listed.filter((chunk) => {
      const record = space.chunks.get(chunkName(chunk));
      if (record === undefined) return true;
      // Not yet confirmed: it may be on its way to this very instance.
      if (record.instance === null || record.instance === this.instance) return false;
      if (isReplica && record.object !== null) space.confirmCopy(record);
      return !(isReplica && record.hasCopy);
    });
    space.noteProven(this.instance);
    return unwanted;
  }
}

function isHeldBy(space: NodeSpace, record: ChunkRecord, instance: InstanceId): boolean {
  return record.instance === instance || (record.hasCopy && space.replica === instance);
}
