// The library's front door: `connect` wires the client to real sockets, time and chance, and puts an origin behind it
// where one is named. Importing it starts nothing.

import type { Cache } from "../client/api.ts";
import { type DialOptions, dial } from "./dial.ts";
import { type OriginChoice, tierOf } from "./tier.ts";

export type {
  Body,
  ByteRange,
  Cache,
  CallOptions,
  Failed,
  GetOptions,
  GetTimings,
  Hit,
  ManyOptions,
  Miss,
  NearOptions,
  NearStatus,
  NewObject,
  ObjectInfo,
  PutOptions,
  PutResult,
} from "../client/api.ts";
export { type CodeSpec, formatCode, parseCode } from "../core/code.ts";
export { CacheError, ERROR_CODES, type ErrorCode } from "../core/errors.ts";
export type { Member, Membership } from "../core/membership.ts";
export type { Loaded, Loader, OriginReader, OriginStore } from "../origin/store.ts";
export type { ClientSettings, DirectOptions } from "./dial.ts";
export type { EmbeddedProxy } from "./embedded-dialer.ts";
export type { OriginChoice } from "./tier.ts";

/** Where the proxy is, settings that have defaults, and what stands behind the cache (docs/origin.md). */
export type ConnectOptions = DialOptions & { readonly origin?: OriginChoice };

/**
 * A cache over the proxy at `url` (`host:port`), or over one embedded in this process. Dials at the first call;
 * keeps the process alive until `close`.
 *
 * @example
 * const cache = connect({ url: "127.0.0.1:6370" });
 * await cache.put("greeting", new TextEncoder().encode("hello"));
 * const read = await cache.get("greeting");
 * if (read.kind === "hit") console.log(new TextDecoder().decode(read.bytes));
 * await cache.close();
 */
export function connect(options: ConnectOptions): Cache {
  const { origin, ...dialled } = options;
  const cache = dial(dialled);
  return origin === undefined ? cache : tierOf(cache, origin);
}
