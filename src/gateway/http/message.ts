// Requests and replies as the handlers of this door see them, without sockets, so that they can be tested as values.

import type { Gone } from "../gone.ts";

/** Header fields by lower-case name; repeated ones joined as HTTP says. */
export type Headers = Readonly<Record<string, string | undefined>>;

/** A request whose head has come. */
export interface HttpRequest {
  readonly method: string;
  /** The request target as it was sent. */
  readonly target: string;
  readonly headers: Headers;
  /** The declared length of the body; null: chunked, or none. */
  readonly bodyBytes: number | null;
  /** The body as it comes, to be read once. Throws a `RequestFault` when it ends early or comes too slowly. */
  readonly body: AsyncIterable<Uint8Array>;
  /** After the body's end: the fault when bytes followed that are no request, else null. */
  fault(): Promise<RequestFault | null>;
  /** The one who asked. */
  readonly gone: Gone;
}

/** A reply. A streamed body has exactly the bytes that `content-length` says, or throws. */
export interface HttpReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | null;
}

/** What is wrong with a request; thrown to end it early, and never seen outside this door. */
export class RequestFault extends Error {
  override readonly name = "RequestFault";
  readonly status: number;
  readonly headers: Headers;

  constructor(status: number, message: string, headers: Headers = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

const encoder = new TextEncoder();

/** A short text for people. */
export function textReply(status: number, text: string, headers: Headers = {}): HttpReply {
  return bytesReply(status, "text/plain; charset=utf-8", `${text}\n`, headers);
}

/** A value for machines. */
export function jsonReply(status: number, value: unknown, headers: Headers = {}): HttpReply {
  return bytesReply(status, "application/json", `${JSON.stringify(value)}\n`, headers);
}

/** A reply without a body. */
export function emptyReply(status: number, headers: Headers): HttpReply {
  return { status, headers, body: null };
}

function bytesReply(status: number, type: string, text: string, headers: Headers): HttpReply {
  const body = encoder.encode(text);
  const own = { "content-type": type, "content-length": `${body.length}` };
  return { status, headers: { ...own, ...headers }, body };
}
