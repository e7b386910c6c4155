// A TCP client for line-and-length protocols (RESP, memcached), for benchmarks beside other caches: it writes,
// reads a line, or fills a buffer. One reader at a time. It interprets nothing and is not part of the cache.

import { connect, type Socket } from "node:net";

const LINE_BYTES_MAX = 65_536;

/** A connection that is read in the order of calls. */
export class RawSocket {
  readonly #socket: Socket;
  readonly #parts: Uint8Array[] = [];
  #offset = 0;
  #wake: (() => void) | null = null;
  #fault: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (part) => {
      this.#parts.push(part);
      this.#signal();
    });
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the connection was closed")));
  }

  /** Dials `host:port`. */
  static open(host: string, port: number): Promise<RawSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new RawSocket(socket));
      });
    });
  }

  /** Queues bytes without joining them; they are borrowed until the answer has come. */
  write(...parts: readonly (string | Uint8Array)[]): void {
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
  }

  /** The next line, without its CR LF. */
  async readLine(): Promise<string> {
    const bytes: number[] = [];
    for (;;) {
      const part = await this.#part();
      while (this.#offset < part.length) {
        const byte = part[this.#offset++] ?? 0;
        if (byte === 0x0a) return String.fromCharCode(...bytes).replace(/\r$/, "");
        bytes.push(byte);
        if (bytes.length > LINE_BYTES_MAX) throw new Error("the answer's line is too long");
      }
    }
  }

  /** Fills `into` whole. */
  async readInto(into: Uint8Array): Promise<void> {
    for (let filled = 0; filled < into.length; ) {
      const part = await this.#part();
      const count = Math.min(into.length - filled, part.length - this.#offset);
      into.set(part.subarray(this.#offset, this.#offset + count), filled);
      this.#offset += count;
      filled += count;
    }
  }

  /** Ends the connection at once. */
  close(): void {
    this.#socket.destroy();
  }

  /** The part that is being read, once it has a byte left. */
  async #part(): Promise<Uint8Array> {
    for (;;) {
      const part = this.#parts[0];
      if (part !== undefined && this.#offset < part.length) return part;
      if (part !== undefined) {
        this.#parts.shift();
        this.#offset = 0;
        continue;
      }
      if (this.#fault !== null) throw this.#fault;
      await new Promise<void>((woken) => {
        this.#wake = woken;
      });
    }
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    this.#signal();
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
