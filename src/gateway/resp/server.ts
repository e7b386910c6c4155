// The Redis door: listens for TCP connections and gives each to a session. A thin shell over sockets; what is said on
// a connection is decided in session.ts, what a command does in commands/.

import { createServer, type Server, type Socket } from "node:net";
import type { Cache } from "../../client/api.ts";
import type { Access } from "../../core/access.ts";
import type { Clock, WallClock } from "../../core/ports.ts";
import type { ProxyStatus } from "../../core/status.ts";
import { ByteBudget } from "../budget.ts";
import type { ByteSocket } from "../byte-socket.ts";
import type { ServerContext } from "./command.ts";
import { CursorTable } from "./cursors.ts";
import { encodeReply, error } from "./reply.ts";
import { RespSession } from "./session.ts";

/** redis-server's `proto-max-bulk-len`. */
const BULK_BYTES_MAX_DEFAULT = 512 * 1_024 * 1_024;
/** Connections at once. */
const CONNECTIONS_MAX_DEFAULT = 20_000;
/** All large values together that must be held until the options behind them are known. */
const HELD_BYTES_MAX_DEFAULT = 256 * 1_024 * 1_024;
/** Received and not yet asked for: above this the sender waits. */
const UNREAD_BYTES_MAX = 256 * 1_024;
/** How long the other side has to close its half once we have closed ours. */
const LINGER_MS_MAX = 2_000;
/** How long `close` waits for answers under way. */
const CLOSE_MS_MAX = 10_000;

/** What the door needs. */
export interface RespServerOptions {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly wallClock: WallClock;
  readonly status: () => ProxyStatus;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Told by INFO. */
  readonly version: string;
  /** What tokens stand for; absent: everybody is trusted. */
  readonly access?: Access;
  /** Prepended to every key with a slash: `a` and the HTTP object `/objects/<namespace>/a` are then one. */
  readonly namespace?: string;
  readonly bulkBytesMax?: number;
  readonly heldBytesMax?: number;
  readonly connectionsMax?: number;
}

/** A door that is open. */
export interface RunningServer {
  /** host:port. */
  readonly address: string;
  /** Takes no more connections, answers what is under way, then closes all; nothing of it is left then. */
  close(): Promise<void>;
}

/** Opens the Redis door. Rejects when the port is taken. */
export async function startRespServer(options: RespServerOptions): Promise<RunningServer> {
  const { cache, clock, wallClock, status, version } = options;
  const context: ServerContext = {
    cache,
    clock,
    wallClock,
    status,
    version,
    access: options.access ?? null,
    namespace: options.namespace ?? null,
    cursors: new CursorTable(),
    counters: { connections: 0, commands: 0, clients: 0, startedAtMs: clock.now() },
  };
  const budget = new ByteBudget(options.heldBytesMax ?? HELD_BYTES_MAX_DEFAULT);
  const bulkBytesMax = options.bulkBytesMax ?? BULK_BYTES_MAX_DEFAULT;
  const connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX_DEFAULT;
  const sessions = new Map<RespSession, Socket>();
  const server = createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true }, (socket) => {
    if (sessions.size >= connectionsMax) return refuse(socket);
    context.counters.connections += 1;
    const id = context.counters.connections;
    const address = `${socket.remoteAddress ?? ""}:${socket.remotePort ?? 0}`;
    const bytes = new TcpByteSocket(socket);
    const session = new RespSession(context, { socket: bytes, id, address, budget, bulkBytesMax });
    sessions.set(session, socket);
    context.counters.clients = sessions.size;
    socket.on("close", () => {
      session.lost();
      sessions.delete(session);
      context.counters.clients = sessions.size;
    });
    void session.run().then(() => {
      const timer = clock.setTimer(LINGER_MS_MAX, () => socket.destroy());
      socket.on("close", () => timer.cancel());
      if (socket.destroyed) timer.cancel();
    });
  });
  const address = await listen(server, options.host, options.port);
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const session of sessions.keys()) session.finish();
    const timer = clock.setTimer(CLOSE_MS_MAX, () => {
      for (const socket of sessions.values()) socket.destroy();
    });
    await closed;
    timer.cancel();
  };
  return { address, close };
}

function refuse(socket: Socket): void {
  const text = encodeReply(error("ERR max number of clients reached"), 2);
  socket.on("error", () => socket.destroy());
  socket.end(Buffer.concat(text));
}

/** Resolves with host:port. */
async function listen(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, backlog: 4_096 }, () => resolve());
  });
  const bound = server.address();
  const boundPort = bound !== null && typeof bound === "object" ? bound.port : port;
  return `${host.includes(":") ? `[${host}]` : host}:${boundPort}`;
}

class TcpByteSocket implements ByteSocket {
  readonly #socket: Socket;
  readonly #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #isEnded = false;
  #isCorked = false;
  #reader: ((bytes: Uint8Array | null) => void) | null = null;
  #flushWaiters: ((isFlushed: boolean) => void)[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => this.#take(bytes));
    socket.on("end", () => this.stopReading());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.stopReading();
      this.#flush(false);
    });
    socket.on("drain", () => this.#flush(true));
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  async read(): Promise<Uint8Array | null> {
    const bytes = this.#unread.shift();
    if (bytes !== undefined) {
      this.#unreadBytes -= bytes.length;
      if (this.#unread.length === 0) this.#socket.resume();
      return bytes;
    }
    if (this.#isEnded) return null;
    return await new Promise((resolve) => {
      this.#reader = resolve;
    });
  }

  stopReading(): void {
    this.#isEnded = true;
    const reader = this.#reader;
    this.#reader = null;
    reader?.(null);
  }

  send(bytes: Uint8Array): void {
    if (this.#socket.destroyed) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      // What is sent within one turn leaves in one write.
      process.nextTick(() => this.#uncork());
    }
    this.#socket.write(bytes);
  }

  async write(bytes: Uint8Array): Promise<boolean> {
    this.#uncork();
    if (this.#socket.destroyed) return false;
    return await new Promise((resolve) => {
      this.#socket.write(bytes, (failure) => resolve(failure === null || failure === undefined));
    });
  }

  async flushed(): Promise<boolean> {
    this.#uncork();
    if (this.#socket.destroyed) return false;
    if (!this.#socket.writableNeedDrain) return true;
    return await new Promise((resolve) => this.#flushWaiters.push(resolve));
  }

  end(): void {
    this.#uncork();
    this.#socket.end();
    // The other side's half need not be heard any more.
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    const reader = this.#reader;
    if (reader !== null) {
      this.#reader = null;
      reader(bytes);
      return;
    }
    this.#unread.push(bytes);
    this.#unreadBytes += bytes.length;
    if (this.#unreadBytes >= UNREAD_BYTES_MAX) this.#socket.pause();
  }

  #uncork(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#socket.uncork();
  }

  #flush(isFlushed: boolean): void {
    const waiters = this.#flushWaiters;
    this.#flushWaiters = [];
    for (const resolve of waiters) resolve(isFlushed);
  }
}
