// A table store whose "disk" is an image that outlives it, so that a restart can be played.

import type {
  LoadedTable,
  RingMark,
  StoredObject,
  StoredOutcome,
  StoredReplica,
  TableChange,
  TableStore,
} from "../../../src/core/ports.ts";

/** What a restart finds. */
export interface TableImage {
  term: number;
  nextVersion: number;
  commits: number;
  ring?: RingMark;
  readonly objects: Map<string, StoredObject>;
  readonly outcomes: StoredOutcome[];
  readonly replicas: Map<number, StoredReplica>;
}

/** A disk on which nothing was written. */
export function emptyImage(): TableImage {
  return {
    term: 0,
    nextVersion: 1,
    commits: 0,
    objects: new Map(),
    outcomes: [],
    replicas: new Map(),
  };
}

/** Keeps the table in an image. */
export class MemoryStore implements TableStore {
  readonly #image: TableImage;

  constructor(image: TableImage) {
    this.#image = image;
  }

  load(): LoadedTable {
    const image = this.#image;
    image.term++;
    const { term, nextVersion } = image;
    const objects = [...image.objects.values()];
    const ring = image.ring === undefined ? {} : { ring: image.ring };
    const kept = { outcomes: [...image.outcomes], replicas: [...image.replicas.values()] };
    return { generation: 7, term, nextVersion, doubt: null, ...ring, objects, ...kept };
  }

  commit(changes: readonly TableChange[]): void {
    const image = this.#image;
    image.commits++;
    for (const change of changes) {
      if (change.kind === "put") image.objects.set(change.object.key, change.object);
      else if (change.kind === "remove") image.objects.delete(change.key);
      else if (change.kind === "ring") image.ring = change.mark;
      else if (change.kind === "outcome") image.outcomes.push(change.outcome);
      else if (change.kind === "replica") {
        if (change.replica.instance === "") image.replicas.delete(change.replica.node);
        else image.replicas.set(change.replica.node, change.replica);
      } else image.nextVersion = Math.max(image.nextVersion, change.below);
    }
  }

  close(): void {}
}
