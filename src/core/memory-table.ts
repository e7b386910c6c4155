// The object table in memory: for tests and simulation, and for proxies that need not survive. What would be the disk is
// an image that outlives its table, so that a crash and a restart can be played.

import { assert } from "./assert.ts";
import { RETRY_OUTCOMES_MAX } from "./limits.ts";
import type {
  LoadedTable,
  RingMark,
  StoredObject,
  StoredOutcome,
  StoredReplica,
  TableChange,
  TableStore,
} from "./ports.ts";

/** What a restart finds. Only MemoryTable changes it. */
export interface TableImage {
  readonly generation: number;
  term: number;
  nextVersion: number;
  ring?: RingMark;
  readonly objects: Map<string, StoredObject>;
  readonly outcomes: StoredOutcome[];
  readonly replicas: Map<number, StoredReplica>;
}

/** An image without objects; its first term is 1. */
export function emptyTableImage(generation: number): TableImage {
  return {
    generation,
    term: 0,
    nextVersion: 1,
    objects: new Map(),
    outcomes: [],
    replicas: new Map(),
  };
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
    const kept = { outcomes: [...image.outcomes], replicas: [...image.replicas.values()] };
    return { generation, term, nextVersion, doubt: null, ...ring, objects, ...kept };
  }

  commit(changes: readonly TableChange[]): void {
    const image = this.#image;
    assert(this.#term === image.term && this.#term > 0, "the table is not open, or no longer ours");
    for (const change of changes) applyTo(image, change);
  }

  close(): void {
    this.#term = 0;
  }
}

function applyTo(image: TableImage, change: TableChange): void {
  switch (change.kind) {
    case "put":
      image.objects.set(change.object.key, change.object);
      image.nextVersion = Math.max(image.nextVersion, change.object.version + 1);
      return;
    case "remove":
      image.objects.delete(change.key);
      return;
    case "reserveVersions":
      image.nextVersion = Math.max(image.nextVersion, change.below);
      return;
    case "ring":
      image.ring = change.mark;
      return;
    case "outcome":
      image.outcomes.push(change.outcome);
      if (image.outcomes.length > RETRY_OUTCOMES_MAX) image.outcomes.shift();
      return;
    case "replica":
      if (change.replica.instance === "") image.replicas.delete(change.replica.node);
      else image.replicas.set(change.replica.node, change.replica);
      return;
  }
}
