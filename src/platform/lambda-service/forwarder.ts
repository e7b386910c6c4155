// The network of one instance in the freeze mode `forwarder`: its outgoing connections pass here, at
// its bandwidth, and nothing passes while it is frozen. What it cannot do: the kernel of this machine
// still acknowledges what fits into socket buffers, where a frozen machine on AWS would be silent.
// Protocol: the instance sends `CONNECT host:port\n`, is answered `OK\n`, then bytes flow both ways.

import { connect, createServer, type Server, type Socket } from "node:net";
import { ByteBucket } from "./bandwidth.ts";

/** Connections of one instance; on AWS a function has 1,024 file descriptors. */
const CONNECTIONS_MAX = 1000;
/** `CONNECT ` + a host name + a port. */
const LINE_BYTES_MAX = 300;
const LINE_WAIT_MS = 5000;
/** How long the far side of a reclaimed instance stays half-open before it is given up. */
const HALF_OPEN_MS = 10 * 60_000;

/** One direction of one connection. */
interface Lane {
  readonly from: Socket;
  readonly to: Socket;
  /** Waiting for the far buffer or for the bucket. */
  isBlocked: boolean;
}

/** The forwarder of one instance, listening on a loopback port of its own. */
export class Forwarder {
  readonly #server: Server;
  readonly #lanes = new Set<Lane>();
  readonly #sockets = new Set<Socket>();
  readonly #buckets: { readonly out: ByteBucket; readonly in: ByteBucket };
  /** Ends of connections that came while nothing may pass; performed at the thaw. */
  readonly #endings: (() => void)[] = [];
  #isFrozen = false;
  #isClosed = false;

  private constructor(rate: number) {
    const now = performance.now();
    this.#buckets = { out: new ByteBucket(rate, now), in: new ByteBucket(rate, now) };
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#accept(socket);
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Opens a forwarder; `rate` is bytes per second in each direction. */
  static async open(rate: number): Promise<Forwarder> {
    const forwarder = new Forwarder(rate);
    await new Promise<void>((resolve, reject) => {
      forwarder.#server.once("error", reject);
      forwarder.#server.listen(0, "127.0.0.1", resolve);
    });
    return forwarder;
  }

  /** `host:port` for the instance's environment. */
  get address(): string {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? `127.0.0.1:${address.port}` : "";
  }

  /** Nothing passes from now on, ends and resets of connections included. */
  freeze(): void {
    this.#isFrozen = true;
    for (const lane of this.#lanes) lane.from.pause();
  }

  /** Goes on with what has come in meanwhile. */
  thaw(): void {
    if (this.#isClosed) return;
    this.#isFrozen = false;
    for (const act of this.#endings.splice(0)) act();
    for (const lane of this.#lanes) this.#resume(lane);
  }

  /** Changes the bandwidth. */
  setRate(rate: number): void {
    this.#buckets.out.setRate(rate, performance.now());
    this.#buckets.in.setRate(rate, performance.now());
  }

  /** The instance is gone. `half-open`: its peers are not told, they find out by themselves. */
  close(mode: "close" | "half-open"): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.freeze();
    this.#server.close();
    if (mode === "close") {
      this.#destroyAll();
      return;
    }
    const giveUp = setTimeout(() => this.#destroyAll(), HALF_OPEN_MS);
    giveUp.unref();
    for (const socket of this.#sockets) socket.unref();
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(near: Socket): void {
    this.#track(near);
    let line = Buffer.alloc(0);
    near.setTimeout(LINE_WAIT_MS, () => near.destroy());
    const read = (part: Buffer): void => {
      line = Buffer.concat([line, part]);
      const end = line.indexOf(10);
      if (end < 0 && line.length <= LINE_BYTES_MAX) return;
      near.off("data", read);
      near.pause();
      near.setTimeout(0);
      const [, host, port] =
        /^CONNECT \[?([^\s[\]]+)\]?:(\d{1,5})$/.exec(
          line.toString("latin1", 0, Math.max(0, end)),
        ) ?? [];
      if (host === undefined || Number(port) > 65_535) near.destroy();
      else this.#connect(near, host, Number(port), line.subarray(end + 1));
    };
    near.on("data", read);
  }

  #connect(near: Socket, host: string, port: number, rest: Buffer): void {
    const far = connect({ host, port, noDelay: true, allowHalfOpen: true });
    this.#track(far);
    // Whichever end is gone for good takes the other with it.
    near.once("close", () => this.#end(() => far.destroySoon()));
    far.once("close", () => this.#end(() => near.destroySoon()));
    far.once("connect", () => {
      near.write("OK\n");
      if (rest.length > 0) near.unshift(rest);
      this.#forward({ from: near, to: far, isBlocked: false }, this.#buckets.out);
      this.#forward({ from: far, to: near, isBlocked: false }, this.#buckets.in);
    });
  }

  #end(act: () => void): void {
    // A paused socket still notices an end or a reset; the other side must not hear of it before the thaw.
    if (this.#isFrozen) this.#endings.push(act);
    else act();
  }

  #forward(lane: Lane, bucket: ByteBucket): void {
    this.#lanes.add(lane);
    const { from, to } = lane;
    from.on("data", (part: Buffer) => {
      const waitMs = bucket.take(part.length, performance.now());
      const isFull = !to.write(part);
      if (waitMs === 0 && !isFull) return;
      lane.isBlocked = true;
      from.pause();
      const unblock = (): void => {
        lane.isBlocked = false;
        this.#resume(lane);
      };
      const wait = (): void => {
        if (waitMs === 0) unblock();
        else setTimeout(unblock, waitMs).unref();
      };
      if (isFull) to.once("drain", wait);
      else wait();
    });
    from.once("end", () => this.#end(() => to.end()));
    from.once("close", () => this.#lanes.delete(lane));
    this.#resume(lane);
  }

  #resume(lane: Lane): void {
    if (!this.#isFrozen && !lane.isBlocked && !lane.from.destroyed) lane.from.resume();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#sockets.delete(socket));
  }
}
