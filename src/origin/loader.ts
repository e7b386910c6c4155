// A function as an origin: what it gives becomes an object, and anything else is an error of its caller.

import { CacheError } from "../core/errors.ts";
import type { WallClock } from "../core/ports.ts";
import { partsOf } from "./bodies.ts";
import type { Loader, OriginObject, OriginReader } from "./store.ts";

/** Reads through `load`. */
export function loaderOrigin(load: Loader, wallClock: WallClock): OriginReader {
  return {
    async get(key, signal): Promise<OriginObject | null> {
      const loaded: unknown = await load(key, signal);
      if (loaded === null) return null;
      const {
        body,
        length,
        metadata = {},
        ttlMs,
      } = isBody(loaded) ? { body: loaded } : shaped(loaded);
      const isBuffer = body instanceof Uint8Array;
      return {
        bytes: isBuffer ? body.length : (length ?? null),
        metadata,
        expiresAtMs: ttlMs === undefined ? null : wallClock.now() + ttlMs,
        body: isBuffer ? partsOf(body) : body,
      };
    },
    async close() {},
  };
}

type Body = Uint8Array | AsyncIterable<Uint8Array>;

function isBody(value: unknown): value is Body {
  const isStream = typeof value === "object" && value !== null && Symbol.asyncIterator in value;
  return value instanceof Uint8Array || isStream;
}

interface Shaped {
  readonly body: Body;
  readonly length?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly ttlMs?: number;
}

function shaped(value: unknown): Shaped {
  if (typeof value === "object" && value !== null && "body" in value && isBody(value.body))
    return value as Shaped; // Its other fields are checked when they are stored.
  throw new CacheError(
    "ICACHE_INVALID",
    "a loader resolves with a Uint8Array, an async iterable of them, { body }, or null",
  );
}
