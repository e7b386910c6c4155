// Entity tags, conditional requests and byte ranges (RFC 9110, sections 13 and 14). Pure.

import type { ObjectInfo } from "../../client/api.ts";
import type { Headers } from "./message.ts";

/** The strong entity tag of an object's version. */
export function entityTag(object: Pick<ObjectInfo, "version" | "bytes">): string {
  return `"${object.version.toString(36)}-${object.bytes.toString(36)}"`;
}

/** True when the list (`*`, or tags with commas between) names the object; null: there is none. */
export function namesTag(list: string, tag: string | null, comparison: "strong" | "weak"): boolean {
  if (tag === null) return false;
  if (list.trim() === "*") return true;
  for (const match of list.matchAll(/(W\/)?("[^"]*")/g)) {
    const isWeak = match[1] !== undefined;
    if (match[2] === tag && (comparison === "weak" || !isWeak)) return true;
  }
  return false;
}

/** What the conditions of a request make of an object's tag (null: there is no object). */
export function checkConditions(
  method: string,
  headers: Headers,
  tag: string | null,
): "go" | "notModified" | "failed" {
  const ifMatch = headers["if-match"];
  if (ifMatch !== undefined && !namesTag(ifMatch, tag, "strong")) return "failed";
  const ifNoneMatch = headers["if-none-match"];
  if (ifNoneMatch === undefined || !namesTag(ifNoneMatch, tag, "weak")) return "go";
  return method === "GET" || method === "HEAD" ? "notModified" : "failed";
}

/** Bytes [start, end) of an object. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/**
 * The one range that a header asks for: `whole` when it is absent, of another unit, malformed or several (a server
 * may always answer those with the whole), `outside` when nothing of it exists.
 */
export function parseRange(header: string | undefined, bytes: number): Part | "whole" | "outside" {
  const match = /^bytes\s*=\s*(\d{0,16})\s*-\s*(\d{0,16})\s*$/i.exec(header ?? "");
  if (match === null) return "whole";
  const [, first = "", last = ""] = match;
  if (first === "") {
    if (last === "") return "whole";
    const count = Math.min(Number(last), bytes);
    return count === 0 ? "outside" : { start: bytes - count, end: bytes };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return "whole";
  if (start >= bytes) return "outside";
  return { start, end: last === "" ? bytes : Math.min(Number(last) + 1, bytes) };
}

/** True when `If-Range` is absent or still describes the object, so that the range may be answered. */
export function allowsRange(headers: Headers, object: ObjectInfo): boolean {
  const ifRange = headers["if-range"];
  if (ifRange === undefined) return true;
  if (/^(?:W\/)?"/.test(ifRange)) return namesTag(ifRange, entityTag(object), "strong");
  return ifRange === object.createdAt.toUTCString();
}
