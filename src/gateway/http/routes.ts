// Which handler answers a request of the HTTP door, who may ask, and what a failure looks like. It knows no socket.

import type { Cache } from "../../client/api.ts";
import { type Access, type Deed, NO_GRANT, refusalOf } from "../../core/access.ts";
import { AssertionError } from "../../core/assert.ts";
import { CacheError } from "../../core/errors.ts";
import type { Clock, WallClock } from "../../core/ports.ts";
import type { ProxyStatus } from "../../core/status.ts";
import type { CreateHasher } from "./digest.ts";
import { type HttpReply, type HttpRequest, jsonReply, RequestFault, textReply } from "./message.ts";
import { answerObject, failureReply } from "./objects.ts";
import { parseTarget } from "./target.ts";

/** What all requests of a server share. */
export interface HttpContext {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly createHasher: CreateHasher;
  /** What tokens stand for; null: everybody may do everything. */
  readonly access: Access | null;
  status(): ProxyStatus;
  /** False while starting and closing. */
  isReady(): boolean;
}

/** Answers a request; a reply for everything but a broken invariant, which goes on to the edge of the process. */
export async function answer(context: HttpContext, request: HttpRequest): Promise<HttpReply> {
  try {
    return await route(context, request);
  } catch (error) {
    if (error instanceof RequestFault) return textReply(error.status, error.message, error.headers);
    if (error instanceof CacheError) return failureReply(request.method, error);
    if (error instanceof AssertionError) {
      queueMicrotask(() => {
        throw error;
      });
    }
    return textReply(500, "ICACHE_INTERNAL: a fault of the server");
  }
}

async function route(context: HttpContext, request: HttpRequest): Promise<HttpReply> {
  const target = parseTarget(request.target);
  if (target.kind === "page") return page(context, request, target.path);
  const isRead = request.method === "GET" || request.method === "HEAD";
  authorize(context, request, isRead ? "read" : "write", target.key);
  return await answerObject({ ...context, gone: request.gone }, request, target.key);
}

function page(context: HttpContext, request: HttpRequest, path: string): HttpReply {
  if (path !== "/healthz" && path !== "/readyz" && path !== "/status") {
    return textReply(404, "there is /objects/{namespace}/{key}, /healthz, /readyz and /status");
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return textReply(405, "this page has GET and HEAD", { allow: "GET, HEAD" });
  }
  if (path === "/healthz") return textReply(200, "ok");
  if (path === "/readyz") {
    return context.isReady() ? textReply(200, "ready") : textReply(503, "not ready");
  }
  authorize(context, request, "inspect", null);
  return jsonReply(200, context.status());
}

/** Before anything is looked up: a refusal is the same whatever is stored. */
function authorize(
  { access, wallClock }: HttpContext,
  request: HttpRequest,
  deed: Deed,
  key: string | null,
): void {
  if (access === null) return;
  const given = /^Bearer +(\S+)$/i.exec(request.headers["authorization"] ?? "")?.[1] ?? "";
  const now = wallClock.now();
  const refusal = refusalOf(access.identify(given, now), deed, key, now);
  if (refusal === null) return;
  const text = `${refusal.code}: ${refusal.reason}`;
  if (refusal !== NO_GRANT) throw new RequestFault(403, text);
  throw new RequestFault(401, text, { "www-authenticate": "Bearer" });
}
