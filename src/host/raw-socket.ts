// A TCP client for line-and-length protocols (RESP, memcached), for benchmarks beside other caches: it writes,
// reads a line, or fills a buffer in place. One reader at a time. It interprets nothing and is not part of the cache.

import { connect, type Socket } from "node:net";

const LINE_BYTES_MAX = 65_536;
const SCRATCH_BYTES = 65_536;

/** A connection that is read in the order of calls. */
export class RawSocket {
  readonly #socket: Socket;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  readonly #parts: Uint8Array[] = [];
  #offset = 0;
  /** What `readInto` still waits for: bytes go there without another copy, as the best client would have it. */
  #rest: Uint8Array | null = null;
  #wake: (() => void) | null = null;
  #fault: Error | null = null;

  private constructor(host: string, port: number) {
    const onread = {
      buffer: (): Uint8Array => this.#rest ?? this.#scratch,
      callback: (count: number, buffer: Uint8Array): boolean => {
        this.#received(count, buffer);
        return true;
      },
    };
    this.#socket = connect({ host, port, noDelay: true, onread });
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the connection was closed")));
  }

  /** Dials `host:port`. */
  static open(host: string, port: number): Promise<RawSocket> {
    return new Promise((resolve, reject) => {
      const opened = new RawSocket(host, port);
      opened.#socket.once("error", reject);
      opened.#socket.once("connect", () => resolve(opened));
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
      if (!this.#hasPart()) {
        await this.#fill(into.subarray(filled));
        return;
      }
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
      const part = this.#hasPart() ? this.#parts[0] : undefined;
      if (part !== undefined) return part;
      await this.#woken();
    }
  }

  /** Whether something was received that nobody has read. */
  #hasPart(): boolean {
    while (this.#parts[0] !== undefined && this.#offset >= this.#parts[0].length) {
      this.#parts.shift();
      this.#offset = 0;
    }
    return this.#parts[0] !== undefined;
  }

  async #fill(rest: Uint8Array): Promise<void> {
    this.#rest = rest;
    while (this.#rest !== null) await this.#woken();
  }

  async #woken(): Promise<void> {
    if (this.#fault !== null) throw this.#fault;
    await new Promise<void>((woken) => {
      this.#wake = woken;
    });
  }

  #received(count: number, buffer: Uint8Array): void {
    if (buffer !== this.#scratch && this.#rest !== null) {
      this.#rest = count === this.#rest.length ? null : this.#rest.subarray(count);
      if (this.#rest === null) this.#signal();
      return;
    }
    // The buffer of this read was chosen before its reader came: what it got belongs in front of the rest.
    let from = 0;
    if (this.#rest !== null) {
      from = Math.min(count, this.#rest.length);
      this.#rest.set(this.#scratch.subarray(0, from));
      this.#rest = from === this.#rest.length ? null : this.#rest.subarray(from);
    }
    if (from < count) this.#parts.push(this.#scratch.slice(from, count));
    if (this.#rest === null) this.#signal();
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
