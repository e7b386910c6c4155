// The few things all HTTP servers of this folder share: listening, bounded bodies, JSON answers.

import type { IncomingMessage, Server, ServerResponse } from "node:http";

/** A request body is longer than its limit; `bytes` is its declared or seen length. */
export class BodyTooLargeError extends Error {
  override readonly name = "BodyTooLargeError";
  readonly bytes: number;

  constructor(bytes: number) {
    super(`A body of ${bytes} bytes is above the limit.`);
    this.bytes = bytes;
  }
}

/** Listens and returns the port; rejects when it is taken. */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/** Reads a whole body. Above the limit the rest is read and dropped, then BodyTooLargeError is thrown. */
export function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let parts: Buffer[] = [];
    let bytes = 0;
    request.on("data", (part: Buffer) => {
      bytes += part.length;
      if (bytes <= bytesMax) parts.push(part);
      else parts = [];
      // Dropping more than a few limits' worth is not politeness but an attack on us.
      if (bytes > 16 * bytesMax) request.destroy();
    });
    request.once("end", () => {
      if (bytes > bytesMax) reject(new BodyTooLargeError(bytes));
      else resolve(parts.length === 1 ? (parts[0] ?? Buffer.alloc(0)) : Buffer.concat(parts));
    });
    request.once("error", reject);
    request.once("close", () => reject(new Error("The request ended early.")));
  });
}

/** Answers with JSON. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": bytes.length,
    ...headers,
  });
  response.end(bytes);
}

/** Reads a JSON object; null when it is none. An empty body is an empty object. */
export function parseJsonObject(body: Buffer): Readonly<Record<string, unknown>> | null {
  if (body.length === 0) return {};
  try {
    const value: unknown = JSON.parse(body.toString("utf8"));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
