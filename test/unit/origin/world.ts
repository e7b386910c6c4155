// What tests of the tier share: the cache in a map with the proxy's own leases, an origin in a map that can fail, wait
// and be cut short, and bodies.

import type {
  Body,
  CallOptions,
  LeaseAnswer,
  LeasingCache,
  LoadEnd,
  PutOptions,
  PutResult,
} from "../../../src/client/api.ts";
import { collect } from "../../../src/client/put-stream.ts";
import { CacheError } from "../../../src/core/errors.ts";
import { SystemClock } from "../../../src/host/system-clock.ts";
import { SystemWallClock } from "../../../src/host/system-wall-clock.ts";
import { partsOf } from "../../../src/origin/bodies.ts";
import type { OriginObject, OriginPut, OriginStore } from "../../../src/origin/store.ts";
import { OriginTier, type TierOptions } from "../../../src/origin/tier.ts";
import { type LeaseHolder, Leases } from "../../../src/proxy/leases.ts";
import { FakeCache } from "../gateway/fake-cache.ts";

/** A cache in a map whose keys can be leased. */
export class LeasingFake extends FakeCache implements LeasingCache {
  readonly leases = new Leases({
    isPresent: (key) => this.objects.has(key),
    drawVersion: () => ++this.#drawn,
  });
  /** Puts fail with this. */
  putFailure: CacheError | null = null;
  /** Called between a PUT's body and its effect. */
  onCommit: () => Promise<void> = async () => {};
  clientId = "client";
  #drawn = 0;

  override async put(key: string, body: Body, options: PutOptions = {}): Promise<PutResult> {
    const bytes = (await collect(body)).slice();
    await this.onCommit();
    if (this.putFailure !== null) throw this.putFailure;
    const { lease = 0 } = options;
    if (lease !== 0 && !this.leases.isHeld(key, this.clientId, lease))
      return { kind: "exists", version: 0 };
    this.leases.changed(key, lease);
    return await super.put(key, bytes, options);
  }

  override async delete(key: string): Promise<boolean> {
    this.leases.changed(key, 0);
    return await super.delete(key);
  }

  async lease(
    key: string,
    purpose: "load" | "change",
    { signal }: CallOptions = {},
  ): Promise<LeaseAnswer> {
    const { clientId, leases } = this;
    return await new Promise((resolve, reject) => {
      const end = async ({ outcome, ...told }: LoadEnd): Promise<boolean> =>
        leases.end(holder, { outcome, code: "", reason: "", ...told });
      const holder: LeaseHolder = {
        key,
        purpose,
        channel: { clientId },
        granted: (lease) => resolve({ kind: "held", lease, end }),
        over: (ended) => {
          const told = ended === "present" ? { outcome: ended, code: "", reason: "" } : ended;
          if (told.outcome !== "released")
            resolve({ kind: "over", ...told, outcome: told.outcome });
        },
        moved: () => reject(new CacheError("ICACHE_UNREACHABLE", "moved")),
      };
      signal?.addEventListener("abort", () => reject(signal.reason));
      leases.ask(holder);
    });
  }
}

/** An origin in a map. */
export class MapOrigin implements OriginStore {
  readonly objects = new Map<
    string,
    { bytes: Uint8Array; metadata: Record<string, string>; expiresAtMs: number | null }
  >();
  gets = 0;
  puts = 0;
  /** Bodies opened and not yet ended or left. */
  openBodies = 0;
  failure: Error | null = null;
  /** Bodies end after so many bytes, as if they were whole. */
  cutAt = Number.POSITIVE_INFINITY;
  /** Bodies throw after so many bytes. */
  throwAt = Number.POSITIVE_INFINITY;
  announcesLength = true;
  /** Called when an object has been looked up, before it is handed out. */
  onGet: () => Promise<void> = async () => {};
  /** Called when a body has come, before it takes effect. */
  onPut: () => Promise<void> = async () => {};
  isClosed = false;

  set(key: string, bytes: Uint8Array, expiresAtMs: number | null = null): void {
    this.objects.set(key, { bytes, metadata: {}, expiresAtMs });
  }

  async get(key: string, _signal: AbortSignal): Promise<OriginObject | null> {
    this.gets += 1;
    const found = this.objects.get(key);
    await this.onGet();
    if (this.failure !== null) throw this.failure;
    if (found === undefined) return null;
    const { bytes, metadata, expiresAtMs } = found;
    this.openBodies += 1;
    return {
      bytes: this.announcesLength ? bytes.length : null,
      metadata,
      expiresAtMs,
      body: this.#body(bytes),
    };
  }

  async head(key: string) {
    return this.objects.get(key) ?? null;
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    put: OriginPut,
  ): Promise<"stored" | "exists"> {
    this.puts += 1;
    if (put.ifAbsent && this.objects.has(key)) return "exists";
    const bytes = (await collect(body)).slice();
    await this.onPut();
    if (this.failure !== null) throw this.failure;
    this.objects.set(key, { bytes, metadata: { ...put.metadata }, expiresAtMs: put.expiresAtMs });
    return "stored";
  }

  async remove(key: string): Promise<boolean> {
    if (this.failure !== null) throw this.failure;
    return this.objects.delete(key);
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  #body(bytes: Uint8Array): AsyncIterable<Uint8Array> {
    let isOpen = true;
    const close = (): void => {
      if (isOpen) this.openBodies -= 1;
      isOpen = false;
    };
    const parts = this.#parts(bytes);
    return {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          try {
            const part = await parts.next();
            if (part.done === true) close();
            return part;
          } catch (error) {
            close();
            throw error;
          }
        },
        return: async () => {
          close();
          return { done: true, value: undefined };
        },
      }),
    };
  }

  async *#parts(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    let at = 0;
    for await (const part of partsOf(bytes)) {
      for (let from = 0; from < part.length; from += 65_536) {
        if (at >= this.throwAt) throw new Error("the origin broke midway");
        if (at >= this.cutAt) return;
        const piece = part.slice(from, from + 65_536);
        at += piece.length;
        yield piece;
      }
    }
  }
}

/** A tier over both. */
export function tierOver(options: Partial<TierOptions> = {}): {
  cache: LeasingFake;
  origin: MapOrigin;
  tier: OriginTier;
} {
  const cache = new LeasingFake();
  const origin = new MapOrigin();
  const base = { cache, clock: new SystemClock(), wallClock: new SystemWallClock() };
  const reader = { kind: "reader", reader: origin } as const;
  const tier = new OriginTier({ ...base, origin: reader, mode: "read-through", ...options });
  return { cache, origin, tier };
}

/** Over the same, written through. */
export function writeThrough(): { cache: LeasingFake; origin: MapOrigin; tier: OriginTier } {
  const cache = new LeasingFake();
  const origin = new MapOrigin();
  const base = { cache, clock: new SystemClock(), wallClock: new SystemWallClock() };
  const tier = new OriginTier({
    ...base,
    origin: { kind: "store", store: origin },
    mode: "write-through",
  });
  return { cache, origin, tier };
}

/** A gate that tests open by hand. */
export function latch(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
