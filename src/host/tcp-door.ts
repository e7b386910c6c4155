// A door for functions on a TCP port of this machine. What they say there, and whether they are believed, is the
// client's business.

import type { Connection, Door } from "../wire/connection.ts";
import { listenTcp, type TcpListener } from "./tcp-listener.ts";

/** How long a connection may take to prove itself; its owner looks sooner. */
const WELCOME_MS_MAX = 5_000;
/** Functions of some pools, and strangers that are about to be turned away. */
const CONNECTIONS_MAX = 2_304;

/** Where the door is. */
export interface TcpDoorOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** `host:port` by which functions reach it; absent: where it listens. */
  readonly advertise?: string;
}

/** See the header. */
export class TcpDoor implements Door {
  readonly #options: TcpDoorOptions;
  #listening: Promise<TcpListener> | null = null;

  constructor(options: TcpDoorOptions) {
    this.#options = options;
  }

  open(
    accept: (connection: Connection) => void,
    opened: (address: string | null, reason: string) => void,
  ): void {
    const { host, port, advertise } = this.#options;
    this.#listening = listenTcp({
      ...{ host, port, peer: "function", connectionsMax: CONNECTIONS_MAX },
      welcomeMsMax: WELCOME_MS_MAX,
      isSilent: true,
      onConnection: accept,
    });
    this.#listening.then(
      ({ address }) => opened(advertise ?? address, ""),
      (error: unknown) => opened(null, error instanceof Error ? error.message : "cannot listen"),
    );
  }

  close(closed: () => void): void {
    if (this.#listening === null) return closed();
    this.#listening
      .then((listener) => listener.close("the client was closed"))
      .then(closed, closed);
  }
}
