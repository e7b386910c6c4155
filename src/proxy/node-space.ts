// What the proxy believes one node stores: bytes, chunks, the digest an instance must show, and the drops
// that are still to be told. It moves nothing; the pool decides and the link carries.

import { chunkCost } from "../core/chunk-cost.ts";
import type { InstanceId, NodeIndex } from "../core/ids.ts";
import { chunkFingerprint, type Fingerprint, StoreDigest } from "../core/store-digest.ts";
import type { WireChunkId } from "../wire/messages.ts";
import type { ObjectVersion } from "./object-version.ts";

/** One chunk on a node: reserved, or confirmed by an instance. */
export interface ChunkRecord {
  readonly id: WireChunkId;
  readonly bytes: number;
  /** Null while the PUT is under way. */
  object: ObjectVersion | null;
  /** Null until confirmed. */
  instance: InstanceId | null;
}

/** The name of a chunk within a pool: versions are unique in a generation. */
export function chunkName(id: {
  readonly version: number;
  readonly stripe: number;
  readonly index: number;
}): string {
  return `${id.version}.${id.stripe}.${id.index}`;
}

/** The proxy's account of one node. */
export class NodeSpace {
  readonly node: NodeIndex;
  readonly chunks = new Map<string, ChunkRecord>();
  readonly #digest = new StoreDigest();
  /** `isCounted`: it was confirmed, so the digest counts it until the drop goes out. */
  #drops: { readonly id: WireChunkId; readonly isCounted: boolean }[] = [];
  #budgetBytes: number;
  #usedBytes = 0;
  #confirmed = 0;

  constructor(node: NodeIndex, budgetBytes: number) {
    this.node = node;
    this.#budgetBytes = budgetBytes;
  }

  get budgetBytes(): number {
    return this.#budgetBytes;
  }

  /** Confirmed and reserved, with what each chunk costs beside its bytes. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Room for further chunks, in the bytes that `chunkCost` counts. */
  get freeBytes(): number {
    return Math.max(0, this.#budgetBytes - this.#usedBytes);
  }

  /** What the instance itself says it may hold. */
  setBudget(bytes: number): void {
    this.#budgetBytes = bytes;
  }

  /** Whether any instance holds chunks of this node. */
  get holdsChunks(): boolean {
    return this.#confirmed > 0;
  }

  /** The digest an instance must show that holds all that is confirmed, and what it was not yet told to drop. */
  digest(): Fingerprint {
    return this.#digest.value();
  }

  reserve(id: WireChunkId, bytes: number): void {
    this.chunks.set(chunkName(id), { id, bytes, object: null, instance: null });
    this.#usedBytes += chunkCost(bytes);
  }

  /** The instance has verified and stored it. */
  confirm(id: WireChunkId, instance: InstanceId): void {
    const record = this.chunks.get(chunkName(id));
    if (record === undefined) return;
    if (record.instance === null) {
      this.#digest.toggle(fingerprintOf(id));
      this.#confirmed++;
    }
    record.instance = instance;
  }

  /** Known from the durable table. */
  restore(id: WireChunkId, bytes: number, object: ObjectVersion, instance: InstanceId): void {
    this.reserve(id, bytes);
    this.confirm(id, instance);
    const record = this.chunks.get(chunkName(id));
    if (record !== undefined) record.object = object;
  }

  /** Frees the account; the drop goes out before any later chunk does. `isStored` false: the node is known not to have it. */
  release(id: WireChunkId, isStored: boolean): void {
    const name = chunkName(id);
    const record = this.chunks.get(name);
    if (record === undefined) return;
    this.chunks.delete(name);
    this.#usedBytes -= chunkCost(record.bytes);
    if (record.instance !== null) this.#confirmed--;
    if (isStored) this.#drops.push({ id, isCounted: record.instance !== null });
    else if (record.instance !== null) this.#digest.toggle(fingerprintOf(id));
  }

  /** Drops still to be told; the caller tells them now. */
  takeDrops(): readonly WireChunkId[] {
    const drops = this.#drops;
    this.#drops = [];
    for (const { id, isCounted } of drops) if (isCounted) this.#digest.toggle(fingerprintOf(id));
    return drops.map(({ id }) => id);
  }

  /** A new instance holds nothing, so there is nothing to drop. */
  clearDrops(): void {
    this.takeDrops();
  }
}

function fingerprintOf(id: WireChunkId): Fingerprint {
  return chunkFingerprint(id.keyHash, id.version, id.stripe, id.index);
}
