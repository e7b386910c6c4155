// Accepts connections of clients or functions and hands them over; knows nothing of what they say. A connection that has
// not been welcomed within ten seconds is closed, so that a byte now and then holds nothing open.

import { createServer, type Socket } from "node:net";
import type { Connection } from "../wire/connection.ts";
import type { Peer } from "../wire/message-codec.ts";
import { formatAddress } from "./addresses.ts";
import { inPlaceSocket } from "./in-place-socket.ts";
import { type OnFault, TcpConnection } from "./tcp-connection.ts";

/** How long a connection may take until it is welcomed. */
const WELCOME_MS_MAX = 10_000;
/** Ten thousand idle clients and room for as many functions as a pool may have. */
const CONNECTIONS_MAX = 16_384;
/** Connections that wait in the kernel to be accepted: a thousand functions may wake at once. */
const BACKLOG = 1_024;

/** What a listener is made of. */
export interface TcpListenerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly peer: Exclude<Peer, "proxy">;
  /** Takes a new connection and sets its handler before it returns. */
  readonly onConnection: (connection: Connection) => void;
  readonly onFault?: OnFault;
  /** A connection is gone because its other side broke the protocol. */
  readonly onWireFault?: () => void;
  /** More are closed at once; default 16,384. */
  readonly connectionsMax?: number;
  /** Until the connection is welcomed; default 10 s. */
  readonly welcomeMsMax?: number;
  /** True: who has not been welcomed is told nothing, not even what it did wrong. */
  readonly isSilent?: boolean;
  /** False: receive by `data` events, as where Node lacks what receiving in place takes. */
  readonly isInPlace?: boolean;
}

/** What a listener has seen. */
export interface TcpListenerCounts {
  readonly open: number;
  readonly accepted: number;
  /** Closed at once, above `connectionsMax`. */
  readonly turnedAway: number;
  /** Closed because no welcome came in time. */
  readonly timedOut: number;
  /** Closed because the other side broke the protocol. */
  readonly wireFaults: number;
}

/** An open port. */
export interface TcpListener {
  /** `host:port` as bound. */
  readonly address: string;
  readonly port: number;
  readonly counts: TcpListenerCounts;
  /** Accepts no more, closes every connection; done when all are gone. */
  close(reason: string): Promise<void>;
}

/** Opens a port; rejects with the system's error (`EADDRINUSE`, `EACCES` …) when that cannot be. */
export function listenTcp(options: TcpListenerOptions): Promise<TcpListener> {
  const connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX;
  const open = new Map<TcpConnection, Socket>();
  const counts = { open: 0, accepted: 0, turnedAway: 0, timedOut: 0, wireFaults: 0 };
  let whenEmpty: (() => void) | null = null;
  let isClosing = false;

  const accept = (raw: Socket): void => {
    if (open.size >= connectionsMax || isClosing) {
      counts.turnedAway += 1;
      raw.destroy();
      return;
    }
    const connection = new TcpConnection({
      peer: options.peer,
      remote: formatAddress(raw.remoteAddress ?? "unknown", raw.remotePort ?? 0),
      isLocked: true,
      isSilent: options.isSilent ?? false,
      ...(options.onFault === undefined ? {} : { onFault: options.onFault }),
    });
    const own = options.isInPlace === false ? null : inPlaceSocket(raw, connection.onread);
    const socket = own ?? raw;
    open.set(connection, socket);
    counts.accepted += 1;
    connection.attach(socket, { isInPlace: own !== null });
    const timer = setTimeout(() => {
      if (!connection.isLocked) return;
      counts.timedOut += 1;
      connection.close("no welcome in time");
    }, options.welcomeMsMax ?? WELCOME_MS_MAX);
    socket.once("close", () => {
      clearTimeout(timer);
      if (connection.wireFault !== null) {
        counts.wireFaults += 1;
        options.onWireFault?.();
      }
      open.delete(connection);
      if (open.size === 0) whenEmpty?.();
    });
    options.onConnection(connection);
    if (own === null) raw.resume();
  };

  const server = createServer({ pauseOnConnect: true, noDelay: true }, accept);
  const close = async (reason: string): Promise<void> => {
    isClosing = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const emptied = new Promise<void>((resolve) => {
      whenEmpty = resolve;
      if (open.size === 0) resolve();
    });
    for (const connection of open.keys()) connection.close(reason);
    await Promise.all([closed, emptied]);
  };
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: options.host, port: options.port, backlog: BACKLOG }, () => {
      server.removeListener("error", reject);
      // An error in accepting (no more file descriptors) loses that one connection, not the server.
      server.on("error", () => {});
      const bound = server.address();
      const port = typeof bound === "object" && bound !== null ? bound.port : options.port;
      resolve({
        address: formatAddress(options.host, port),
        port,
        get counts() {
          return { ...counts, open: open.size };
        },
        close,
      });
    });
  });
}
