// A TCP proxy that does to connections what networks do: delays, cuts, silence without a reset, flipped bits. It sits
// between clients and a proxy, or between functions and the proxy when that advertises its address. All chance comes
// from one seed. It knows nothing of what passes, but keeps the first bytes of the dialling side, to tell links apart.

import { connect, createServer, type Server, type Socket } from "node:net";
import type { Random } from "../../src/core/ports.ts";
import { seededRandom } from "../../src/platform/lambda-service/seeded-random.ts";

/** Towards whom bytes go: `up` from the dialling side, `down` to it. */
export type Direction = "up" | "down";

/** What is done to the bytes of a link. */
export interface Treatment {
  /** As when packets are dropped: nothing passes, ends and resets included, until it is over; then all of it does. */
  readonly isSilent?: boolean;
  readonly delayMs?: number;
  /** One bit is flipped in about this many bytes. */
  readonly flipEveryBytes?: number;
  /** This way only; both, if absent. */
  readonly only?: Direction;
}

/** One connection through the proxy. */
export interface FaultLink {
  readonly id: number;
  /** The first bytes that the dialling side has sent: enough for one small frame. */
  readonly head: Uint8Array;
  readonly bytes: Readonly<Record<Direction, number>>;
  /** Both halves end with a reset. */
  cut(): void;
}

interface Lane {
  readonly direction: Direction;
  readonly from: Socket;
  readonly to: Socket;
  /** Came in silence. */
  held: Buffer | null;
  isBlocked: boolean;
}

interface Pair {
  readonly link: FaultLink;
  readonly lanes: readonly Lane[];
}

const HEAD_BYTES = 512;
const PASS: Treatment = {};

/** A listening fault proxy. */
export class FaultProxy {
  /** Bits flipped so far. */
  flips = 0;
  readonly #random: Random;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #pairs = new Map<number, Pair>();
  #treat: (link: FaultLink) => Treatment = () => PASS;
  #count = 0;
  #address = "";

  private constructor(target: string, seed: number) {
    const at = target.lastIndexOf(":");
    this.#target = { host: target.slice(0, at), port: Number(target.slice(at + 1)) };
    this.#random = seededRandom(seed);
    const options = { allowHalfOpen: true, noDelay: true };
    this.#server = createServer(options, (near) => this.#accept(near));
  }

  /** Opens one in front of `target` (`host:port`), which need not listen yet. */
  static async open(target: string, options: { readonly seed?: number } = {}): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, options.seed ?? 1);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen({ port: 0, host: "127.0.0.1", backlog: 1_024 }, resolve);
    });
    const bound = proxy.#server.address();
    if (typeof bound === "object" && bound !== null) proxy.#address = `127.0.0.1:${bound.port}`;
    return proxy;
  }

  /** `host:port` to dial instead of the target. */
  get address(): string {
    return this.#address;
  }

  /** Connections that are open, silenced ones included. */
  get links(): readonly FaultLink[] {
    return [...this.#pairs.values()].map(({ link }) => link);
  }

  /** From now on each piece is treated so; the function is asked anew for every piece. */
  treat(how: (link: FaultLink) => Treatment): void {
    this.#treat = how;
    for (const { link, lanes } of this.#pairs.values()) {
      for (const lane of lanes) {
        if (this.#of(link, lane.direction).isSilent === true) lane.from.pause();
        else this.#release(link, lane);
      }
    }
  }

  /** Ends everything; those that were left in silence are told only now. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { lanes } of this.#pairs.values()) for (const { from } of lanes) from.destroy();
    await closed;
  }

  #of(link: FaultLink, direction: Direction): Treatment {
    const treatment = this.#treat(link);
    const isMeant = treatment.only === undefined || treatment.only === direction;
    return isMeant ? treatment : PASS;
  }

  #accept(near: Socket): void {
    const far = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const id = ++this.#count;
    const bytes = { up: 0, down: 0 };
    let head: Uint8Array = new Uint8Array(0);
    const sockets = [near, far];
    const link: FaultLink = {
      id,
      get head() {
        return head;
      },
      bytes,
      cut: () => {
        for (const socket of sockets) reset(socket);
      },
    };
    near.on("data", (part) => {
      if (head.length < HEAD_BYTES) head = Buffer.concat([head, part]).subarray(0, HEAD_BYTES);
    });
    const lanes: readonly Lane[] = [
      { direction: "up", from: near, to: far, held: null, isBlocked: false },
      { direction: "down", from: far, to: near, held: null, isBlocked: false },
    ];
    this.#pairs.set(id, { link, lanes });
    for (const lane of lanes) this.#run(link, lane, bytes);
  }

  #run(link: FaultLink, lane: Lane, bytes: Record<Direction, number>): void {
    const { direction, from, to } = lane;
    from.on("data", (part) => {
      bytes[direction] += part.length;
      if (this.#of(link, direction).isSilent !== true) return this.#deliver(link, lane, part);
      lane.held = lane.held === null ? part : Buffer.concat([lane.held, part]);
      from.pause();
    });
    from.on("end", () => this.#later(link, lane, () => to.end()));
    // A reset is passed on as a reset; the close that follows it finds nothing left to do.
    from.on("error", () => reset(to));
    from.on("close", () => {
      this.#later(link, lane, () => to.destroySoon());
      if (to.destroyed) this.#pairs.delete(link.id);
    });
    to.on("drain", () => {
      lane.isBlocked = false;
      this.#release(link, lane);
    });
  }

  #release(link: FaultLink, lane: Lane): void {
    if (this.#of(link, lane.direction).isSilent === true || lane.isBlocked) return;
    const { held } = lane;
    lane.held = null;
    if (held !== null) this.#deliver(link, lane, held);
    if (!lane.isBlocked) lane.from.resume();
  }

  #deliver(link: FaultLink, lane: Lane, part: Buffer): void {
    const piece = this.#flipped(part, this.#of(link, lane.direction).flipEveryBytes);
    this.#later(link, lane, () => {
      if (!lane.to.writable || lane.to.write(piece)) return;
      lane.isBlocked = true;
      lane.from.pause();
    });
  }

  #later(link: FaultLink, { direction }: Lane, act: () => void): void {
    const { delayMs = 0 } = this.#of(link, direction);
    if (delayMs === 0) act();
    else setTimeout(act, delayMs);
  }

  #flipped(part: Buffer, everyBytes: number | undefined): Buffer {
    if (everyBytes === undefined || this.#random.below(everyBytes) >= part.length) return part;
    const damaged = Buffer.from(part);
    const at = this.#random.below(damaged.length);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << this.#random.below(8));
    this.flips++;
    return damaged;
  }
}

/**
 * Ends a socket with a reset, or, where its end was said already, at once. Node marks a handle as closing before it
 * asks for the reset; while a FIN is on its way the kernel interface refuses (EINVAL), the handle is never closed, and
 * the process spins for ever when it should end.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
