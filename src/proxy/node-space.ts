// What the proxy believes one node stores: bytes, chunks, and for each of its instances the digest it must show and
// the drops that are still to be told. It moves nothing; the pool decides and the link carries.

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
  /** The node's replica holds it, too. */
  hasCopy: boolean;
}

/** The name of a chunk within a pool: versions are unique in a generation. */
export function chunkName(id: {
  readonly version: number;
  readonly stripe: number;
  readonly index: number;
}): string {
  return `${id.version}.${id.stripe}.${id.index}`;
}

/** What one instance holds of the node's chunks. */
interface InstanceStore {
  readonly digest: StoreDigest;
  /** That it confirmed itself. */
  chunks: number;
  /** That were copied to it from the primary. */
  copies: number;
  /** Not yet told; the digest counts them until they are. */
  drops: WireChunkId[];
  /** Null until it was first looked at. */
  seenAt: number | null;
}

/** Chunks on an instance that is neither the primary nor awake are kept so long; one that idles is reclaimed before. */
export const UNSEEN_MS_MAX = 600_000;
/** Instances of one node whose chunks are kept; beyond, the one that was not seen for longest counts as lost. */
export const INSTANCES_KEPT_MAX = 8;

/** The proxy's account of one node. */
export class NodeSpace {
  readonly node: NodeIndex;
  readonly chunks = new Map<string, ChunkRecord>();
  readonly #stores = new Map<InstanceId, InstanceStore>();
  /** Of chunks that were never confirmed: whoever is awake next is told. */
  #strayDrops: WireChunkId[] = [];
  #budgetBytes: number;
  #usedBytes = 0;
  #confirmed = 0;
  #replica: InstanceId | null = null;
  /** What it holds is taken from the durable table, and it has not yet said so itself. */
  #isReplicaAssumed = false;
  /** Proven gone while the replica was only assumed: what becomes of their chunks waits for its word. */
  readonly #gone = new Set<InstanceId>();
  #changes = 0;

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

  /** How many chunks this instance holds, copies among them, and those of which it is to say whether it has copies. */
  chunksOf(instance: InstanceId): number {
    const store = this.#stores.get(instance);
    if (store === undefined || this.#gone.has(instance)) return 0;
    let count = store.chunks + store.copies;
    if (instance === this.#replica)
      for (const gone of this.#gone) count += this.#stores.get(gone)?.chunks ?? 0;
    return count;
  }

  /** The instance that holds copies; null before the first backup, and after it took the primary's place. */
  get replica(): InstanceId | null {
    return this.#replica;
  }

  /** How many chunks the replica has copies of. */
  get copies(): number {
    return this.#replica === null ? 0 : (this.#stores.get(this.#replica)?.copies ?? 0);
  }

  /** Grows with every chunk that comes or goes: equal numbers mean that nothing is new. */
  get changes(): number {
    return this.#changes;
  }

  /**
   * Whom the next wake is to find. A primary that holds nothing any more leaves its place to whoever holds most; and while
   * chunks wait for the replica's word, it comes before all others: found or not, that decides it.
   */
  primaryAfter(before: InstanceId | null): InstanceId | null {
    if (this.awaitsReplica) return this.#replica;
    return before !== null && this.chunksOf(before) > 0 ? before : (this.#richest() ?? before);
  }

  #richest(): InstanceId | null {
    let best: InstanceId | null = null;
    for (const instance of this.#stores.keys())
      if (this.chunksOf(instance) > (best === null ? 0 : this.chunksOf(best))) best = instance;
    return best;
  }

  /** The digest this instance must show: all that it confirmed, and what it was not yet told to drop. */
  digest(instance: InstanceId): Fingerprint {
    return this.#stores.get(instance)?.digest.value() ?? { low: 0, high: 0 };
  }

  reserve(id: WireChunkId, bytes: number): void {
    this.chunks.set(chunkName(id), { id, bytes, object: null, instance: null, hasCopy: false });
    this.#usedBytes += chunkCost(bytes);
  }

  /** The instance has verified and stored it. */
  confirm(id: WireChunkId, instance: InstanceId): void {
    const record = this.chunks.get(chunkName(id));
    if (record === undefined || record.instance === instance) return;
    if (record.hasCopy && instance === this.#replica) this.loseCopy(record);
    this.#take(record);
    record.instance = instance;
    const store = this.#storeOf(instance);
    store.chunks++;
    store.digest.toggle(fingerprintOf(id));
    this.#confirmed++;
    this.#changes++;
  }

  /** The chunk's object was committed: somebody may read it, and a replica is to have it. */
  attach(id: WireChunkId, object: ObjectVersion): void {
    const record = this.chunks.get(chunkName(id));
    if (record === undefined) return;
    record.object = object;
    this.#changes++;
  }

  /** From now on copies go to this instance. What an earlier one holds is not counted on any more, and it will be told. */
  setReplica(instance: InstanceId | null): void {
    if (instance === this.#replica) return;
    for (const record of this.chunks.values()) if (record.hasCopy) this.loseCopy(record);
    this.#replica = instance;
    this.#isReplicaAssumed = false;
    if (instance !== null) this.#storeOf(instance);
  }

  /**
   * Known from the durable table: this instance was offered chunks of versions below. It is taken to hold them until it
   * speaks, so that it is asked once its primary is gone; more than that does not rest on it: see `awaitReplica`.
   */
  assumeReplica(instance: InstanceId, below: number): void {
    this.setReplica(instance);
    for (const record of this.chunks.values())
      if (record.id.version < below) this.confirmCopy(record);
    this.#isReplicaAssumed = true;
  }

  /** The instance has shown by digest or inventory that it holds what it is believed to. */
  noteProven(instance: InstanceId): void {
    if (instance === this.#replica) this.#isReplicaAssumed = false;
    this.#gone.delete(instance);
  }

  /**
   * The instance is gone. True when its chunks stay as they are until the replica has been heard: what an earlier proxy wrote
   * down of its copies may be too much or too little, and nothing is moved, forgotten or repaired on the strength of that.
   */
  awaitReplica(gone: InstanceId): boolean {
    const isAwaited = this.#isReplicaAssumed && gone !== this.#replica;
    if (isAwaited) this.#gone.add(gone);
    return isAwaited;
  }

  /** Whether chunks of an instance that is gone wait for the word of the replica. */
  get awaitsReplica(): boolean {
    if (!this.#isReplicaAssumed) return false;
    // Without chunks left there is nothing to say: the next wake is to find who serves now.
    for (const gone of this.#gone) if ((this.#stores.get(gone)?.chunks ?? 0) > 0) return true;
    return false;
  }

  /** Instances that are gone and wait no more: the replica has been heard, or is none any more. */
  takeGone(): readonly InstanceId[] {
    if (this.#isReplicaAssumed) return [];
    const gone = [...this.#gone];
    this.#gone.clear();
    return gone;
  }

  /** Whether that the replica holds its copies is only what an earlier proxy wrote down. */
  get isReplicaAssumed(): boolean {
    return this.#isReplicaAssumed;
  }

  /** What a restart is to know of the replica; null without one. */
  get replicaMark(): { readonly instance: InstanceId; readonly below: number } | null {
    if (this.#replica === null || this.copies === 0) return null;
    let below = 0;
    for (const { id, hasCopy } of this.chunks.values())
      if (hasCopy && id.version >= below) below = id.version + 1;
    return { instance: this.#replica, below };
  }

  /** The replica has verified and stored a copy of a chunk that another instance confirmed. */
  confirmCopy(record: ChunkRecord): void {
    const isHere = this.chunks.get(chunkName(record.id)) === record;
    if (this.#replica === null || record.hasCopy || !isHere) return;
    if (record.instance === null || record.instance === this.#replica) return;
    const store = this.#storeOf(this.#replica);
    record.hasCopy = true;
    store.copies++;
    store.digest.toggle(fingerprintOf(record.id));
  }

  /** The replica does not have this copy, or is not counted on any more. */
  loseCopy(record: ChunkRecord): void {
    const store = this.#replica === null ? undefined : this.#stores.get(this.#replica);
    if (!record.hasCopy || store === undefined) return;
    record.hasCopy = false;
    store.copies--;
    store.digest.toggle(fingerprintOf(record.id));
  }

  /** The instance that confirmed it is gone, and the replica's copy takes its place: nobody had to move. */
  promote(record: ChunkRecord): InstanceId | null {
    const replica = this.#replica;
    if (replica === null || !record.hasCopy || this.#isReplicaAssumed) return null;
    this.confirm(record.id, replica);
    return replica;
  }

  /** Chunks that somebody may read, held by this instance and not by the replica. */
  *withoutCopy(instance: InstanceId): IterableIterator<ChunkRecord> {
    for (const record of this.chunks.values())
      if (record.instance === instance && record.object !== null && !record.hasCopy) yield record;
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
    this.#changes++;
    this.#dropCopy(record);
    const store = this.#take(record);
    if (!isStored) return;
    if (store === null) this.#strayDrops.push(id);
    else {
      store.drops.push(id);
      store.digest.toggle(fingerprintOf(id)); // Still counted: it is there until it is told.
    }
  }

  /** Drops of chunks that this instance holds, still to be told; the caller tells them now. */
  takeOwnDrops(instance: InstanceId): readonly WireChunkId[] {
    const store = this.#stores.get(instance);
    const drops = store?.drops ?? [];
    for (const id of drops) store?.digest.toggle(fingerprintOf(id));
    if (store !== undefined) store.drops = [];
    return drops;
  }

  /** The same, and drops of chunks that were never confirmed. */
  takeDrops(instance: InstanceId): readonly WireChunkId[] {
    const drops = this.takeOwnDrops(instance);
    const stray = this.#strayDrops;
    this.#strayDrops = [];
    return [...drops, ...stray];
  }

  /** The instance and its store are gone; whoever calls has released its chunks. */
  forget(instance: InstanceId): void {
    if (instance === this.#replica) this.setReplica(null);
    this.#gone.delete(instance);
    this.#stores.delete(instance);
  }

  /** The instance has spoken. */
  noteSeen(instance: InstanceId, now: number): void {
    const store = this.#stores.get(instance);
    if (store !== undefined) store.seenAt = now;
  }

  /** Instances that count as lost by now, none of `kept` among them: unseen for too long, or too many. */
  unseen(now: number, kept: readonly (InstanceId | null)[]): InstanceId[] {
    const others: { readonly instance: InstanceId; readonly seenAt: number }[] = [];
    for (const [instance, store] of this.#stores) {
      store.seenAt ??= now;
      if (!kept.includes(instance)) others.push({ instance, seenAt: store.seenAt });
    }
    const excess = this.#stores.size - INSTANCES_KEPT_MAX;
    others.sort((a, b) => a.seenAt - b.seenAt);
    return others
      .filter(({ seenAt }, at) => at < excess || now - seenAt >= UNSEEN_MS_MAX)
      .map(({ instance }) => instance);
  }

  #storeOf(instance: InstanceId): InstanceStore {
    const store = this.#stores.get(instance) ?? {
      digest: new StoreDigest(),
      chunks: 0,
      copies: 0,
      drops: [],
      seenAt: null,
    };
    this.#stores.set(instance, store);
    return store;
  }

  /** The chunk is wanted no more: its copy is there until the replica is told. */
  #dropCopy(record: ChunkRecord): void {
    const store = this.#replica === null ? undefined : this.#stores.get(this.#replica);
    if (!record.hasCopy || store === undefined) return;
    record.hasCopy = false;
    store.copies--;
    store.drops.push(record.id);
  }

  /** Takes a confirmed chunk out of the account of its instance. */
  #take(record: ChunkRecord): InstanceStore | null {
    const store = record.instance === null ? undefined : this.#stores.get(record.instance);
    if (store === undefined) return null;
    store.chunks--;
    store.digest.toggle(fingerprintOf(record.id));
    this.#confirmed--;
    return store;
  }
}

function fingerprintOf(id: WireChunkId): Fingerprint {
  return chunkFingerprint(id.keyHash, id.version, id.stripe, id.index);
}
