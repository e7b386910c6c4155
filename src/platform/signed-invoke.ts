// An Invoke request by itself: signed by the SDK's own signer with the SDK's own credentials, sent over a kept
// connection. The SDK's way through its middleware costs the proxy twice as much (0.41 ms of CPU against 0.21, side by
// side on the local service), for every node that sleeps.
// It makes one attempt and judges nothing; failures have the shape of the SDK's, so that one module reads both.

import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { LambdaClient } from "@aws-sdk/client-lambda";
import { SignatureV4 } from "@smithy/signature-v4";

/** What AWS answered to an Invoke that it took. */
export interface InvokeResponse {
  readonly payload: string;
  /** `Handled`, `Unhandled`, or null. */
  readonly functionError: string | null;
  /** The last 4 KB of the log. */
  readonly log: string;
}

/** Bounds of the requests. */
export interface SignedInvokeLimits {
  readonly socketsMax: number;
  /** From sending a request to its whole answer. */
  readonly requestMs: number;
}

const CONNECT_MS = 3_000;
/** An answer of ours is some hundred bytes; more than Lambda's own limit is none. */
const ANSWER_BYTES_MAX = 6 * 1_024 * 1_024 + 100_000;

/** A request that failed: `$metadata` and `retryAfterSeconds` as the SDK's errors have them. */
class InvokeFailure extends Error {
  readonly $metadata: { readonly httpStatusCode?: number };
  readonly retryAfterSeconds: string | undefined;

  constructor(name: string, message: string, status?: number, retryAfterSeconds?: string) {
    super(message);
    this.name = name;
    this.$metadata = status === undefined ? {} : { httpStatusCode: status };
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Sends Invokes as the given client would; the caller closes it, and the client on its own. */
export class SignedInvoke {
  readonly #endpoint: URL;
  readonly #signer: SignatureV4;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #requestMs: number;

  private constructor(endpoint: URL, signer: SignatureV4, limits: SignedInvokeLimits) {
    this.#endpoint = endpoint;
    this.#signer = signer;
    const agent = { keepAlive: true, maxSockets: limits.socketsMax, scheduling: "lifo" } as const;
    this.#agent = endpoint.protocol === "https:" ? new HttpsAgent(agent) : new HttpAgent(agent);
    this.#requestMs = limits.requestMs;
  }

  /** Takes endpoint, region and credentials from the client's configuration. */
  static async open(client: LambdaClient, limits: SignedInvokeLimits): Promise<SignedInvoke> {
    const { config } = client;
    const region = await config.region();
    const signer = new SignatureV4({
      service: "lambda",
      region,
      credentials: config.credentials,
      sha256: config.sha256,
    });
    return new SignedInvoke(await endpointOf(client, region), signer, limits);
  }

  /** Invokes a function synchronously with the tail of its log; rejects with an error that `classifyFailure` reads. */
  async invoke(
    functionName: string,
    payload: string,
    signal: AbortSignal,
  ): Promise<InvokeResponse> {
    const body = Buffer.from(payload);
    const { hostname, port, host, protocol } = this.#endpoint;
    const signed = await this.#signer.sign({
      method: "POST",
      protocol,
      hostname,
      ...(port === "" ? {} : { port: Number(port) }),
      path: `/2015-03-31/functions/${encodeURIComponent(functionName)}/invocations`,
      query: {},
      headers: {
        host,
        "content-type": "application/octet-stream",
        "content-length": String(body.length),
        "x-amz-invocation-type": "RequestResponse",
        "x-amz-log-type": "Tail",
      },
      body,
    });
    return readResponse(await this.#exchange(signed.path, signed.headers, body, signal));
  }

  close(): void {
    this.#agent.destroy();
  }

  #exchange(
    path: string,
    headers: Record<string, string>,
    body: Buffer,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { hostname, port, protocol } = this.#endpoint;
    const send = protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const agent = this.#agent;
      const request = send({ hostname, port, path, method: "POST", headers, agent, signal });
      const late = setTimeout(() => {
        request.destroy(
          new InvokeFailure("TimeoutError", `no answer within ${this.#requestMs} ms`),
        );
      }, this.#requestMs);
      request.once("socket", (socket) => {
        if (!socket.connecting) return;
        const unconnected = setTimeout(() => {
          // The words by which the SDK tells this time-out from the other: nothing was sent.
          const message = `did not establish a connection within ${CONNECT_MS} ms`;
          request.destroy(new InvokeFailure("TimeoutError", message));
        }, CONNECT_MS);
        socket.once("connect", () => clearTimeout(unconnected));
        socket.once("close", () => clearTimeout(unconnected));
      });
      request.once("error", reject);
      request.once("close", () => clearTimeout(late));
      request.once("response", (response) => {
        readBody(response).then(resolve, reject);
      });
      request.end(body);
    });
  }
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** Where the SDK would send it: its own rules know partitions, FIPS and custom endpoints. */
async function endpointOf(client: LambdaClient, region: string): Promise<URL> {
  const { config } = client;
  if (config.endpoint !== undefined) {
    const { protocol, hostname, port } = await config.endpoint();
    return new URL(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}`);
  }
  const { url } = config.endpointProvider({
    Region: region,
    UseDualStack: await config.useDualstackEndpoint(),
    UseFIPS: await config.useFipsEndpoint(),
  });
  return url;
}

async function readBody(response: IncomingMessage): Promise<Answer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > ANSWER_BYTES_MAX) throw new InvokeFailure("AnswerTooLarge", `over ${bytes} bytes`);
    pieces.push(piece);
  }
  const body = Buffer.concat(pieces, bytes).toString("utf8");
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

function readResponse({ status, headers, body }: Answer): InvokeResponse {
  if (status >= 200 && status < 300) {
    const log = headers["x-amz-log-result"];
    const error = headers["x-amz-function-error"];
    return {
      payload: body,
      functionError: typeof error === "string" ? error : null,
      log: typeof log === "string" ? Buffer.from(log, "base64").toString("utf8") : "",
    };
  }
  const type = headers["x-amzn-errortype"];
  const name = typeof type === "string" ? (type.split(":")[0] ?? type) : `Http${status}`;
  throw new InvokeFailure(name, messageOf(body), status, headers["retry-after"]);
}

function messageOf(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === "object" && value !== null) {
      if ("Message" in value) return String(value.Message);
      if ("message" in value) return String(value.message);
    }
  } catch {
    // Not a document; told as it is.
  }
  return body.slice(0, 1_000);
}
