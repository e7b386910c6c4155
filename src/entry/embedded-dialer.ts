// Reaches a proxy of this process without a socket, and others by TCP: the transport under clients and repairers that
// live beside their proxy. It knows nothing of what is said on the connections.

import type { Clock } from "../core/ports.ts";
import { TcpDialer } from "../host/tcp-dialer.ts";
import type { Connection, Dialer } from "../wire/connection.ts";

/** A proxy in this process: hands over the client's end of a connection of its own. */
export interface EmbeddedProxy {
  connect(): Connection;
  /** Where others dial it, when it shares the keys with other proxies. */
  readonly memberAddress?: string | null;
}

/** The address of the proxy in this process. */
export const EMBEDDED = "embedded";

/** Connections to a proxy in this process, and by TCP to those it shares the keys with. */
export class EmbeddedDialer implements Dialer {
  readonly #proxy: EmbeddedProxy;
  readonly #clock: Clock;
  readonly #others = new TcpDialer();

  constructor(proxy: EmbeddedProxy, clock: Clock) {
    this.#proxy = proxy;
    this.#clock = clock;
  }

  dial(
    address: string,
    deadlineMs: number,
    opened: (connection: Connection | null, reason: string) => void,
  ): void {
    if (address !== EMBEDDED && address !== this.#proxy.memberAddress)
      return this.#others.dial(address, deadlineMs, opened);
    this.#clock.setTimer(0, () => {
      let connection: Connection;
      try {
        connection = this.#proxy.connect();
      } catch (error) {
        return opened(
          null,
          error instanceof Error ? error.message : "the embedded proxy is closed",
        );
      }
      opened(connection, "");
    });
  }
}
