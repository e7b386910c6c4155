// A cache in a map, with the interface and the rules of the real one: what the doors are tested against. It can lose
// objects midway, be slow, and fail; it keeps count of what is open.

import type {
  Body,
  Cache,
  GetOptions,
  ManyOptions,
  Miss,
  NewObject,
  ObjectInfo,
  PutOptions,
  PutResult,
} from "../../../src/client/api.ts";
import { ManyLane } from "../../../src/client/many.ts";
import { CacheError } from "../../../src/core/errors.ts";
import { keyFault } from "../../../src/core/ids.ts";
import { SystemClock } from "../../../src/host/system-clock.ts";

interface Stored {
  readonly info: ObjectInfo;
  readonly bytes: Uint8Array;
}

const MISS: Miss = { kind: "miss", reason: "absent" };
const GET_TIMINGS = { foundMs: 0, receiveMs: 0, decodeMs: 0, totalMs: 0, reconstructed: 0 };

/** The map and its knobs. */
export class FakeCache implements Cache {
  readonly objects = new Map<string, Stored>();
  /** Bytes of a part of a stream. */
  partBytes = 1_048_576;
  /** Streams end with a loss after so many bytes. */
  loseAfterBytes = Number.POSITIVE_INFINITY;
  /** Thrown by the next call that is not a status. */
  failure: CacheError | null = null;
  /** Called when a stream is opened; what it returns is waited for. */
  onOpen: (key: string) => Promise<void> = async () => {};
  /** Called before a put is settled. */
  onPut: (key: string) => Promise<void> = async () => {};
  openStreams = 0;
  openStreamsMax = 0;
  /** The largest part a put was given. */
  putPartBytesMax = 0;
  puts: { readonly key: string; readonly isStream: boolean; readonly options: PutOptions }[] = [];
  now: () => number = () => Date.now();
  #version = 0;
  readonly #many = new ManyLane(new SystemClock(), undefined);

  async put(key: string, body: Body, options: PutOptions = {}): Promise<PutResult> {
    this.#check(key);
    this.puts.push({ key, isStream: !(body instanceof Uint8Array), options });
    const existing = this.#find(key);
    if (options.ifAbsent === true && existing !== null) {
      return { kind: "exists", version: existing.info.version };
    }
    const parts: Uint8Array[] = [];
    if (body instanceof Uint8Array) parts.push(body.slice());
    else {
      for await (const part of body) {
        options.signal?.throwIfAborted();
        this.putPartBytesMax = Math.max(this.putPartBytesMax, part.length);
        parts.push(part.slice());
      }
    }
    await this.onPut(key);
    const bytes = new Uint8Array(Buffer.concat(parts));
    this.#version += 1;
    const code = { dataChunks: 10, parityChunks: 2 };
    const info: ObjectInfo = {
      key,
      bytes: bytes.length,
      version: this.#version,
      code,
      stripes: 1,
      createdAt: new Date(this.now()),
      expiresAt: options.ttlMs === undefined ? null : new Date(this.now() + options.ttlMs),
      metadata: options.metadata ?? {},
    };
    this.objects.set(key, { info, bytes });
    return { kind: "stored", version: this.#version, bytes: bytes.length, code };
  }

  async get(key: string, options: GetOptions = {}) {
    const found = this.#find(key);
    if (found === null) return MISS;
    const bytes = found.bytes.slice(options.range?.start, options.range?.end);
    return { kind: "hit" as const, object: found.info, bytes, timings: GET_TIMINGS };
  }

  async getMany(keys: readonly string[], options: GetOptions & ManyOptions = {}) {
    return await this.#many.get(this, keys, options);
  }

  async putMany(objects: readonly NewObject[], options: PutOptions & ManyOptions = {}) {
    return await this.#many.put(this, objects, options);
  }

  async getInto(key: string, into: Uint8Array, options: GetOptions = {}) {
    const found = await this.get(key, options);
    if (found.kind === "miss") return found;
    into.set(found.bytes);
    return {
      kind: "hit" as const,
      object: found.object,
      bytes: found.bytes.length,
      timings: GET_TIMINGS,
    };
  }

  async getStream(key: string, options: GetOptions = {}) {
    this.#check(key);
    await this.onOpen(key);
    options.signal?.throwIfAborted();
    const found = this.#find(key);
    if (found === null) return MISS;
    const start = Math.min(options.range?.start ?? 0, found.bytes.length);
    const end = Math.min(options.range?.end ?? found.bytes.length, found.bytes.length);
    this.openStreams += 1;
    this.openStreamsMax = Math.max(this.openStreamsMax, this.openStreams);
    const body = this.#body(found.bytes, start, end, options.signal);
    return { kind: "hit" as const, object: found.info, start, end, body };
  }

  #body(
    bytes: Uint8Array,
    start: number,
    end: number,
    signal: AbortSignal | undefined,
  ): AsyncIterable<Uint8Array> {
    let at = start;
    let isOpen = true;
    const close = () => {
      if (isOpen) this.openStreams -= 1;
      isOpen = false;
    };
    // One buffer for all parts: who keeps a part longer than allowed is found out.
    const shared = new Uint8Array(Math.min(this.partBytes, end - start));
    const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      shared.fill(0xee);
      if (!isOpen || at >= end) {
        close();
        return { done: true, value: undefined };
      }
      if (signal?.aborted === true) {
        close();
        throw new CacheError("ICACHE_ABORTED", "aborted");
      }
      if (at - start >= this.loseAfterBytes) {
        close();
        throw new CacheError("ICACHE_UNREACHABLE", "lost midway");
      }
      const part = bytes.subarray(at, Math.min(at + this.partBytes, end));
      at += part.length;
      shared.set(part);
      return { done: false, value: shared.subarray(0, part.length) };
    };
    const stop = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      close();
      return { done: true, value: undefined };
    };
    const iterator = { next, return: stop };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  async stat(key: string) {
    this.#check(key);
    const found = this.#find(key);
    return found === null ? MISS : { kind: "hit" as const, object: found.info };
  }

  async has(key: string): Promise<boolean> {
    return this.#find(key) !== null;
  }

  async delete(key: string): Promise<boolean> {
    this.#check(key);
    const wasThere = this.#find(key) !== null;
    this.objects.delete(key);
    return wasThere;
  }

  async clear(prefix: string): Promise<number> {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix));
    for (const key of keys) this.objects.delete(key);
    return keys.length;
  }

  async *list(options: { readonly prefix?: string; readonly after?: string } = {}) {
    const { prefix = "", after } = options;
    const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
    for (const key of [...this.objects.keys()].sort(compare)) {
      if (!key.startsWith(prefix) || (after !== undefined && compare(key, after) <= 0)) continue;
      const found = this.#find(key);
      if (found !== null) yield found.info;
    }
  }

  async getOrSet(): Promise<Uint8Array> {
    throw new CacheError("ICACHE_INVALID", "the doors do not use it");
  }

  near(): null {
    return null;
  }

  async status(): Promise<unknown> {
    return {};
  }

  async ping(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}

  #check(key: string): void {
    const fault = keyFault(key);
    if (fault !== null) throw new CacheError("ICACHE_INVALID", fault);
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw failure;
  }

  #find(key: string): Stored | null {
    const found = this.objects.get(key);
    if (found === undefined) return null;
    const { expiresAt } = found.info;
    return expiresAt !== null && expiresAt.getTime() <= this.now() ? null : found;
  }
}
