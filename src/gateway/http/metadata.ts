// What of a request's headers is kept with an object, when it expires, and which headers tell both again.
// Objects stored through other doors have metadata of their own: only names known here become headers.

import type { ObjectInfo } from "../../client/api.ts";
import { METADATA_BYTES_MAX, METADATA_PAIRS_MAX } from "../../core/limits.ts";
import { entityTag } from "./conditions.ts";
import { type Headers, RequestFault } from "./message.ts";

const KEPT = ["content-type", "content-encoding", "content-language", "content-disposition"];
const META = /^x-meta-[!#$%&'*+.^_`|~0-9a-z-]+$/;
const TTL_SECONDS_MAX = 100 * 366 * 86_400;

/** The metadata to store with an object; throws `RequestFault` 431 above the limits. */
export function metadataOf(headers: Headers): Record<string, string> {
  const kept: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || !(KEPT.includes(name) || META.test(name))) continue;
    kept[name] = value;
    // Header text is latin1: two bytes of UTF-8 a character at most.
    bytes += name.length + new TextEncoder().encode(value).length;
  }
  if (bytes > METADATA_BYTES_MAX || Object.keys(kept).length > METADATA_PAIRS_MAX) {
    throw new RequestFault(431, `x-meta-* headers may have ${METADATA_BYTES_MAX} bytes together`);
  }
  return kept;
}

/** Milliseconds until expiry, by `x-ttl` or else `Cache-Control: max-age`, both in seconds; null: never. */
export function timeToLive(headers: Headers): number | null {
  const ttl = headers["x-ttl"];
  if (ttl !== undefined) {
    if (!/^\d{1,10}$/.test(ttl.trim()) || Number(ttl) < 1 || Number(ttl) > TTL_SECONDS_MAX) {
      throw new RequestFault(400, `x-ttl is a number of seconds from 1 to ${TTL_SECONDS_MAX}`);
    }
    return Number(ttl) * 1_000;
  }
  const maxAge = /(?:^|[\s,])max-age\s*=\s*"?(\d{1,12})/i.exec(headers["cache-control"] ?? "");
  if (maxAge === null) return null;
  // Zero seconds: stored, and stale at once.
  return Math.max(1, Math.min(Number(maxAge[1]), TTL_SECONDS_MAX) * 1_000);
}

/** The headers that describe an object, without its length. */
export function objectHeaders(object: ObjectInfo, nowMs: number): Headers {
  const headers: Record<string, string> = {
    "content-type": "application/octet-stream",
    // Read past the cache it has no version, and nothing may be concluded from its tag.
    ...(object.version === 0 ? {} : { etag: entityTag(object) }),
    "last-modified": object.createdAt.toUTCString(),
    "accept-ranges": "bytes",
    // A stored page must not become a script of the cache's own origin.
    "x-content-type-options": "nosniff",
  };
  if (object.expiresAt !== null) {
    const seconds = Math.max(0, Math.floor((object.expiresAt.getTime() - nowMs) / 1_000));
    headers["cache-control"] = `max-age=${seconds}`;
  }
  for (const [name, value] of Object.entries(object.metadata)) {
    const isOurs = KEPT.includes(name) || META.test(name);
    if (isOurs && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) headers[name] = value;
  }
  return headers;
}
