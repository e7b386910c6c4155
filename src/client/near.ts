// The near cache: objects kept in this process's memory, so that their bytes need not travel again. What is kept is
// handed out only when the proxy has just said that it is the current version, or where the application has promised
// that the key's bytes never change. Pure: it sends nothing; reads.ts asks.

import { assert } from "../core/assert.ts";
import { ClockEviction } from "../core/eviction.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { ByteRange, NearOptions, NearStatus } from "./api.ts";
import type { FoundObject, GetOutcome, KnownVersion } from "./get-contract.ts";

/** Counted for each object beside its bytes: its description, and its places in maps. */
const OBJECT_BYTES = 1_024;
/** An object larger than this part of the whole is not kept: it would push out all others. */
const OBJECT_SHARE_DEFAULT = 4;

/** An object as it is kept. Nobody writes to its bytes, and nobody is handed them. */
export interface NearObject {
  readonly key: string;
  readonly known: KnownVersion;
  readonly found: MessageOf<"found">;
  readonly bytes: Uint8Array;
  /** What it counts for. */
  readonly costBytes: number;
}

/** See the header. */
export class Near {
  readonly #objectBytesMax: number;
  readonly #bytesMax: number;
  readonly #writeOnce: readonly string[];
  readonly #objects = new Map<string, NearObject>();
  readonly #eviction = new ClockEviction<NearObject>();
  /** Reads under way, by key: a change of ours makes what they bring unfit to be kept. */
  readonly #reads = new Map<string, Set<NearRead>>();
  readonly #counts = { hits: 0, hitsUnasked: 0, misses: 0, superseded: 0, evictions: 0 };
  #bytes = 0;

  /** Options are checked already. */
  constructor(options: NearOptions) {
    const { bytes, objectBytes, writeOnce = [] } = options;
    this.#bytesMax = bytes;
    this.#objectBytesMax = objectBytes ?? Math.floor(bytes / OBJECT_SHARE_DEFAULT);
    this.#writeOnce = [...writeOnce];
  }

  /** Counts since the beginning, and what is kept now. */
  get status(): NearStatus {
    const { size } = this.#objects;
    return { ...this.#counts, objects: size, bytes: this.#bytes, bytesMax: this.#bytesMax };
  }

  /** A read begins, which is not answered by `unasked`; its `end` must be called once. */
  begin(key: string): NearRead {
    const read = new NearRead(this, key, this.#objects.get(key) ?? null);
    const reads = this.#reads.get(key);
    if (reads === undefined) this.#reads.set(key, new Set([read]));
    else reads.add(read);
    return read;
  }

  /** What may be handed out without a word to the proxy: of a key that is written once, and never expires. */
  unasked(key: string): NearObject | null {
    const kept = this.#objects.get(key);
    if (kept === undefined || kept.found.expiresAtMs !== 0) return null;
    if (!this.#writeOnce.some((prefix) => key.startsWith(prefix))) return null;
    this.#counts.hitsUnasked += 1;
    this.#eviction.touch(kept);
    return kept;
  }

  /** This client changes the key, or has: nothing read before counts any more. */
  drop(key: string): void {
    this.#forget(this.#objects.get(key));
    for (const read of this.#reads.get(key) ?? []) read.isVoid = true;
  }

  /** The same, for all keys with the prefix. */
  dropPrefix(prefix: string): void {
    for (const [key, kept] of this.#objects) if (key.startsWith(prefix)) this.#forget(kept);
    for (const [key, reads] of this.#reads)
      if (key.startsWith(prefix)) for (const read of reads) read.isVoid = true;
  }

  /** Whether it is the whole of an object, and small enough. */
  readonly mayKeep = ({ message, start, end }: FoundObject): boolean =>
    start === 0 && end === message.bytes && message.bytes <= this.#objectBytesMax;

  /** For `NearRead.end`. */
  settle(read: NearRead, outcome: GetOutcome | null, came: Uint8Array): boolean {
    const { key, kept } = read;
    const reads = this.#reads.get(key);
    reads?.delete(read);
    if (reads?.size === 0) this.#reads.delete(key);
    if (outcome === null) return false;
    if (outcome.kind === "unchanged") {
      this.#counts.hits += 1;
      if (kept !== null && this.#objects.get(key) === kept) this.#eviction.touch(kept);
      return false;
    }
    this.#counts.misses += 1;
    // Out of reach is not gone.
    if (outcome.kind === "miss" && outcome.reason === "unreachable") return false;
    if (kept !== null) {
      this.#counts.superseded += 1;
      if (this.#objects.get(key) === kept) this.#forget(kept);
    }
    if (outcome.kind === "miss" || read.isVoid || !this.mayKeep(outcome.found)) return false;
    return this.#keep(key, outcome.found, came);
  }

  #keep(key: string, { message, address }: FoundObject, bytes: Uint8Array): boolean {
    const { generation, version } = message;
    const now = this.#objects.get(key);
    const isOfSame = now?.known.address === address && now.known.generation === generation;
    // Another read has brought this version, or a newer one.
    if (isOfSame && now.known.version >= version) return false;
    const costBytes = costOf(key, message);
    if (costBytes > this.#bytesMax) return false;
    this.#forget(now);
    while (this.#bytes + costBytes > this.#bytesMax) {
      const victim = this.#eviction.victim(() => true);
      assert(victim !== null, "what takes room can go");
      this.#forget(victim);
      this.#counts.evictions += 1;
    }
    const object = {
      key,
      known: { address, generation, version },
      found: message,
      bytes,
      costBytes,
    };
    this.#objects.set(key, object);
    this.#eviction.insert(object);
    this.#bytes += costBytes;
    return true;
  }

  #forget(object: NearObject | undefined): void {
    if (object === undefined) return;
    this.#objects.delete(object.key);
    this.#eviction.remove(object);
    this.#bytes -= object.costBytes;
  }
}

/** One read under way, as the near cache sees it. */
export class NearRead {
  readonly key: string;
  /** What was kept when it began: the proxy is asked whether that is current. It stays whole until the read has ended. */
  readonly kept: NearObject | null;
  /** The key was changed by this client meanwhile. */
  isVoid = false;
  readonly #near: Near;

  constructor(near: Near, key: string, kept: NearObject | null) {
    this.#near = near;
    this.key = key;
    this.kept = kept;
  }

  /** The read has ended, or failed (null). True: the memory that came is the near cache's from now on. */
  end(outcome: GetOutcome | null, came: Uint8Array): boolean {
    return this.#near.settle(this, outcome, came);
  }
}

function costOf(key: string, { bytes, metadata }: MessageOf<"found">): number {
  let cost = OBJECT_BYTES + bytes + 2 * key.length;
  for (const { name, value } of metadata) cost += 2 * (name.length + value.length);
  return cost;
}

/** The bytes of a range of what is kept, not to be written to, and where they begin. */
export function partOf(
  { bytes }: NearObject,
  range: ByteRange | undefined,
): { readonly start: number; readonly part: Uint8Array } {
  const start = Math.min(range?.start ?? 0, bytes.length);
  return { start, part: bytes.subarray(start, Math.max(start, range?.end ?? bytes.length)) };
}
