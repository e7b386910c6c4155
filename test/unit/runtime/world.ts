// A runtime core in a scripted world: a clock that moves when told, connections whose other end is the test,
// and a proxy's side of the proofs. It decides nothing: every test says what the proxy does.

import { createHmac, timingSafeEqual } from "node:crypto";
import { chunkDigest } from "../../../src/checksum/chunk-digest.ts";
import { type InvokeAnswer, sealOrder, welcomeProofText } from "../../../src/core/invocation.ts";
import type { Clock, Crypto, Timer } from "../../../src/core/ports.ts";
import { RuntimeCore } from "../../../src/runtime/runtime-core.ts";
import type { Connection, ConnectionHandler, Envelope } from "../../../src/wire/connection.ts";
import type { Message, MessageKind, MessageOf } from "../../../src/wire/messages.ts";

/** Time that moves by `advance` only. Input that waits is handled before what was put off by `afterInput`. */
export class ScriptedClock implements Clock {
  /** Frames that lie in the socket while the instance is frozen. */
  readonly input: (() => void)[] = [];
  #now = 5_000;
  #timers: { at: number; fire: () => void }[] = [];
  #after: (() => void)[] = [];

  now(): number {
    return this.#now;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { at: this.#now + delayMs, fire };
    this.#timers.push(timer);
    return { cancel: () => this.#timers.splice(this.#timers.indexOf(timer) >>> 0, 1) };
  }

  afterInput(act: () => void): void {
    this.#after.push(act);
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  /** Fires what is due on the way, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      this.#fire(next);
    }
    this.#now = end;
  }

  /** A freeze: all of the time passes at once, then everything overdue fires. */
  freeze(ms: number): void {
    this.#now += ms;
    this.advance(0);
  }

  #fire(timer: { at: number; fire: () => void }): void {
    this.#timers.splice(this.#timers.indexOf(timer), 1);
    timer.fire();
    for (const read of this.input.splice(0)) read();
    for (const act of this.#after.splice(0)) act();
  }
}

/** What the function sent. */
export interface Sent {
  readonly envelope: Envelope;
  readonly message: Message;
  readonly body: Uint8Array | null;
  readonly onSent: (() => void) | null;
}

/** The function's end of a connection; the test is the other end. */
export class ScriptedConnection implements Connection {
  readonly remote = "proxy";
  readonly sent: Sent[] = [];
  closeReason: string | null = null;
  queuedBytes = 0;
  /** True: bodies wait until the test calls their onSent. */
  isSlow = false;
  readonly dropped: number[] = [];
  #handler: ConnectionHandler | null = null;

  setHandler(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  send(envelope: Envelope, message: Message, body?: Uint8Array, onSent?: () => void): void {
    // A copy at the time of sending: that is what would be on the wire.
    const copy = body === undefined ? null : body.slice();
    this.sent.push({ envelope, message, body: copy, onSent: onSent ?? null });
    if (!this.isSlow) onSent?.();
  }

  dropQueued(channel: number): void {
    this.dropped.push(channel);
    if (!this.isSlow) return;
    for (const each of this.sent) if (each.envelope.channel === channel) each.onSent?.();
  }

  close(reason: string): void {
    this.closeReason ??= reason;
  }

  abort(reason: string): void {
    this.closeReason ??= reason;
  }

  /** The connection breaks, as seen by the function. */
  lose(reason = "reset"): void {
    this.#handler?.onClose(reason);
  }

  /** A whole frame comes in; true when its body found a place. */
  deliver(envelope: Envelope, message: Message, body?: Uint8Array): boolean {
    let place: Uint8Array | null = null;
    if (body !== undefined) {
      place = this.#handler?.bodyPlace(envelope, message, body.length) ?? null;
      place?.set(body);
    }
    this.#handler?.onMessage(envelope, message, place);
    return place !== null;
  }

  /** The beginning of a frame comes in, its body does not end yet; the call that is answered ends it. */
  begin(envelope: Envelope, message: Message, bytes: number): () => void {
    const handler = this.#handler;
    const place = handler?.bodyPlace(envelope, message, bytes) ?? null;
    return () => handler?.onMessage(envelope, message, place);
  }

  /** The messages of a kind that were sent. */
  all<K extends MessageKind>(kind: K): MessageOf<K>[] {
    // Proof of the cast: only messages of that kind pass the filter.
    return this.sent.map(({ message }) => message).filter((m) => m.kind === kind) as MessageOf<K>[];
  }
}

const crypto: Crypto = {
  randomBytes: (count) => Uint8Array.from({ length: count }, () => ++seed & 0xff),
  hmacSha256: (key, text) => new Uint8Array(createHmac("sha256", key).update(text).digest()),
  equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
};
let seed = 0;

/** What a test may say about an invocation. */
export interface OrderWishes {
  readonly term?: number;
  readonly invocation?: number;
  readonly generation?: number;
  readonly node?: number;
  readonly proxy?: string;
  readonly lingerMs?: number;
  readonly remainingMs?: number;
}

/** One instance and everything around it. */
export class World {
  readonly clock = new ScriptedClock();
  readonly core: RuntimeCore;
  readonly answers: InvokeAnswer[] = [];
  readonly key = new Uint8Array(32).fill(7);
  /** What dials do: give a connection, refuse at once, or never answer. */
  dials: "accept" | "refuse" | "hang" = "accept";
  readonly connections: ScriptedConnection[] = [];
  term = 3;
  invocation = 0;
  generation = 9;
  #channel = 0;

  constructor(budgetBytes = 64 * 1_024 * 1_024) {
    const settings = { pool: "p", node: 4, nodeKey: this.key, memoryMb: 1_536, budgetBytes };
    const dialer = {
      dial: (
        _address: string,
        deadlineMs: number,
        opened: (connection: Connection | null, reason: string) => void,
      ) => {
        const { dials } = this;
        if (dials === "hang") {
          this.clock.setTimer(deadlineMs, () => opened(null, "no answer"));
          return;
        }
        this.clock.setTimer(0, () => {
          if (dials === "refuse") return opened(null, "connection refused");
          const connection = new ScriptedConnection();
          this.connections.push(connection);
          opened(connection, "");
        });
      },
    };
    this.core = new RuntimeCore(settings, { clock: this.clock, crypto, dialer });
  }

  /** The newest connection. */
  get wire(): ScriptedConnection {
    const newest = this.connections.at(-1);
    if (newest === undefined) throw new Error("the function has not dialled");
    return newest;
  }

  /** Invokes with a sealed order; the dial, if any, is answered. */
  invoke(wishes: OrderWishes = {}): void {
    this.term = wishes.term ?? this.term;
    this.generation = wishes.generation ?? this.generation;
    this.invocation = wishes.invocation ?? this.invocation + 1;
    const order = {
      pool: "p",
      node: wishes.node ?? 4,
      generation: this.generation,
      term: this.term,
      invocation: this.invocation,
      proxy: wishes.proxy ?? "proxy:1",
      policy: { kind: "linger", lingerMs: wishes.lingerMs ?? 10 },
    } as const;
    const payload: unknown = JSON.parse(sealOrder(crypto, this.key, order));
    this.core.invoke(payload, wishes.remainingMs ?? 60_000, (answer) => this.answers.push(answer));
    this.clock.advance(0);
  }

  /** Invokes and greets: the instance is at work when this returns. */
  start(wishes: OrderWishes = {}): void {
    this.invoke(wishes);
    this.greet();
  }

  /** Challenges the newest connection unless that was done, and welcomes the hello. */
  greet(): void {
    if (this.wire.all("functionHello").length === 0) this.challenge();
    this.welcome();
  }

  challenge(nonce = new Uint8Array(32).fill(1)): void {
    const envelope = { channel: 0, term: this.term, invocation: 0 };
    this.wire.deliver(envelope, { kind: "challenge", nonce });
  }

  /** Answers the last hello with a proof over its nonce, or with a wrong one. */
  welcome(key = this.key): void {
    const { term, generation } = this;
    const hello = this.wire.all("functionHello").at(-1);
    if (hello === undefined) throw new Error("no hello");
    const text = welcomeProofText(hello.nonce, new Uint8Array(32).fill(1), { term, generation });
    this.say({ kind: "functionWelcome", proof: crypto.hmacSha256(key, text), generation });
  }

  /** Sends a message of the current invocation on channel 0, or another. */
  say(message: Message, channel = 0): void {
    this.wire.deliver(this.envelope(channel), message);
  }

  envelope(channel = 0): Envelope {
    return { channel, term: this.term, invocation: this.invocation };
  }

  nextChannel(): number {
    return ++this.#channel;
  }

  /** Sends one chunk in parts of `partBytes`; answers the channel. */
  put(chunk: TestChunk, partBytes = 1_024 * 1_024): number {
    const channel = this.nextChannel();
    this.say(
      { kind: "chunkPut", ...chunk.id, ...chunk.digest, bytes: chunk.bytes.length },
      channel,
    );
    for (let offset = 0; offset < chunk.bytes.length; offset += partBytes) {
      this.part(channel, chunk, offset, partBytes);
    }
    return channel;
  }

  part(channel: number, chunk: TestChunk, offset: number, partBytes: number): boolean {
    const { stripe, index } = chunk.id;
    const body = chunk.bytes.slice(offset, offset + partBytes);
    const message = { kind: "data", stripe, index, attempt: 0, offset } as const;
    return this.wire.deliver(this.envelope(channel), message, body);
  }

  /** The same, but the part does not end before the answer is called. */
  beginPart(channel: number, chunk: TestChunk, offset: number, bytes: number): () => void {
    const { stripe, index } = chunk.id;
    const message = { kind: "data", stripe, index, attempt: 0, offset } as const;
    return this.wire.begin(this.envelope(channel), message, bytes);
  }

  /** Asks for a chunk; answers the channel. */
  get(chunk: TestChunk, offset = 0, credit = 2 ** 31): number {
    const channel = this.nextChannel();
    this.say({ kind: "chunkGet", ...chunk.id, offset, credit }, channel);
    return channel;
  }

  /** All that was sent on a channel of the newest connection. */
  on(channel: number): Sent[] {
    return this.wire.sent.filter(({ envelope }) => envelope.channel === channel);
  }

  /** The bytes that came on a channel, joined by offset. */
  received(channel: number): Uint8Array {
    return Buffer.concat(this.on(channel).map(({ body }) => body ?? new Uint8Array(0)));
  }

  /** The instance has gone: bye, byeOk, answer. */
  leave(): void {
    this.clock.advance(60);
    this.say({ kind: "byeOk" });
  }
}

/** A chunk with its identity and a right digest. */
export interface TestChunk {
  readonly id: {
    readonly keyHash: Uint8Array;
    readonly version: number;
    readonly stripe: number;
    readonly index: number;
  };
  readonly digest: { readonly digestLow: number; readonly digestHigh: number };
  readonly bytes: Uint8Array;
}

/** Makes a chunk of `length` bytes. */
export function chunkOf(length: number, version = 1, index = 0, generation = 9): TestChunk {
  const id = { keyHash: new Uint8Array(16).fill(5), version, stripe: 0, index };
  const bytes = Uint8Array.from({ length }, (_, at) => (at * 31 + version) & 0xff);
  const { low, high } = chunkDigest({ ...id, generation }, bytes);
  return { id, digest: { digestLow: low, digestHigh: high }, bytes };
}
