// The object table in memory: for tests and simulation, and for proxies that need not survive. What would be the disk is
// an image that outlives its table, so that a crash and a restart can be played.

import { assert } from "./assert.ts";
import type { LoadedTable, RingMark, StoredObject, TableChange, TableStore } from "./ports.ts";

/** What a restart finds. Only MemoryTable changes it. */
export interface TableImage {
  readonly generation: number;
  term: number;
  nextVersion: number;
  ring?: RingMark;
  readonly objects: Map<string, StoredObject>;
}

/** An image without objects; its first term is 1. */
export function emptyTableImage(generation: number): TableImage {
  return { generation, term: 0, nextVersion: 1, objects: new Map() };
}

/** A table over an image. Loading it shuts out the table that was loaded before. */
export class MemoryTable implements TableStore {
  readonly #image: TableImage;
  #term = 0;

  constructor(image: TableImage) {
    this.#image = image;
  }

  load(): LoadedTable {
    assert(this.#term === 0, "a table is loaded once");
    const image = this.#image;
    image.term += 1;
    this.#term = image.term;
    const { generation, term, nextVersion } = image;
    const objects = [...image.objects.values()];
    const ring = image.ring === undefined ? {} : { ring: image.ring };
    return { generation, term, nextVersion, doubt: null, ...ring, objects };
  }

  commit(changes: readonly TableChange[]): void {
    const image = this.#image;
    assert(this.#term === image.term && this.#term > 0, "the table is not open, or no longer ours");
    for (const change of changes) {
      if (change.kind === "reserveVersions") {
        image.nextVersion = Math.max(image.nextVersion, change.below);
      } else if (change.kind === "put") {
        image.objects.set(change.object.key, change.object);
        image.nextVersion = Math.max(image.nextVersion, change.object.version + 1);
      } else if (change.kind === "ring") image.ring = change.mark;
      else image.objects.delete(change.key);
    }
  }

  close(): void {
    this.#term = 0;
  }
}
