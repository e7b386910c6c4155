// Dials proxies, and clients that listen, over TCP. Connections it makes receive in place. Where an instance may reach the network through a
// forwarder only (the local Lambda service's second freeze mode), the forwarder is asked for the address first.

import { connect } from "node:net";
import type { Connection, Dialer } from "../wire/connection.ts";
import { parseAddress } from "./addresses.ts";
import { type OnFault, TcpConnection } from "./tcp-connection.ts";

/** What a forwarder answers when the way is free. */
const FORWARDER_OK = "OK\n";
/** The longest answer of a forwarder; more is none. */
const FORWARDER_ANSWER_BYTES_MAX = 1_024;

/** What a dialer is made of. */
export interface TcpDialerOptions {
  /** `host:port` of a forwarder that takes `CONNECT host:port` in a line and answers `OK` in one. */
  readonly forwarder?: string;
  /** Whom it dials; default a proxy. */
  readonly peer?: "proxy" | "client";
  /** Where faults of handlers go; absent, they are thrown out of the loop. */
  readonly onFault?: OnFault;
}

/** Dials. `deadlineMs` of `dial` counts from the call. */
export class TcpDialer implements Dialer {
  readonly #options: TcpDialerOptions;

  constructor(options: TcpDialerOptions = {}) {
    this.#options = options;
  }

  dial(
    address: string,
    deadlineMs: number,
    opened: (connection: Connection | null, reason: string) => void,
  ): void {
    const { forwarder, onFault, peer = "proxy" } = this.#options;
    const target = parseAddress(forwarder ?? address);
    if (target === null || parseAddress(address) === null) {
      queueMicrotask(() => opened(null, `${address} is not an address of the form host:port`));
      return;
    }
    const connection = new TcpConnection({
      peer,
      remote: address,
      isLocked: false,
      ...(onFault === undefined ? {} : { onFault }),
    });
    const answer = forwarder === undefined ? null : new ForwarderAnswer();
    const { buffer, callback } = connection.onread;
    const socket = connect({
      ...target,
      noDelay: true,
      onread: {
        buffer: () => (answer?.isDue ? answer.place() : buffer()),
        callback: (count) => {
          if (!answer?.isDue) return callback(count);
          const rest = answer.advance(count);
          if (answer.refusal !== null) fail(answer.refusal);
          else if (rest !== null) {
            succeed();
            if (rest.length > 0) connection.feed(rest);
          }
          return true;
        },
      },
    });
    const fail = (reason: string): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      // A failed attempt may report again while it is torn down; nobody wants to know.
      socket.on("error", () => {});
      socket.destroy();
      opened(null, reason);
    };
    const succeed = (): void => {
      clearTimeout(timer);
      socket.removeAllListeners("error").removeAllListeners("close");
      connection.attach(socket, { isInPlace: true });
      opened(connection, "");
    };
    const timer = setTimeout(
      () => fail(`${address} did not answer in ${deadlineMs} ms`),
      deadlineMs,
    );
    socket.once("error", (error) => fail(error.message || `cannot connect to ${address}`));
    socket.once("close", () => fail(`${address} closed the connection`));
    socket.once("connect", () => {
      if (answer === null) succeed();
      else socket.write(`CONNECT ${address}\n`);
    });
  }
}

/** Reads a forwarder's one line. */
class ForwarderAnswer {
  readonly #bytes = new Uint8Array(FORWARDER_ANSWER_BYTES_MAX);
  #count = 0;
  isDue = true;
  refusal: string | null = null;

  place(): Uint8Array {
    return this.#bytes.subarray(this.#count);
  }

  /** What came behind the line, or null when the line is not complete or refuses. */
  advance(count: number): Uint8Array | null {
    this.#count += count;
    const text = new TextDecoder("latin1").decode(this.#bytes.subarray(0, this.#count));
    const lineEnd = text.indexOf("\n");
    if (lineEnd < 0 && this.#count < this.#bytes.length) return null;
    this.isDue = false;
    if (text.startsWith(FORWARDER_OK)) return this.#bytes.slice(FORWARDER_OK.length, this.#count);
    this.refusal = `the forwarder refused: ${text.slice(0, Math.max(lineEnd, 0))}`;
    return null;
  }
}
