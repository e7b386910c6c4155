// The local Lambda service: a stand-in for AWS Lambda that any AWS SDK can use, with one process per
// instance. This file puts the parts together and routes requests; it runs on the main thread, since
// the parent-death signal of its processes is bound to the thread that starts them.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LambdaAdmin } from "./admin.ts";
import { ADMIN_OPERATIONS, ADMIN_PREFIX, isLocalRequest } from "./admin-api.ts";
import { type FunctionReference, parseFunctionReference } from "./arn.ts";
import { Background } from "./background.ts";
import { bootstrapFile } from "./bootstrap-file.ts";
import { CodeStore } from "./code-store.ts";
import { createCounters } from "./counters.ts";
import { Dispatcher, newRequestId } from "./dispatcher.ts";
import {
  accessDenied,
  invalidParameter,
  invalidRequestContent,
  ServiceError,
  serviceFailure,
  unknownOperation,
} from "./errors.ts";
import { EventQueue } from "./event-queue.ts";
import { FunctionRegistry } from "./functions.ts";
import { BodyTooLargeError, listen, parseJsonObject, readBody, sendJson } from "./http.ts";
import { type InvokeApiParts, serveInvoke } from "./invoke-api.ts";
import { type ManagementParts, OPERATIONS } from "./management-api.ts";
import { type LambdaServiceOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { InstancePool } from "./pool.ts";
import { RuntimeApi } from "./runtime-api.ts";
import { seededRandom } from "./seeded-random.ts";
import { findSignatureProblem } from "./sigv4.ts";
import { Watchdog } from "./watchdog.ts";

/** A running service. */
export interface LambdaService {
  /** The endpoint for an SDK: `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  readonly admin: LambdaAdmin;
  /** Kills all instances, closes all sockets, removes temporary files. Idempotent. */
  close(): Promise<void>;
}

/** A base64 package of the largest size, and the rest of the request. */
const MANAGEMENT_BYTES_MAX = 72 * 1024 * 1024;
const ADMIN_BYTES_MAX = 64 * 1024;
/** Longer than SDK clients keep a socket, so that it is never the service who closes it under a request. */
const KEEP_ALIVE_MS = 15 * 60_000;
const HEADERS_MS = 10_000;
const CONNECTIONS_MAX = 8192;

interface Parts {
  readonly options: ResolvedOptions;
  readonly invoke: InvokeApiParts;
  readonly management: ManagementParts;
  readonly admin: LambdaAdmin;
}

/** Starts the service and resolves when it accepts requests. */
export async function startLambdaService(
  options: LambdaServiceOptions = {},
): Promise<LambdaService> {
  const resolved = resolveOptions(options);
  const directory = mkdtempSync(join(tmpdir(), "infinicache-lambda-"));
  const watchdog = new Watchdog(directory);
  const random = seededRandom(resolved.seed);
  const counters = createCounters();
  const registry = new FunctionRegistry(resolved);
  const code = new CodeStore(join(directory, "code"));
  const bootstrap = bootstrapFile(directory);
  let runtimeAddress = "";
  const pool = new InstancePool({
    options: resolved,
    bootstrap,
    compiled: join(directory, "compiled"),
    runtimeAddress: () => runtimeAddress,
    watchdog,
    background: new Background(),
    random,
    counters,
  });
  const runtimeApi = new RuntimeApi((token) => pool.findByToken(token));
  const dispatcher = new Dispatcher({ ...resolved, registry, pool, counters });
  const events = new EventQueue(dispatcher, registry, {
    retryMs: resolved.eventRetryMs,
    countMax: resolved.eventQueueMax,
  });
  const admin = new LambdaAdmin(pool, dispatcher, counters, random);
  const { accountConcurrency } = resolved;
  const server = createApiServer({
    options: resolved,
    invoke: { registry, dispatcher, events },
    management: { registry, code, pool, accountConcurrency },
    admin,
  });
  const close = async (): Promise<void> => {
    events.close();
    server.close();
    server.closeAllConnections();
    await pool.close();
    runtimeApi.close();
    await watchdog.close();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    runtimeAddress = await runtimeApi.listen();
    const port = await listen(server, resolved.port, resolved.host);
    let closing: Promise<void> | null = null;
    const host = resolved.host.includes(":") ? `[${resolved.host}]` : resolved.host;
    return { url: `http://${host}:${port}`, port, admin, close: () => (closing ??= close()) };
  } catch (error) {
    await close();
    throw error;
  }
}

function createApiServer(parts: Parts): Server {
  const server = createServer((request, response) => {
    const requestId = newRequestId();
    response.setHeader("x-amzn-RequestId", requestId);
    route(parts, requestId, request, response).catch((error: unknown) => {
      sendError(response, error);
    });
  });
  server.requestTimeout = 0; // An Invoke may take as long as its function.
  server.headersTimeout = HEADERS_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

async function route(
  parts: Parts,
  requestId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://local");
  const method = request.method ?? "GET";
  if (url.pathname.startsWith(ADMIN_PREFIX)) return routeAdmin(parts, url, request, response);
  if (parts.options.requireSigV4) {
    const date = request.headers["x-amz-date"];
    const amzDate = typeof date === "string" ? date : undefined;
    const problem = findSignatureProblem(request.headers.authorization, amzDate);
    if (problem !== null) throw problem;
  }
  const { key, reference } = parsePath(method, url.pathname);
  if (key === "POST /2015-03-31/functions/{name}/invocations" && reference !== null) {
    const qualifier = reference.qualifier ?? url.searchParams.get("Qualifier");
    return serveInvoke(parts.invoke, { ...reference, qualifier }, requestId, request, response);
  }
  const operation = OPERATIONS[key];
  if (operation === undefined) throw unknownOperation(method, url.pathname);
  const body = parseJsonObject(await readBody(request, MANAGEMENT_BYTES_MAX));
  if (body === null) throw invalidRequestContent("Could not parse request body into json.");
  const answer = operation(parts.management, { reference, query: url.searchParams, body });
  if (answer.body === null) response.writeHead(answer.status).end();
  else sendJson(response, answer.status, answer.body);
}

async function routeAdmin(
  parts: Parts,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!isLocalRequest(request)) {
    throw accessDenied("AccessDeniedException", "The admin API answers this machine only.");
  }
  const method = request.method ?? "GET";
  const operation = ADMIN_OPERATIONS[`${method} ${url.pathname.slice(ADMIN_PREFIX.length)}`];
  if (operation === undefined) throw unknownOperation(method, url.pathname);
  const fields = parseJsonObject(await readBody(request, ADMIN_BYTES_MAX));
  if (fields === null) throw invalidRequestContent("The body must be a JSON object.");
  sendJson(response, 200, operation(parts.admin, fields, url.searchParams));
}

/** Replaces the function reference of a path by `{name}`; ARNs come percent-encoded or not. */
function parsePath(
  method: string,
  pathname: string,
): { readonly key: string; readonly reference: FunctionReference | null } {
  const path = pathname.replace(/\/$/, "");
  const match = /^(\/[\d-]+\/functions)\/([^/]+)(\/[a-z]+)?$/.exec(path);
  if (match === null) return { key: `${method} ${path}`, reference: null };
  const [, root = "", encoded = "", rest = ""] = match;
  let reference: FunctionReference | null = null;
  try {
    reference = parseFunctionReference(decodeURIComponent(encoded));
  } catch {
    // Malformed percent-encoding; told below.
  }
  if (reference === null) throw invalidParameter(`Not a function name or ARN: ${encoded}`);
  return { key: `${method} ${root}/{name}${rest}`, reference };
}

function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const known = asServiceError(error);
  sendJson(response, known.status, known.body, {
    "X-Amzn-ErrorType": known.type,
    ...known.headers,
  });
}

function asServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof BodyTooLargeError) {
    return new ServiceError(413, "RequestTooLargeException", {
      Type: "User",
      message: error.message,
    });
  }
  return serviceFailure(error instanceof Error ? error.message : String(error));
}
