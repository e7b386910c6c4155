// Which handler answers a request of the HTTP door, who may ask, and what a failure looks like. It knows no socket.

import type { Cache } from "../../client/api.ts";
import { AssertionError } from "../../core/assert.ts";
import { CacheError } from "../../core/errors.ts";
import type { Clock, Crypto, WallClock } from "../../core/ports.ts";
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
  readonly crypto: Pick<Crypto, "equal">;
  readonly createHasher: CreateHasher;
  /** Null: everybody may do everything. */
  readonly token: string | null;
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
  authorize(context, request);
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
  authorize(context, request);
  return jsonReply(200, context.status());
}

function authorize(context: HttpContext, request: HttpRequest): void {
  if (context.token === null) return;
  const given = /^Bearer +(\S+)$/i.exec(request.headers["authorization"] ?? "")?.[1] ?? "";
  const encoder = new TextEncoder();
  if (context.crypto.equal(encoder.encode(context.token), encoder.encode(given))) return;
  throw new RequestFault(401, "a bearer token is needed", { "www-authenticate": "Bearer" });
}
