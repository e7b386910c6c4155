// Which versions have lost chunks since they were written down last, and who is told of it. Losses become durable a little
// later and many at once: one that is forgotten in between is found again, and a reclaimed node takes thousands.

import type { TableStore } from "../core/ports.ts";
import { type ObjectVersion, toStored } from "./object-version.ts";

/** Objects written down again in one commit because chunks of them were lost: some 10 ms. */
const LOSSES_PER_COMMIT = 1_000;

/** Who has to know which stripes lack chunks; nothing may be changed within its calls. */
export interface LossListener {
  /** Chunks of the stripe came or went. */
  note(object: ObjectVersion, stripe: number): void;
  /** The version is not current any more. */
  forget(object: ObjectVersion): void;
}

/** See the header. */
export class LossLog {
  readonly #listener: LossListener;
  readonly #unrecorded = new Set<ObjectVersion>();

  constructor(listener: LossListener) {
    this.#listener = listener;
  }

  /** A chunk of a current version was lost. */
  lost(object: ObjectVersion, stripe: number): void {
    this.#unrecorded.add(object);
    this.#listener.note(object, stripe);
  }

  /** A lost chunk is stored again, and the version about to be written down. */
  filled(object: ObjectVersion, stripe: number): void {
    this.#unrecorded.delete(object);
    this.#listener.note(object, stripe);
  }

  /** A version that was just stored, or was loaded, may lack chunks from the beginning. */
  noteAll(object: ObjectVersion): void {
    if (object.places.every(({ instance }) => instance !== null)) return;
    for (let stripe = 0; stripe < object.layout.stripeCount; stripe++)
      this.#listener.note(object, stripe);
  }

  /** The version is not current any more. */
  forget(object: ObjectVersion): void {
    this.#unrecorded.delete(object);
    this.#listener.forget(object);
  }

  /** Writes losses down, so that a restart begins with them; at most so many objects in one call. */
  record(store: TableStore, objectsMax: number = LOSSES_PER_COMMIT): void {
    const objects: ObjectVersion[] = [];
    for (const object of this.#unrecorded) {
      if (objects.length >= objectsMax) break;
      this.#unrecorded.delete(object);
      objects.push(object);
    }
    if (objects.length === 0) return;
    store.commit(objects.map((object) => ({ kind: "put", object: toStored(object) })));
  }
}
