// Wires the client to real sockets, time and chance: a cache over one proxy or several, or over one in this process.
// Importing it starts nothing. What applications see of it is in library.ts.

import { createCache, type ProxyCache } from "../client/cache.ts";
import type { CacheOptions } from "../client/cache-options.ts";
import { DIRECT_CHUNK_BYTES_MIN_LOCAL } from "../core/direct.ts";
import { CacheError } from "../core/errors.ts";
import { type Membership, parseMembership } from "../core/membership.ts";
import { parseAddress } from "../host/addresses.ts";
import { NodeCrypto } from "../host/node-crypto.ts";
import { SystemClock } from "../host/system-clock.ts";
import { SystemRandom } from "../host/system-random.ts";
import { TcpDialer } from "../host/tcp-dialer.ts";
import { TcpDoor } from "../host/tcp-door.ts";
import { unzeroed } from "../host/unzeroed.ts";
import { EMBEDDED, EmbeddedDialer, type EmbeddedProxy } from "./embedded-dialer.ts";

/** Where functions reach this client, so that chunks need not pass through the proxy. */
export interface DirectOptions {
  /** The address to listen on: one that the functions reach, or `0.0.0.0` with `advertise`. */
  readonly host: string;
  /** Default: any free one. */
  readonly port?: number;
  /** `host:port` that functions dial, when that is not where this client listens. */
  readonly advertise?: string;
  /** Told when the port cannot be had, and everything goes through the proxy; default: a process warning. */
  readonly onFault?: (reason: string) => void;
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
    | "near"
  >
>;

/**
 * Where the proxy is: at an address, or in this process. Where several share the keys, any of them is told to the
 * client (several, so that one may be down), or their membership document itself; newer documents are followed.
 */
export type DialOptions = ClientSettings & { readonly direct?: DirectOptions } & (
    | { readonly url: string }
    | { readonly urls: readonly string[] }
    | { readonly ring: Membership }
    | { readonly proxy: EmbeddedProxy }
  );

/** A cache that dials at its first call, without what may stand behind it. */
export function dial(options: DialOptions): ProxyCache {
  const clock = new SystemClock();
  const dialer = "proxy" in options ? new EmbeddedDialer(options.proxy, clock) : new TcpDialer();
  return createCache({
    ...settingsOf(options),
    dialer,
    ...whereOf(options),
    clock,
    random: new SystemRandom(),
    crypto: new NodeCrypto(),
    allocate: unzeroed,
    ...doorOf(options.direct),
    ...("proxy" in options ? { directChunkBytesMin: DIRECT_CHUNK_BYTES_MIN_LOCAL } : {}),
  });
}

/** The addresses to begin with, and the document if it is known. */
function whereOf(
  options: DialOptions,
): Pick<CacheOptions, "address" | "moreAddresses" | "membership"> {
  if ("proxy" in options) return { address: EMBEDDED };
  if ("ring" in options) {
    const parsed = parseMembership(options.ring);
    if (parsed.kind === "bad") throw new CacheError("ICACHE_INVALID", parsed.faults.join("; "));
    const { membership } = parsed;
    const [address = "", ...moreAddresses] = membership.members.map((member) => member.address);
    return { address, moreAddresses, membership };
  }
  const urls: readonly unknown[] = "urls" in options ? options.urls : [options.url];
  const addresses = urls.map((url) => {
    if (typeof url === "string") return url.replace(/^\w+:\/\//, "");
    throw new CacheError("ICACHE_INVALID", 'url is "host:port"');
  });
  const [address, ...moreAddresses] = addresses;
  if (address === undefined) throw new CacheError("ICACHE_INVALID", "urls names no proxy");
  return { address, moreAddresses };
}

function doorOf(direct: DirectOptions | undefined): Pick<CacheOptions, "door" | "onDoorFault"> {
  if (direct === undefined) return {};
  const { host, port = 0, advertise, onFault } = direct;
  const isHost = typeof host === "string" && host !== "";
  const isPort = Number.isInteger(port) && port >= 0 && port <= 65_535;
  const isTold = advertise === undefined || parseAddress(advertise) !== null;
  if (!isHost || !isPort || !isTold)
    throw new CacheError(
      "ICACHE_INVALID",
      'direct is { host, port?, advertise? }, and advertise is "host:port"',
    );
  if (ANY_HOST.has(host) && advertise === undefined)
    throw new CacheError(
      "ICACHE_INVALID",
      `nobody can dial ${host}: say where in direct.advertise`,
    );
  const door = new TcpDoor({ host, port, ...(advertise === undefined ? {} : { advertise }) });
  return { door, onDoorFault: onFault ?? warnOfDoor };
}

/** Listens everywhere, and is no address to dial. */
export const ANY_HOST: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

function warnOfDoor(reason: string): void {
  process.emitWarning(`functions cannot reach this client, all goes through the proxy: ${reason}`, {
    code: "ICACHE_DIRECT",
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
  "near",
];

function settingsOf(options: DialOptions): ClientSettings {
  const unknown = Object.keys(options).filter(
    (name) => ![...SETTING_NAMES, "url", "urls", "ring", "proxy", "direct"].includes(name),
  );
  if (unknown.length > 0) {
    throw new CacheError(
      "ICACHE_INVALID",
      `unknown option "${unknown[0]}"; there are url, urls, ring or proxy, direct, ${SETTING_NAMES.join(", ")}`,
    );
  }
  for (const name of ["token", "agent"] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== "string")
      throw new CacheError("ICACHE_INVALID", `${name} is a string, not a ${typeof value}`);
  }
  return options;
}
