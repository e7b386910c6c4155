// What stands behind the cache: interfaces only. An origin keeps whole objects by key; adapters for a folder and for S3
// are in src/host and src/platform, and a function that loads is the least an origin can be.

/** An object of the origin, opened for reading. */
export interface OriginObject {
  /** Null: not known before the end. A body of another length is a failure of the origin. */
  readonly bytes: number | null;
  readonly metadata: Readonly<Record<string, string>>;
  /** Milliseconds since 1970; null: never. An expired object counts as absent. */
  readonly expiresAtMs: number | null;
  /** To be read once, or left by its iterator's `return`. It throws when it cannot be whole. Parts are borrowed until the next. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** What is written with an object. */
export interface OriginPut {
  /** Null: not known before the end. */
  readonly bytes: number | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly expiresAtMs: number | null;
  /** Create only. */
  readonly ifAbsent: boolean;
  readonly signal: AbortSignal;
}

/** The least an origin can do: it is read. */
export interface OriginReader {
  /** Null: there is no such object. Rejects when that is not known. */
  get(key: string, signal: AbortSignal): Promise<OriginObject | null>;
  /** Ends what is under way. */
  close(): Promise<void>;
}

/** An origin that is written, too. Errors it foresees are CacheErrors, `ICACHE_ORIGIN` above all. */
export interface OriginStore extends OriginReader {
  /** What is known of the object without its bytes. */
  head(key: string, signal: AbortSignal): Promise<{ readonly expiresAtMs: number | null } | null>;
  /** Resolves when the object is durable; a body that throws leaves what was there before. */
  put(key: string, body: AsyncIterable<Uint8Array>, put: OriginPut): Promise<"stored" | "exists">;
  /** Resolves when it is durably gone; whether there was one. */
  remove(key: string, signal: AbortSignal): Promise<boolean>;
}

/** What a loader may give: a body, a body with what belongs to it, or null when there is no such object. */
export type Loaded =
  | Uint8Array
  | AsyncIterable<Uint8Array>
  | {
      readonly body: Uint8Array | AsyncIterable<Uint8Array>;
      /** Of a stream, where it is known. */
      readonly length?: number;
      readonly metadata?: Readonly<Record<string, string>>;
      readonly ttlMs?: number;
    }
  | null;

/** A function that loads; what it throws reaches everybody who waits. */
export type Loader = (key: string, signal: AbortSignal) => Promise<Loaded>;
