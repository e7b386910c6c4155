// A small HTTP client for our own tools: JSON requests to services on this machine, and objects for benchmarks.
// It keeps connections; it follows no redirects, retries nothing, and is not for the data path of the cache.

import { Agent, type IncomingMessage, request } from "node:http";

/** One answer with its body read. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

/** Keeps up to `socketsMax` connections per address open between requests. */
export class HttpClient {
  readonly #agent: Agent;
  readonly #timeoutMs: number;

  constructor(options: { readonly socketsMax?: number; readonly timeoutMs?: number } = {}) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.socketsMax ?? 64 });
    this.#timeoutMs = options.timeoutMs ?? 60_000;
  }

  /** Sends one request and reads the whole answer; rejects when the connection fails or goes silent. */
  send(method: string, url: string, body?: Uint8Array): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { "content-length": String(body.length) };
      const sent = request(url, { method, agent: this.#agent, headers, timeout: this.#timeoutMs });
      sent.on("response", (response) => void readAll(response, method).then(resolve, reject));
      sent.on("timeout", () => sent.destroy(new Error(`${url} did not answer in time`)));
      sent.on("error", reject);
      sent.end(body);
    });
  }

  /** Sends fields as JSON and reads JSON; any status but 2xx rejects with what the service said. */
  async json(
    method: string,
    url: string,
    fields?: Readonly<Record<string, unknown>>,
  ): Promise<unknown> {
    const body =
      fields === undefined ? undefined : new TextEncoder().encode(JSON.stringify(fields));
    const answer = await this.send(method, url, body);
    const text = new TextDecoder().decode(answer.body);
    if (answer.status < 200 || answer.status > 299) {
      throw new Error(`${method} ${url}: ${answer.status} ${text.slice(0, 500)}`);
    }
    return text === "" ? null : JSON.parse(text);
  }

  /** Closes idle connections and those under way. */
  close(): void {
    this.#agent.destroy();
  }
}

async function readAll(response: IncomingMessage, method: string): Promise<HttpAnswer> {
  const declared = Number(response.headers["content-length"] ?? Number.NaN);
  const status = response.statusCode ?? 0;
  if (!Number.isSafeInteger(declared)) {
    const parts: Uint8Array[] = [];
    for await (const part of response) parts.push(part);
    return { status, body: Buffer.concat(parts) };
  }
  const body = new Uint8Array(method === "HEAD" ? 0 : declared);
  let length = 0;
  for await (const part of response) {
    body.set(part, length);
    length += part.length;
  }
  if (length !== body.length) throw new Error("the answer is shorter than it said");
  return { status, body };
}
