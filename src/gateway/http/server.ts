// The HTTP door: a thin shell that turns node:http's requests into those of message.ts and writes the replies, both
// ways with back-pressure and a minimum pace. What is answered is decided in routes.ts and objects.ts.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Access } from "../../core/access.ts";
import type { Clock } from "../../core/ports.ts";
import { Gone } from "../gone.ts";
import { BODY_PACE, Pace } from "../pace.ts";
import { dispose } from "../read.ts";
import { LATE, within } from "../waiting.ts";
import { IncomingBody } from "./incoming-body.ts";
import { type HttpReply, type HttpRequest, RequestFault } from "./message.ts";
import { answer, type HttpContext } from "./routes.ts";

/** A head must have come by then, or the connection is closed: slow senders must not hold connections. */
const HEADERS_MS_MAX = 10_000;
const CHECK_INTERVAL_MS = 2_000;
const KEEP_ALIVE_MS = 60_000;
const CONNECTIONS_MAX_DEFAULT = 20_000;
/** Bodies are written in pieces of this size, so that other connections get their turn in between. */
const PIECE_BYTES_MAX = 256 * 1_024;
/** How long the rest of a body that was refused is read and thrown away, so that the reply is seen. */
const REFUSED_BODY_MS_MAX = 10_000;
/** How long `close` waits for answers under way. */
const CLOSE_MS_MAX = 10_000;

type Socket = IncomingMessage["socket"];

interface RefusedSocket {
  readonly writable: boolean;
  destroy(): unknown;
  end(text: string): unknown;
}

/** What the door needs. */
export interface HttpServerOptions extends Omit<HttpContext, "access" | "isReady"> {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** What tokens stand for; absent: everybody may do everything. */
  readonly access?: Access;
  /** Absent: ready as soon as it listens. */
  readonly isReady?: () => boolean;
  readonly connectionsMax?: number;
}

/** A door that is open. */
export interface RunningHttpServer {
  /** host:port. */
  readonly address: string;
  /** Takes no more connections, answers what is under way, then closes all. */
  close(): Promise<void>;
}

/** Opens the HTTP door. Rejects when the port is taken. */
export async function startHttpServer(options: HttpServerOptions): Promise<RunningHttpServer> {
  let isClosing = false;
  const isReady = () => !isClosing && (options.isReady?.() ?? true);
  const context: HttpContext = { ...options, access: options.access ?? null, isReady };
  const bodies = new WeakMap<object, IncomingBody>();
  const server = createServer({
    headersTimeout: HEADERS_MS_MAX,
    // Bodies have a pace instead: how long a large one takes is nobody's fault.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
    noDelay: true,
  });
  server.maxConnections = options.connectionsMax ?? CONNECTIONS_MAX_DEFAULT;
  const serve = (incoming: IncomingMessage, response: ServerResponse, mayContinue: boolean) => {
    const exchange = new Exchange(context.clock, incoming, response, mayContinue);
    bodies.set(incoming.socket, exchange.body);
    void exchange
      .serve(context, () => isClosing)
      .then(() => {
        if (isClosing) server.closeIdleConnections();
      });
  };
  server.on("request", (incoming, response) => serve(incoming, response, false));
  server.on("checkContinue", (incoming, response) => serve(incoming, response, true));
  server.on("clientError", (error: Error & { readonly code?: string }, socket) =>
    refuseBytes(error, socket, bodies.get(socket)),
  );
  const address = await listen(server, options.host, options.port);
  const close = async () => {
    isClosing = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const timer = context.clock.setTimer(CLOSE_MS_MAX, () => server.closeAllConnections());
    await closed;
    timer.cancel();
  };
  return { address, close };
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, backlog: 4_096 }, () => resolve());
  });
  const bound = server.address();
  const boundPort = bound !== null && typeof bound === "object" ? bound.port : port;
  return `${host.includes(":") ? `[${host}]` : host}:${boundPort}`;
}

/** Bytes that are no HTTP. If they spoil a request under way, that one answers; else a bare reply. */
function refuseBytes(
  error: Error & { readonly code?: string },
  socket: RefusedSocket,
  body: IncomingBody | undefined,
): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  if (body?.fail(new RequestFault(400, "the body is not as long as it was said to be")) === true)
    return;
  const status =
    error.code === "HPE_HEADER_OVERFLOW"
      ? "431 Request Header Fields Too Large"
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? "408 Request Timeout"
        : "400 Bad Request";
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}

/** One request and its reply. */
class Exchange {
  readonly body: IncomingBody;
  readonly #clock: Clock;
  readonly #incoming: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #socket: Socket;

  constructor(
    clock: Clock,
    incoming: IncomingMessage,
    response: ServerResponse,
    mayContinue: boolean,
  ) {
    this.#clock = clock;
    this.#incoming = incoming;
    this.#response = response;
    this.#socket = incoming.socket;
    const begin = mayContinue ? () => response.writeContinue() : () => undefined;
    this.body = new IncomingBody(incoming, clock, begin);
  }

  async serve(context: HttpContext, isClosing: () => boolean): Promise<void> {
    const gone = new Gone();
    this.#response.on("close", () => gone.abort());
    // A client that is gone shows as a closed response; nothing else is to be done about its errors.
    this.#response.on("error", () => undefined);
    const length = this.#incoming.headers["content-length"];
    const isChunked = this.#incoming.headers["transfer-encoding"] !== undefined;
    const request: HttpRequest = {
      method: this.#incoming.method ?? "",
      target: this.#incoming.url ?? "",
      headers: joinedHeaders(this.#incoming),
      bodyBytes: isChunked ? null : Number(length ?? 0),
      body: this.body,
      fault: async () => await this.body.faultAfterEnd(),
      gone,
    };
    const reply = await answer(context, request);
    const isLast = isClosing() || this.body.isFailed;
    this.body.finish();
    if (!(await this.#write(reply, isLast))) this.#socket.destroy();
    else if (this.body.isFailed) this.#socket.end();
    else if (!this.#incoming.complete) this.#throwAway();
  }

  /** False when the connection is of no use any more. */
  async #write(reply: HttpReply, isLast: boolean): Promise<boolean> {
    const response = this.#response;
    const { status, headers, body } = reply;
    const isStream = body !== null && !(body instanceof Uint8Array);
    if (response.destroyed || this.#socket.destroyed) {
      if (isStream) await dispose(body);
      return false;
    }
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) response.setHeader(name, value);
    }
    if (isLast) response.setHeader("connection", "close");
    response.writeHead(status);
    if (!isStream) {
      response.end(this.#incoming.method === "HEAD" ? undefined : (body ?? undefined));
      return true;
    }
    const pace = new Pace(BODY_PACE);
    try {
      for await (const part of body) {
        for (let at = 0; at < part.length; at += PIECE_BYTES_MAX) {
          if (!(await this.#writePiece(part.subarray(at, at + PIECE_BYTES_MAX), pace)))
            return false;
        }
      }
    } catch {
      // The length was promised: only the end of the connection tells the truth now.
      return false;
    }
    response.end();
    return true;
  }

  async #writePiece(piece: Uint8Array, pace: Pace): Promise<boolean> {
    if (this.#socket.destroyed) return false;
    const startedAt = this.#clock.now();
    const writing = new Promise<boolean>((resolve) => {
      // A callback may never come for a response whose connection was closed under it.
      const closed = () => resolve(false);
      this.#response.once("close", closed);
      this.#response.write(piece, (failure) => {
        this.#response.removeListener("close", closed);
        resolve(failure === null || failure === undefined);
      });
    });
    const isWritten = await within(this.#clock, pace.patienceMs, writing);
    pace.moved(piece.length, this.#clock.now() - startedAt);
    // Destroyed before the buffer goes back to its owner: nothing else may leave under its name.
    if (isWritten === LATE) this.#socket.destroy();
    return isWritten === true;
  }

  /** The rest of a body that nobody wanted is read and dropped for a while: closing at once could lose the reply. */
  #throwAway(): void {
    const incoming = this.#incoming;
    incoming.resume();
    const timer = this.#clock.setTimer(REFUSED_BODY_MS_MAX, () => {
      if (!incoming.complete) this.#socket.destroy();
    });
    incoming.on("end", () => timer.cancel());
    this.#socket.on("close", () => timer.cancel());
    if (this.#socket.destroyed) timer.cancel();
  }
}

function joinedHeaders(incoming: IncomingMessage): Record<string, string | undefined> {
  const joined: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    joined[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return joined;
}
