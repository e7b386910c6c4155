// The Invoke operation over HTTP: reads what AWS SDKs send, answers in the documented shapes.
// It runs nothing itself.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { FunctionReference } from "./arn.ts";
import type { Dispatcher, InvokeRequest } from "./dispatcher.ts";
import {
  invalidParameter,
  invalidRequestContent,
  requestTooLarge,
  resourceNotFound,
} from "./errors.ts";
import type { EventQueue } from "./event-queue.ts";
import type { FunctionRegistry } from "./functions.ts";
import { BodyTooLargeError, readBody } from "./http.ts";

/** Payload limits of AWS. */
export const SYNC_PAYLOAD_BYTES_MAX = 6_291_456;
export const EVENT_PAYLOAD_BYTES_MAX = 1_048_576;
/** Decoded client context. */
const CLIENT_CONTEXT_BYTES_MAX = 3583;

const KINDS = ["RequestResponse", "Event", "DryRun"] as const;
type Kind = (typeof KINDS)[number];

/** What the operation works with. */
export interface InvokeApiParts {
  readonly registry: FunctionRegistry;
  readonly dispatcher: Dispatcher;
  readonly events: EventQueue;
}

/** Serves one Invoke; errors of the API are thrown. */
export async function serveInvoke(
  parts: InvokeApiParts,
  reference: FunctionReference,
  requestId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const kind = parseKind(request.headers["x-amz-invocation-type"]);
  const body = await readPayload(request, kind);
  const { name, qualifier } = reference;
  if (qualifier !== null && qualifier !== "$LATEST") {
    throw resourceNotFound(`${parts.registry.arn(name)}:${qualifier}`);
  }
  const deployed = parts.registry.get(name);
  const payload = checkJson(body);
  const invocation: InvokeRequest = {
    deployed,
    requestId,
    payload,
    traceHeader: headerText(request, "x-amzn-trace-id"),
    clientContext: parseClientContext(headerText(request, "x-amz-client-context")),
  };
  if (kind === "DryRun") {
    response.writeHead(204).end();
    return;
  }
  if (kind === "Event") {
    parts.dispatcher.checkFaults();
    parts.events.offer(invocation);
    response.writeHead(202, { "Content-Length": 0 }).end();
    return;
  }
  const result = await parts.dispatcher.invoke(invocation);
  const wantsLog = request.headers["x-amz-log-type"] === "Tail";
  response.writeHead(200, {
    "Content-Type": "application/json",
    "Content-Length": result.payload.length,
    "X-Amz-Executed-Version": "$LATEST",
    ...(result.functionError === null ? {} : { "X-Amz-Function-Error": result.functionError }),
    ...(wantsLog ? { "X-Amz-Log-Result": result.log.toString("base64") } : {}),
  });
  response.end(result.payload);
}

function parseKind(header: string | string[] | undefined): Kind {
  if (header === undefined) return "RequestResponse";
  const kind = KINDS.find((known) => known === header);
  if (kind === undefined) throw invalidParameter(`Unknown invocation type: ${String(header)}`);
  return kind;
}

async function readPayload(request: IncomingMessage, kind: Kind): Promise<Buffer> {
  const limit = kind === "Event" ? EVENT_PAYLOAD_BYTES_MAX : SYNC_PAYLOAD_BYTES_MAX;
  try {
    return await readBody(request, limit);
  } catch (error) {
    if (error instanceof BodyTooLargeError) throw requestTooLarge(error.bytes, kind, limit);
    throw error;
  }
}

/** The event as the runtime gets it: JSON is required, and nothing at all means an empty object. */
function checkJson(body: Buffer): Buffer {
  if (body.length === 0) return Buffer.from("{}");
  try {
    JSON.parse(body.toString("utf8"));
    return body;
  } catch (error) {
    const reason = error instanceof Error ? error.message : "not JSON";
    throw invalidRequestContent(`Could not parse request body into json: ${reason}`);
  }
}

function parseClientContext(header: string | null): string | null {
  if (header === null) return null;
  const text = Buffer.from(header, "base64").toString("utf8");
  if (Buffer.byteLength(text) > CLIENT_CONTEXT_BYTES_MAX) {
    throw invalidRequestContent("Client context must be no more than 3583 bytes.");
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return JSON.stringify(value);
  } catch {
    // Told below.
  }
  throw invalidRequestContent("Client context must be a valid Base64-encoded JSON object.");
}

function headerText(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return typeof value === "string" ? value : null;
}
