// Opens both doors on a fake cache over loopback, and raw sockets to them. For tests of this folder and for the client
// tests while they look for faults of the doors alone.

import { connect, type Socket } from "node:net";
import { type Access, type Grant, TokenTable } from "../../../src/core/access.ts";
import type { ProxyStatus } from "../../../src/core/status.ts";
import { startHttpServer } from "../../../src/gateway/http/server.ts";
import { startRespServer } from "../../../src/gateway/resp/server.ts";
import { createHasher, sha256Hex } from "../../../src/host/node-hash.ts";
import { SystemClock } from "../../../src/host/system-clock.ts";
import { FakeCache } from "./fake-cache.ts";

const NO_COST = { invocations: 0, billedMs: 0, gbSeconds: 0, dollars: 0 };

/** A report with as many objects as the cache has. */
export function fakeStatus(cache: FakeCache): ProxyStatus {
  const names =
    "gets hits missesAbsent missesExpired missesLost missesUnreachable puts putsFailed removes evictions expirations " +
    "chunkGets hedges coalesced corruptChunks repairs resends instancesSeen instancesLost searches redials staleFrames " +
    "forgeries protocolFaults throttles repairedStripes repairsFailed repairBytes";
  const counters = Object.fromEntries(names.split(" ").map((name) => [name, 0]));
  return {
    pool: "test",
    generation: 1,
    term: 1,
    uptimeMs: 1,
    superseded: null,
    ring: null,
    objects: cache.objects.size,
    objectBytes: 0,
    hot: { objects: 0, bytes: 0 },
    chunkBytes: 0,
    capacityBytes: 0,
    clients: 0,
    nodes: { count: 0, byState: {}, greeted: 0, rows: [] },
    // Every name of the interface is in the list above.
    counters: counters as unknown as ProxyStatus["counters"],
    repair: {
      ...{ degradedStripes: 0, exposedStripes: 0, underWay: 0, workers: 0 },
      ...{ dollarsLastHour: 0, bytesPerSecond: 0, dollarsPerHour: 0 },
    },
    cost: {
      byPurpose: {
        serve: NO_COST,
        "warm-up": NO_COST,
        backup: NO_COST,
        repair: NO_COST,
        recover: NO_COST,
      },
      total: NO_COST,
    },
  };
}

/** What these tokens stand for. */
export function tokens(grants: Readonly<Record<string, Grant>>): Access {
  const entries = Object.entries(grants).map(([token, grant]) => ({
    sha256: sha256Hex(token),
    grant,
  }));
  return new TokenTable(entries, sha256Hex);
}

/** What both doors are given. */
export function doorOptions(cache: FakeCache) {
  const wallClock = { now: () => Date.now() };
  const ports = { clock: new SystemClock(), wallClock, createHasher };
  const address = { host: "127.0.0.1", port: 0, version: "0.0.0" };
  return { cache, ...ports, ...address, status: () => fakeStatus(cache) };
}

/** Runs `use` with an open Redis door. */
export async function withResp(
  use: (door: { readonly cache: FakeCache; readonly port: number }) => Promise<void>,
  options: {
    readonly access?: Access;
    readonly namespace?: string;
    readonly heldBytesMax?: number;
  } = {},
): Promise<void> {
  const cache = new FakeCache();
  const server = await startRespServer({ ...doorOptions(cache), ...options });
  try {
    await use({ cache, port: portOf(server.address) });
  } finally {
    await server.close();
  }
}

/** Runs `use` with an open HTTP door. */
export async function withHttp(
  use: (door: {
    readonly cache: FakeCache;
    readonly port: number;
    readonly url: string;
  }) => Promise<void>,
  options: { readonly access?: Access } = {},
): Promise<void> {
  const cache = new FakeCache();
  const server = await startHttpServer({ ...doorOptions(cache), ...options });
  try {
    await use({ cache, port: portOf(server.address), url: `http://${server.address}` });
  } finally {
    await server.close();
  }
}

function portOf(address: string): number {
  return Number(address.split(":").at(-1));
}

/** A raw connection that collects what comes. */
export class RawClient {
  readonly socket: Socket;
  #received: Buffer[] = [];
  #isEnded = false;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.socket = connect({ host: "127.0.0.1", port });
    this.socket.on("data", (bytes) => {
      this.#received.push(bytes);
      this.#wake();
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.#isEnded = true;
      this.#wake();
    });
  }

  send(text: string | Uint8Array): this {
    this.socket.write(typeof text === "string" ? Buffer.from(text, "latin1") : text);
    return this;
  }

  /** Everything until the text came at or behind `from`, or the other side closed. */
  async until(text: string, from = 0): Promise<string> {
    return await this.#when(() => this.#all().includes(text, from));
  }

  /** At least so many bytes, or all until the other side closed. */
  async bytes(count: number): Promise<Buffer> {
    await this.#when(() => this.#received.reduce((sum, part) => sum + part.length, 0) >= count);
    return Buffer.concat(this.#received);
  }

  /** Everything until the other side closed. */
  async all(): Promise<string> {
    return await this.#when(() => false);
  }

  close(): void {
    this.socket.destroy();
  }

  #all(): string {
    return Buffer.concat(this.#received).toString("latin1");
  }

  async #when(isEnough: () => boolean): Promise<string> {
    while (!this.#isEnded && !isEnough()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#all();
  }
}

/** A command in the Redis protocol. */
export function command(...args: readonly (string | Uint8Array)[]): Buffer {
  const parts: (string | Uint8Array)[] = [`*${args.length}\r\n`];
  for (const argument of args) {
    const bytes = typeof argument === "string" ? Buffer.from(argument, "latin1") : argument;
    parts.push(`$${bytes.length}\r\n`, bytes, "\r\n");
  }
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
}
