// The object table: which version of each key is current, durable before anything is acknowledged; who pins
// it; what goes when it is superseded, deleted, expired, evicted or lost. It never talks to functions.

import { chunkCount } from "../core/code.ts";
import type { EvictionPolicy } from "../core/eviction.ts";
import type { InstanceId, NodeIndex, ObjectKey, Version } from "../core/ids.ts";
import { instanceId, version } from "../core/ids.ts";
import type {
  RingMark,
  StoredObject,
  StoredReplica,
  TableChange,
  TableStore,
  WallClock,
} from "../core/ports.ts";
import { compareUtf8 } from "../core/utf8-order.ts";
import type { ProxyCounters } from "./counters.ts";
import type { HotObjects } from "./hot-objects.ts";
import { Leases } from "./leases.ts";
import { type LossListener, LossLog } from "./loss-log.ts";
import type { NodeSpace } from "./node-space.ts";
import {
  type ChunkPlace,
  chunkBytesOf,
  chunkIdOf,
  type ObjectVersion,
  placeOf,
  setPlace,
  toStored,
} from "./object-version.ts";

/** Versions recorded as possibly handed out, at a time: one durable write per so many PUTs. */
const VERSION_BLOCK = 1_000;
/** Expired objects looked for per sweep, so that a sweep never holds up the loop. */
const SWEEP_OBJECTS_MAX = 2_000;

/** What a lookup finds. */
export type Lookup =
  | { readonly kind: "found"; readonly object: ObjectVersion }
  | { readonly kind: "miss"; readonly reason: "absent" | "expired" };

/** What the table needs around it. */
export interface ObjectTableContext {
  readonly store: TableStore;
  readonly wallClock: WallClock;
  readonly eviction: EvictionPolicy<ObjectVersion>;
  readonly spaces: readonly NodeSpace[];
  readonly counters: ProxyCounters;
  readonly losses: LossListener;
  readonly hot: HotObjects;
}

/** The current versions of one proxy. */
export class ObjectTable {
  readonly #context: ObjectTableContext;
  /** Of this table's keys; told of changes by those who make them, but for `keepOnly`. */
  readonly leases: Leases = new Leases(this);
  readonly #objects = new Map<ObjectKey, ObjectVersion>();
  /** As the durable table has them. */
  readonly #replicas = new Map<NodeIndex, Omit<StoredReplica, "node">>();
  #nextVersion: number;
  #reservedBelow: number;
  #bytes = 0;
  /** Counts lookups that found something: the order in which objects were used. */
  #uses = 0;
  readonly #losses: LossLog;
  #sweep: IterableIterator<ObjectVersion> | null = null;

  constructor(nextVersion: number, context: ObjectTableContext) {
    this.#context = context;
    this.#losses = new LossLog(context.losses);
    this.#nextVersion = nextVersion;
    this.#reservedBelow = nextVersion;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Bytes of user data in current versions. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A version that was never handed out before, in this generation. */
  drawVersion(): Version {
    if (this.#nextVersion >= this.#reservedBelow) {
      const below = this.#nextVersion + VERSION_BLOCK;
      this.#context.store.commit([{ kind: "reserveVersions", below }]);
      this.#reservedBelow = below;
    }
    return version(this.#nextVersion++);
  }

  /** An object of an earlier term; its chunks are accounted for here. */
  restore(object: ObjectVersion): void {
    this.#insert(object);
    this.#eachChunk(object, (space, stripe, index, instance) => {
      if (instance !== null)
        space.restore(
          chunkIdOf(object, stripe, index),
          chunkBytesOf(object, stripe, index),
          object,
          instance,
        );
    });
    this.#losses.noteAll(object);
  }

  /** A replica of an earlier term; after the objects. */
  restoreReplica({ node, instance: name, below }: StoredReplica): void {
    const space = this.#context.spaces[node];
    if (space === undefined) return;
    const instance = instanceId(name);
    this.#replicas.set(space.node, { instance, below });
    space.assumeReplica(instance, below);
  }

  /** Records which instance holds copies of the node's chunks, if that is not what is recorded already. */
  recordReplica(space: NodeSpace): void {
    const change = this.#replicaChange(space);
    if (change.length > 0) this.#context.store.commit(change);
  }

  /** The current, unexpired version; looking is using. */
  lookup(key: ObjectKey): Lookup {
    const object = this.#objects.get(key);
    if (object === undefined) return { kind: "miss", reason: "absent" };
    if (this.#isExpired(object)) {
      this.#expire(object);
      return { kind: "miss", reason: "expired" };
    }
    this.#context.eviction.touch(object);
    object.usedAt = ++this.#uses;
    return { kind: "found", object };
  }

  /** The current version, whether expired or not; looking this way is not using. */
  peek(key: string): ObjectVersion | null {
    return this.#objects.get(key as ObjectKey) ?? null; // A key that is none is simply not found.
  }

  /** Whether there is something to read; asking is not using. */
  isPresent(key: string): boolean {
    const object = this.peek(key);
    return object !== null && !this.#isExpired(object);
  }

  /** Every current version, as it is believed now: what is known to be missing has no place. */
  *stored(): IterableIterator<StoredObject> {
    for (const object of this.#objects.values()) yield toStored(object);
  }

  /** Makes a version current, durably, in one step with `also`. What it supersedes is gone for all later readers. */
  commit(object: ObjectVersion, also: TableChange | null = null): void {
    this.#context.store.commit([{ kind: "put", object: toStored(object) }, ...listed(also)]);
    const before = this.#objects.get(object.key);
    if (before !== undefined) this.#retire(before);
    this.#insert(object);
    this.#eachChunk(object, (space, stripe, index) =>
      space.attach(chunkIdOf(object, stripe, index), object),
    );
    this.#losses.noteAll(object);
  }

  /** A lost chunk of a current version is stored again. */
  fillPlace(object: ObjectVersion, stripe: number, index: number, place: ChunkPlace): void {
    setPlace(object, stripe, index, place);
    this.#losses.filled(object, stripe);
    this.#context.store.commit([{ kind: "put", object: toStored(object) }]);
  }

  /** Every current version. */
  versions(): IterableIterator<ObjectVersion> {
    return this.#objects.values();
  }

  /** Deletes the key, durably; false when there was nothing to read. `also` is recorded with it when there was. */
  remove(key: ObjectKey, also: TableChange | null = null): boolean {
    const object = this.#objects.get(key);
    if (object === undefined) return false;
    const existed = !this.#isExpired(object);
    this.#end(object, existed ? also : null);
    return existed;
  }

  /** Ends this version: lost, evicted or expired. A newer one of the key is not touched. */
  forget(object: ObjectVersion): void {
    if (object.isCurrent) this.#end(object, null);
  }

  /** Forgets all whose key begins with the prefix; how many. What `also` says of their number is recorded with it. */
  clear(prefix: string, also: (count: number) => TableChange | null = () => null): number {
    const doomed = [...this.#objects.values()].filter((object) => object.key.startsWith(prefix));
    if (doomed.length === 0) return 0;
    const removes = doomed.map(({ key }) => ({ kind: "remove", key }) as const);
    this.#context.store.commit([...removes, ...listed(also(doomed.length))]);
    for (const object of doomed) this.#retire(object);
    return doomed.length;
  }

  /** Forgets every key but these, and records by which document, in one step. */
  keepOnly(isKept: (key: string) => boolean, mark: RingMark): void {
    const doomed = [...this.#objects.values()].filter(({ key }) => !isKept(key));
    const removes = doomed.map(({ key }) => ({ kind: "remove", key }) as const);
    this.#context.store.commit([...removes, { kind: "ring", mark }]);
    for (const object of doomed) this.#retire(object);
    this.leases.keepOnly(isKept);
    this.#context.counters.movedAway += doomed.length;
  }

  /** Keeps the chunks of a version from being dropped while somebody reads. */
  pin(object: ObjectVersion): void {
    object.pins++;
  }

  unpin(object: ObjectVersion): void {
    object.pins--;
    if (object.pins === 0 && !object.isCurrent) this.#dropChunks(object);
  }

  /** Evicts one object; false when none may go. */
  evictOne(): boolean {
    const { eviction, counters } = this.#context;
    const victim = eviction.victim((object) => object.pins === 0);
    if (victim === null) return false;
    counters.evictions++;
    this.forget(victim);
    return true;
  }

  /** The chunk is proven not to be where the table has it. */
  markMissing(object: ObjectVersion, stripe: number, index: number): void {
    const place = placeOf(object, stripe, index);
    if (place === undefined || place.instance === null) return;
    this.#context.spaces[place.node]?.release(chunkIdOf(object, stripe, index), false);
    place.instance = null;
    if (object.isCurrent) this.#losses.lost(object, stripe);
  }

  /** Makes known losses durable: some of them, now and then, and all in the end. */
  recordLosses(objectsMax?: number): void {
    this.#losses.record(this.#context.store, objectsMax);
  }

  /**
   * The store of an instance is gone with all its chunks. Those of which the replica has a copy lie there from now on;
   * objects with too little left are forgotten. Both only when the replica has been heard in this term.
   */
  loseInstance(node: NodeIndex, instance: InstanceId): void {
    const space = this.#context.spaces[node];
    if (space === undefined) return;
    for (const { instance: holder, object, id } of [...space.chunks.values()])
      if (holder === instance && object === null) space.release(id, false); // Of a PUT under way, which finds out when it commits.
    if (space.awaitReplica(instance)) return;
    this.#lose(space, [instance]);
    this.settleLosses(space);
  }

  /** Decides what waited for the word of the node's replica, if that has been heard by now, or is gone itself. */
  settleLosses(space: NodeSpace): void {
    const gone = space.takeGone();
    if (gone.length > 0) this.#lose(space, gone);
  }

  /** Forgets the version when fewer than d chunks of the stripe are stored anywhere. */
  forgetIfLost(object: ObjectVersion, stripe: number): boolean {
    let stored = 0;
    for (let index = 0; index < chunkCount(object.code); index++) {
      if (placeOf(object, stripe, index)?.instance !== null) stored++;
    }
    if (stored >= object.code.dataChunks) return false;
    this.forget(object);
    return true;
  }

  /** Takes away some of what has expired; called now and then. */
  sweepExpired(): void {
    this.#sweep ??= this.#objects.values();
    for (let looked = 0; looked < SWEEP_OBJECTS_MAX; looked++) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = null;
        return;
      }
      if (this.#isExpired(next.value)) this.#expire(next.value);
    }
  }

  /** Up to `limit` unexpired objects after `after`, in the order of their keys' UTF-8 bytes, and whether more follow. */
  list(
    prefix: string,
    after: string,
    limit: number,
  ): { readonly objects: readonly ObjectVersion[]; readonly isLast: boolean } {
    const matching: ObjectVersion[] = [];
    for (const object of this.#objects.values()) {
      if (
        object.key.startsWith(prefix) &&
        (after === "" || compareUtf8(object.key, after) > 0) &&
        !this.#isExpired(object)
      )
        matching.push(object);
    }
    matching.sort((a, b) => compareUtf8(a.key, b.key));
    return { objects: matching.slice(0, limit), isLast: matching.length <= limit };
  }

  #lose(space: NodeSpace, gone: readonly InstanceId[]): void {
    const moved = new Set<ObjectVersion>();
    for (const record of [...space.chunks.values()]) {
      const { object, id } = record;
      if (object === null || record.instance === null || !gone.includes(record.instance)) continue;
      const replica = space.promote(record);
      if (replica === null) {
        this.markMissing(object, id.stripe, id.index);
        this.forgetIfLost(object, id.stripe);
        continue;
      }
      setPlace(object, id.stripe, id.index, { node: space.node, instance: replica });
      moved.add(object);
    }
    for (const instance of gone) space.forget(instance);
    if (moved.size > 0) {
      space.setReplica(null); // It is what the table counts on now; the next backup finds another.
      this.#context.counters.failovers++;
    }
    this.#recordMoves(moved, space);
  }

  /** The replica is the primary now: durable, for a restart looks for the instances that are written down. */
  #recordMoves(moved: ReadonlySet<ObjectVersion>, space: NodeSpace): void {
    const current = [...moved].filter(({ isCurrent }) => isCurrent);
    const puts = current.map((object) => ({ kind: "put", object: toStored(object) }) as const);
    const changes = [...puts, ...this.#replicaChange(space)];
    if (changes.length > 0) this.#context.store.commit(changes);
  }

  /** What of the node's replica is to be recorded; nothing when that is so already. */
  #replicaChange({ node, replicaMark }: NodeSpace): readonly TableChange[] {
    const before = this.#replicas.get(node);
    if (before?.instance === replicaMark?.instance && before?.below === replicaMark?.below)
      return [];
    if (replicaMark === null) this.#replicas.delete(node);
    else this.#replicas.set(node, replicaMark);
    const { instance = "", below = 0 } = replicaMark ?? {};
    return [{ kind: "replica", replica: { node, instance, below } }];
  }

  #end(object: ObjectVersion, also: TableChange | null): void {
    this.#context.store.commit([{ kind: "remove", key: object.key }, ...listed(also)]);
    this.#retire(object);
  }

  #insert(object: ObjectVersion): void {
    this.#objects.set(object.key, object);
    this.#bytes += object.layout.bytes;
    this.#context.eviction.insert(object);
  }

  /** No longer current; its chunks go as soon as nobody reads them. */
  #retire(object: ObjectVersion): void {
    object.isCurrent = false;
    this.#objects.delete(object.key);
    this.#bytes -= object.layout.bytes;
    this.#context.eviction.remove(object);
    this.#context.hot.drop(object);
    this.#losses.forget(object);
    if (object.pins === 0) this.#dropChunks(object);
  }

  #dropChunks(object: ObjectVersion): void {
    this.#eachChunk(object, (space, stripe, index) =>
      space.release(chunkIdOf(object, stripe, index), true),
    );
  }

  #expire(object: ObjectVersion): void {
    this.#context.counters.expirations++;
    this.forget(object);
  }

  #isExpired(object: ObjectVersion): boolean {
    return object.expiresAtMs !== 0 && object.expiresAtMs <= this.#context.wallClock.now();
  }

  #eachChunk(
    object: ObjectVersion,
    act: (space: NodeSpace, stripe: number, index: number, instance: InstanceId | null) => void,
  ): void {
    const count = chunkCount(object.code);
    object.places.forEach((place, at) => {
      const space = this.#context.spaces[place.node];
      if (space !== undefined) act(space, Math.floor(at / count), at % count, place.instance);
    });
  }
}

const listed = (change: TableChange | null): readonly TableChange[] =>
  change === null ? [] : [change];
