// The object table's store for a proxy that keeps no state on disk: a restart begins a new generation, empty. One object
// of it can outlive a proxy in tests and simulation, and then behaves as a durable one.

import type { LoadedTable, Random, StoredObject, TableChange, TableStore, WallClock } from "./ports.ts";
import { termFloor } from "./terms.ts";

/** Keeps the table in memory. */
export class MemoryTableStore implements TableStore {
  readonly #random: Random;
  readonly #wallClock: WallClock;
  readonly #objects = new Map<string, StoredObject>();
  #generation: number | null = null;
  #term = 0;
  #nextVersion = 1;

  constructor(random: Random, wallClock: WallClock) {
    this.#random = random;
    this.#wallClock = wallClock;
  }

  load(): LoadedTable {
    this.#generation ??= this.#random.u32();
    this.#term = Math.max(this.#term + 1, termFloor(this.#wallClock.now()));
    return {
      generation: this.#generation,
      term: this.#term,
      nextVersion: this.#nextVersion,
      doubt: null,
      objects: [...this.#objects.values()],
    };
  }

  commit(changes: readonly TableChange[]): void {
    for (const change of changes) {
      if (change.kind === "put") this.#objects.set(change.object.key, change.object);
      else if (change.kind === "remove") this.#objects.delete(change.key);
      else this.#nextVersion = Math.max(this.#nextVersion, change.below);
    }
  }

  close(): void {
    // The next proxy may load it again.
  }
}
