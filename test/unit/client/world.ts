// What tests of the client share: a cache over the fake proxy, bodies with known bytes, time that tests turn by hand.

import type { GetOptions } from "../../../src/client/api.ts";
import { createCache, type ProxyCache } from "../../../src/client/cache.ts";
import type { CacheOptions } from "../../../src/client/cache-options.ts";
import type { Clock, Random, Timer } from "../../../src/core/ports.ts";
import { NodeCrypto } from "../../../src/host/node-crypto.ts";
import { SystemClock } from "../../../src/host/system-clock.ts";
import { FakeProxy } from "./fake-proxy.ts";

/** Bytes that differ from place to place, the same for the same seed. */
export function body(bytes: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, bytes);
}

/** Byte equality, fast for large bodies. */
export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** A fixed sequence is chance enough for a client. */
export function seededRandom(): Random {
  let state = 1;
  const u32 = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  return { u32, below: (bound) => u32() % bound };
}

/** A cache over a fresh fake proxy. */
export function world(options: Partial<CacheOptions> = {}): {
  cache: ProxyCache;
  proxy: FakeProxy;
} {
  const proxy = options.dialer instanceof FakeProxy ? options.dialer : new FakeProxy();
  const cache = createCache({
    dialer: proxy,
    address: "fake",
    clock: new SystemClock(),
    random: seededRandom(),
    crypto: new NodeCrypto(),
    ...options,
  });
  return { cache, proxy };
}

/** A stream of a body in pieces of this many bytes. */
export async function* pieces(
  bytes: Uint8Array,
  pieceBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let offset = 0; offset < bytes.length; offset += pieceBytes)
    yield bytes.subarray(offset, offset + pieceBytes);
}

/** All bytes of a stream. */
export async function joined(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part.slice());
  return Buffer.concat(parts);
}

/** Time turned by hand; what is to be done after input runs as real immediates. */
export class HandClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ at: number; fire: () => void }>();

  now(): number {
    return this.#now;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { at: this.#now + delayMs, fire };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  afterInput(act: () => void): void {
    setImmediate(act);
  }

  /** Timers that are set: in a process each would keep it alive. */
  get pendingCount(): number {
    return this.#timers.size;
  }

  /** The process stands still for so long: what is due comes all at once, before what came meanwhile is read. */
  async freeze(ms: number): Promise<void> {
    await settle();
    this.#now += ms;
    await this.pass(0);
  }

  /** Lets this much time pass, timer by timer, and what follows from each happen. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.fire();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets everything happen that needs no time. */
export async function settle(turns = 60): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A read that must hit. */
export async function mustGet(cache: ProxyCache, key: string, options: GetOptions = {}) {
  const read = await cache.get(key, options);
  if (read.kind === "miss") throw new Error(`${key} is not there: ${read.reason}`);
  return read;
}
