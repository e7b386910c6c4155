// The request target: which object it names. One object has one spelling up to percent-encoding of harmless
// characters; what proxies on the way might rewrite (dot segments, encoded slashes, empty segments) is refused.

import { keyFault } from "../../core/ids.ts";
import { RequestFault } from "./message.ts";

const OBJECTS = "/objects/";

/** What a target names. */
export type Target =
  /** Key in the cache: `{namespace}/{key}`. */
  | { readonly kind: "object"; readonly key: string }
  | { readonly kind: "page"; readonly path: string };

/** Reads a target; throws `RequestFault` 400 or 414. */
export function parseTarget(target: string): Target {
  const withoutOrigin = target.replace(/^https?:\/\/[^/?#]*/i, "");
  const path = withoutOrigin.split(/[?#]/, 1)[0] ?? "";
  if (!path.startsWith(OBJECTS)) return { kind: "page", path };
  const segments = path.slice(OBJECTS.length).split("/").map(decodeSegment);
  if (segments.length < 2) {
    throw new RequestFault(400, "an object is named /objects/{namespace}/{key}");
  }
  const key = segments.join("/");
  const fault = keyFault(key);
  if (fault !== null) throw new RequestFault(414, fault);
  return { kind: "object", key };
}

function decodeSegment(segment: string): string {
  if (/%2f/i.test(segment)) throw new RequestFault(400, "an encoded slash is not allowed in a key");
  let text: string;
  try {
    text = decodeURIComponent(segment);
  } catch {
    throw new RequestFault(400, "a key must be percent-encoded UTF-8");
  }
  if (text === "" || text === "." || text === "..") {
    throw new RequestFault(400, "a key must have no empty and no dot segments");
  }
  if (text.includes("\0")) throw new RequestFault(400, "a key must not have a NUL");
  return text;
}
