// The Runtime API towards the function processes (`/2018-06-01/runtime/…`), on a loopback port of its
// own. It only routes: which instance speaks is told by a secret header, what it means by the instance.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { BodyTooLargeError, listen, readBody, sendJson } from "./http.ts";
import type { Instance } from "./instance.ts";

/** What a function may return at most. */
export const RESPONSE_BYTES_MAX = 6_291_556;

const PATH =
  /^\/2018-06-01\/runtime\/(?:(init)\/error|invocation\/(?:(next)|([\w-]+)\/(response|error)))$/;

/** The server that function processes poll. */
export class RuntimeApi {
  readonly #server: Server;
  readonly #find: (token: string) => Instance | undefined;

  /** `find` maps the secret of a process to its instance. */
  constructor(find: (token: string) => Instance | undefined) {
    this.#find = find;
    this.#server = createServer((request, response) => void this.#route(request, response));
    // Polls wait as long as nobody invokes.
    this.#server.requestTimeout = 0;
    this.#server.keepAliveTimeout = 0;
    this.#server.timeout = 0;
  }

  /** Listens on loopback and returns `host:port`. */
  async listen(): Promise<string> {
    return `127.0.0.1:${await listen(this.#server, 0, "127.0.0.1")}`;
  }

  /** Stops and drops all connections. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const token = request.headers["infinicache-instance"];
    const instance = typeof token === "string" ? this.#find(token) : undefined;
    const [, init, next, requestId = "", verb] = PATH.exec(request.url ?? "") ?? [];
    if (instance === undefined) return sendJson(response, 403, refusal("Unknown instance"));
    if (next !== undefined && request.method === "GET") return instance.onNext(response);
    if (request.method !== "POST") return sendJson(response, 404, refusal("Unknown path"));
    const body = await readBody(request, RESPONSE_BYTES_MAX).catch((error: unknown) => {
      if (error instanceof BodyTooLargeError) return error;
      return null; // The process has ended in the middle.
    });
    if (body === null) return;
    if (init !== undefined && body instanceof Buffer) {
      instance.onInitError(body);
      return sendJson(response, 202, ACCEPTED);
    }
    const isHandled = request.headers["lambda-runtime-function-error-type"] === "Handled";
    const isAccepted =
      verb !== undefined &&
      instance.onAnswer(
        requestId,
        body instanceof BodyTooLargeError
          ? { kind: "error", payload: tooLarge(), isHandled: false }
          : verb === "response"
            ? { kind: "returned", payload: body }
            : { kind: "error", payload: body, isHandled },
      );
    if (!isAccepted) return sendJson(response, 400, refusal("InvalidRequestID"));
    if (body instanceof BodyTooLargeError) return sendJson(response, 413, refusal("Too large"));
    sendJson(response, 202, ACCEPTED);
  }
}

const ACCEPTED = { status: "OK" };

function refusal(message: string): { readonly errorType: string; readonly errorMessage: string } {
  return { errorType: message, errorMessage: message };
}

function tooLarge(): Buffer {
  return Buffer.from(
    JSON.stringify({
      errorType: "Function.ResponseSizeTooLarge",
      errorMessage: `Response payload size exceeded maximum allowed payload size (${RESPONSE_BYTES_MAX} bytes).`,
    }),
  );
}
