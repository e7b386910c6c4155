// The library's front door: `connect` wires the client to real sockets, time and chance.
// Importing it starts nothing.

import type { Cache } from "../client/api.ts";
import { createCache } from "../client/cache.ts";
import type { CacheOptions } from "../client/cache-options.ts";
import { CacheError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import { NodeCrypto } from "../host/node-crypto.ts";
import { SystemClock } from "../host/system-clock.ts";
import { SystemRandom } from "../host/system-random.ts";
import { TcpDialer } from "../host/tcp-dialer.ts";
import type { Connection, Dialer } from "../wire/connection.ts";

export type {
  Body,
  ByteRange,
  Cache,
  CallOptions,
  GetOptions,
  GetTimings,
  Miss,
  ObjectInfo,
  PutOptions,
  PutResult,
} from "../client/api.ts";
export { type CodeSpec, formatCode, parseCode } from "../core/code.ts";
export { CacheError, ERROR_CODES, type ErrorCode } from "../core/errors.ts";

/** A proxy in this process: hands over the client's end of a connection of its own. */
export interface EmbeddedProxy {
  connect(): Connection;
}

/** Settings of a client that have defaults. */
export type ClientSettings = Partial<
  Pick<
    CacheOptions,
    | "token"
    | "agent"
    | "deadlineMs"
    | "unreachableMs"
    | "readBytesPerSecondMin"
    | "putStreamBytesMax"
    | "getStreamBytesMax"
    | "parityBytesMax"
    | "repairs"
  >
>;

/** Where the proxy is: at an address, or in this process. */
export type ConnectOptions = ClientSettings &
  ({ readonly url: string } | { readonly proxy: EmbeddedProxy });

/**
 * A cache over the proxy at `url` (`host:port`), or over one embedded in this process. Dials at the first call;
 * keeps the process alive until `close`.
 *
 * @example
 * const cache = connect({ url: "127.0.0.1:6370" });
 * await cache.put("greeting", new TextEncoder().encode("hello"));
 * const read = await cache.get("greeting");
 * if (read.kind === "hit") console.log(new TextDecoder().decode(read.bytes));
 * await cache.close();
 */
export function connect(options: ConnectOptions): Cache {
  const isRemote = "url" in options;
  if (isRemote && typeof options.url !== "string")
    throw new CacheError("ICACHE_INVALID", 'url is "host:port"');
  const address = isRemote ? options.url.replace(/^\w+:\/\//, "") : "embedded";
  const clock = new SystemClock();
  const dialer = isRemote ? new TcpDialer() : new EmbeddedDialer(options.proxy, clock);
  return createCache({
    ...settingsOf(options),
    dialer,
    address,
    clock,
    random: new SystemRandom(),
    crypto: new NodeCrypto(),
    allocate: unzeroed,
  });
}

const SETTING_NAMES = [
  "token",
  "agent",
  "deadlineMs",
  "unreachableMs",
  "readBytesPerSecondMin",
  "putStreamBytesMax",
  "getStreamBytesMax",
  "parityBytesMax",
  "repairs",
];

function settingsOf(options: ConnectOptions): ClientSettings {
  const unknown = Object.keys(options).filter(
    (name) => ![...SETTING_NAMES, "url", "proxy"].includes(name),
  );
  if (unknown.length > 0) {
    throw new CacheError(
      "ICACHE_INVALID",
      `unknown option "${unknown[0]}"; there are url or proxy, ${SETTING_NAMES.join(", ")}`,
    );
  }
  return options;
}

/** Every byte of a result is written before it is handed out, so zeroing it first would be wasted. */
function unzeroed(bytes: number): Uint8Array {
  const { buffer, byteOffset } = Buffer.allocUnsafeSlow(bytes);
  return new Uint8Array(buffer, byteOffset, bytes);
}

/** Connections to a proxy in this process. */
class EmbeddedDialer implements Dialer {
  readonly #proxy: EmbeddedProxy;
  readonly #clock: Clock;

  constructor(proxy: EmbeddedProxy, clock: Clock) {
    this.#proxy = proxy;
    this.#clock = clock;
  }

  dial(
    _address: string,
    _deadlineMs: number,
    opened: (connection: Connection | null, reason: string) => void,
  ): void {
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
