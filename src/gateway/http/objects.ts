// PUT, GET, HEAD and DELETE of objects. A loss, however it came about, is a 404; 200 and 206 are sent only once the
// first stripe is held. If-Match on a change is checked before it, not together with it.

import type { ObjectInfo, PutOptions } from "../../client/api.ts";
import { REPLICATED_BYTES_MAX } from "../../core/code.ts";
import type { CacheError } from "../../core/errors.ts";
import { STRIPE_BYTES_MAX, STRIPES_PER_OBJECT_MAX } from "../../core/limits.ts";
import type { WallClock } from "../../core/ports.ts";
import {
  collect,
  describe,
  dispose,
  type OpenRead,
  openRead,
  type ReadContext,
  STREAM_MS_MAX,
} from "../read.ts";
import { allowsRange, checkConditions, entityTag, type Part, parseRange } from "./conditions.ts";
import { type CreateHasher, checkedBody, declaredDigests } from "./digest.ts";
import {
  emptyReply,
  type Headers,
  type HttpReply,
  type HttpRequest,
  jsonReply,
  RequestFault,
  textReply,
} from "./message.ts";
import { metadataOf, objectHeaders, timeToLive } from "./metadata.ts";

/** Bodies up to this are handled whole: one function holds such an object. */
const WHOLE_BYTES_MAX = REPLICATED_BYTES_MAX;
const OBJECT_BYTES_MAX = STRIPE_BYTES_MAX * STRIPES_PER_OBJECT_MAX;
/** How often a conditional read begins anew because the object was replaced meanwhile. */
const REPLACED_ATTEMPTS_MAX = 4;

/** What the handlers need besides the request. */
export interface ObjectContext extends ReadContext {
  readonly wallClock: WallClock;
  readonly createHasher: CreateHasher;
}

/** The methods an object has. */
export const OBJECT_METHODS = ["GET", "HEAD", "PUT", "DELETE"];

/** Answers a request for the object `key`. */
export async function answerObject(
  context: ObjectContext,
  request: HttpRequest,
  key: string,
): Promise<HttpReply> {
  switch (request.method) {
    case "GET":
      return await getObject(context, request, key);
    case "HEAD":
      return await headObject(context, request, key);
    case "PUT":
      return await putObject(context, request, key);
    case "DELETE":
      return await deleteObject(context, request, key);
    default:
      return textReply(405, "an object has GET, HEAD, PUT and DELETE", {
        allow: OBJECT_METHODS.join(", "),
      });
  }
}

async function putObject(
  context: ObjectContext,
  request: HttpRequest,
  key: string,
): Promise<HttpReply> {
  const { headers } = request;
  if (headers["content-range"] !== undefined) {
    throw new RequestFault(400, "parts of an object cannot be stored");
  }
  if ((request.bodyBytes ?? 0) > OBJECT_BYTES_MAX) {
    throw new RequestFault(413, `an object may have ${OBJECT_BYTES_MAX} bytes`);
  }
  const metadata = metadataOf(headers);
  const ttlMs = timeToLive(headers);
  const digests = declaredDigests(headers, context.createHasher);
  const ifAbsent = headers["if-none-match"]?.trim() === "*";
  const needsTag = headers["if-match"] !== undefined || headers["if-none-match"] !== undefined;
  if (needsTag && (await fails(context, request, key))) return preconditionFailed();
  const options: PutOptions = {
    signal: context.gone.signal,
    deadlineMs: STREAM_MS_MAX,
    metadata,
    ...(ttlMs === null ? {} : { ttlMs }),
    ...(ifAbsent ? { ifAbsent } : {}),
  };
  const isSmall = request.bodyBytes !== null && request.bodyBytes <= WHOLE_BYTES_MAX;
  // The cache may wrap what the body throws: what was wrong with the request is kept here.
  const fault: { of: unknown } = { of: null };
  const body = noting(fault, checkedBody(request, digests));
  try {
    const whole = isSmall ? await join(body, request.bodyBytes ?? 0) : body;
    const result = await context.cache.put(key, whole, options);
    if (result.kind === "exists") return preconditionFailed();
    if (result.version === 0) return jsonReply(ifAbsent ? 201 : 200, { bytes: result.bytes });
    const etag = entityTag(result);
    return jsonReply(ifAbsent ? 201 : 200, { etag, bytes: result.bytes }, { etag });
  } catch (error) {
    if (fault.of instanceof RequestFault) throw fault.of;
    throw error;
  }
}

async function deleteObject(
  context: ObjectContext,
  request: HttpRequest,
  key: string,
): Promise<HttpReply> {
  const { headers } = request;
  const { signal } = request.gone;
  const needsTag = headers["if-match"] !== undefined || headers["if-none-match"] !== undefined;
  if (needsTag && (await fails(context, request, key))) return preconditionFailed();
  const wasThere = await context.cache.delete(key, { signal });
  return wasThere ? emptyReply(204, {}) : notFound("absent");
}

async function fails(context: ObjectContext, request: HttpRequest, key: string): Promise<boolean> {
  const found = await describe(context, key);
  const tag = found.kind === "hit" ? entityTag(found.object) : null;
  return checkConditions(request.method, request.headers, tag) !== "go";
}

async function headObject(
  context: ObjectContext,
  request: HttpRequest,
  key: string,
): Promise<HttpReply> {
  const found = await describe(context, key);
  if (found.kind === "miss") return withoutTag(request, found.reason);
  const { object } = found;
  const headers = objectHeaders(object, context.wallClock.now());
  const early = conditional(request, object, headers);
  return early ?? emptyReply(200, { ...headers, "content-length": `${object.bytes}` });
}

async function getObject(
  context: ObjectContext,
  request: HttpRequest,
  key: string,
): Promise<HttpReply> {
  const { headers } = request;
  const isPlain = ["range", "if-match", "if-none-match"].every(
    (name) => headers[name] === undefined,
  );
  if (isPlain) {
    const read = await openRead(context, key);
    return read.kind === "miss" ? notFound(read.reason) : await bodyReply(context, read, false);
  }
  for (let attempt = 0; attempt < REPLACED_ATTEMPTS_MAX; attempt += 1) {
    const found = await describe(context, key);
    if (found.kind === "miss") return withoutTag(request, found.reason);
    const { object } = found;
    const early = conditional(request, object, objectHeaders(object, context.wallClock.now()));
    if (early !== null) return early;
    const part = allowsRange(headers, object)
      ? parseRange(headers["range"], object.bytes)
      : "whole";
    if (part === "outside") {
      return textReply(416, "the object ends before that", {
        "content-range": `bytes */${object.bytes}`,
      });
    }
    const read = await openRead(context, key, part === "whole" ? undefined : rangeOf(part));
    if (read.kind === "miss") return notFound(read.reason);
    if (read.object.version === object.version)
      return await bodyReply(context, read, part !== "whole");
    await dispose(read.body);
  }
  return notFound("unreachable");
}

function rangeOf(part: Part): { start: number; end: number } {
  return { start: part.start, end: part.end };
}

/** 304 or 412, or null when the request goes on. */
function conditional(request: HttpRequest, object: ObjectInfo, headers: Headers): HttpReply | null {
  const outcome = checkConditions(request.method, request.headers, entityTag(object));
  if (outcome === "go") return null;
  if (outcome === "failed") return preconditionFailed();
  const { "content-type": _type, ...rest } = headers;
  return emptyReply(304, rest);
}

/** There is no object: If-Match cannot hold then. */
function withoutTag(request: HttpRequest, reason: string): HttpReply {
  const isFailed = checkConditions(request.method, request.headers, null) === "failed";
  return isFailed ? preconditionFailed() : notFound(reason);
}

async function bodyReply(
  context: ObjectContext,
  read: OpenRead,
  isPart: boolean,
): Promise<HttpReply> {
  const { object, start, end } = read;
  const bytes = end - start;
  const body = bytes <= WHOLE_BYTES_MAX ? await collect(read) : read.body;
  if (body === null) return notFound("lost");
  const headers: Record<string, string | undefined> = {
    ...objectHeaders(object, context.wallClock.now()),
    "content-length": `${bytes}`,
  };
  if (isPart) headers["content-range"] = `bytes ${start}-${end - 1}/${object.bytes}`;
  return { status: isPart ? 206 : 200, headers, body };
}

function notFound(reason: string): HttpReply {
  return textReply(404, `no object (${reason})`, { "x-miss-reason": reason });
}

function preconditionFailed(): HttpReply {
  return textReply(412, "a condition of the request does not hold");
}

async function* noting(
  fault: { of: unknown },
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* body;
  } catch (error) {
    fault.of = error;
    throw error;
  }
}

async function join(body: AsyncIterable<Uint8Array>, bytes: number): Promise<Uint8Array> {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for await (const part of body) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The reply to a failure of the cache. For reads whatever time might mend is a miss. */
export function failureReply(method: string, error: CacheError): HttpReply {
  const text = `${error.code}: ${error.message}`;
  const isRead = method === "GET" || method === "HEAD";
  switch (error.code) {
    case "ICACHE_INVALID":
    case "ICACHE_PROTOCOL":
      return textReply(400, text);
    case "ICACHE_AUTH":
      return textReply(401, text, { "www-authenticate": "Bearer" });
    case "ICACHE_DENIED":
      return textReply(403, text);
    case "ICACHE_EXISTS":
      return textReply(412, text);
    case "ICACHE_TOO_LARGE":
      return textReply(413, text);
    case "ICACHE_POOL_FULL":
      return textReply(507, text);
    case "ICACHE_DEADLINE":
    case "ICACHE_UNREACHABLE":
      return isRead ? notFound("unreachable") : textReply(503, text, { "retry-after": "1" });
    case "ICACHE_OVERLOADED":
    case "ICACHE_ABORTED":
    case "ICACHE_CLOSED":
    case "ICACHE_SUPERSEDED":
    case "ICACHE_OUTCOME_UNKNOWN":
      return textReply(503, text, { "retry-after": "1" });
    case "ICACHE_SLOW_READER":
      return textReply(408, text);
    case "ICACHE_ORIGIN":
      return textReply(502, text);
    case "ICACHE_INTERNAL":
      return isRead ? notFound("lost") : textReply(500, text);
  }
}
