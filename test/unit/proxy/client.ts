// A client by hand: it speaks the client's protocol message by message and codes by copying (d = 1) or by XOR
// (p = 1), so that the proxy is tested without the client library. It checks what it reads.

import { chunkDigest, keyHash } from "../../../src/checksum/chunk-digest.ts";
import { chunkLength, chunkStride, layoutOf } from "../../../src/core/layout.ts";
import type { Connection, ConnectionHandler, Envelope } from "../../../src/wire/connection.ts";
import type { Message, MessageKind, MessageOf } from "../../../src/wire/messages.ts";

const GENERATION = 7;
const utf8 = new TextEncoder();

/** What came on one channel. */
export interface Exchange {
  readonly channel: number;
  readonly messages: Message[];
  /** Chunks as far as they have come, by index; the bytes of the attempt announced last. */
  readonly chunks: Map<
    number,
    { readonly announced: MessageOf<"chunk">; readonly bytes: number[] }
  >;
}

/** What a PUT may be told. */
export interface PutWishes {
  /** Of the whole body; absent: the client does not say. */
  readonly bytes?: number;
  readonly code?: { readonly dataChunks: number; readonly parityChunks: number };
  readonly ifAbsent?: boolean;
  readonly sequence?: number;
  readonly ttlMs?: number;
  readonly lease?: number;
  readonly deadlineMs?: number;
}

/** What stands between the proxy and a client that does not read. */
export interface Hold {
  isPaused: boolean;
  bytes: number;
  readonly held: (() => void)[];
}

/** A connection to the proxy. */
export class TestClient implements ConnectionHandler {
  readonly connection: Connection;
  readonly exchanges = new Map<number, Exchange>();
  closeReason: string | null = null;
  #nextChannel = 1;
  #nextSequence = 1;

  readonly hold: Hold;

  constructor(connection: Connection, id: number, hold: Hold, token = "") {
    this.hold = hold;
    this.connection = connection;
    connection.setHandler(this);
    const clientId = new Uint8Array(16).fill(id);
    this.send(0, { kind: "hello", clientId, token, epoch: 0, agent: "test" });
  }

  bodyPlace(_envelope: Envelope, _message: Message, bytes: number): Uint8Array {
    return new Uint8Array(bytes);
  }

  onMessage(envelope: Envelope, message: Message, body: Uint8Array | null): void {
    const exchange = this.#exchange(envelope.channel);
    exchange.messages.push(message);
    if (message.kind === "chunk") {
      exchange.chunks.set(message.index, { announced: message, bytes: [] });
    }
    if (message.kind === "whole") {
      const { index, bytes, digestLow, digestHigh } = message;
      const place = { stripe: 0, index, attempt: 0 };
      const announced = { kind: "chunk", ...place, bytes, digestLow, digestHigh } as const;
      exchange.chunks.set(index, { announced, bytes: [] });
    }
    if (message.kind === "credit") this.#onCredit.get(envelope.channel)?.(message.bytes);
    if (message.kind !== "data" || body === null) return;
    const chunk = exchange.chunks.get(message.index);
    if (chunk?.announced.attempt !== message.attempt || chunk.bytes.length !== message.offset) {
      throw new Error(`a part of chunk ${message.index} came out of place`);
    }
    for (const byte of body) chunk.bytes.push(byte);
  }

  onClose(reason: string): void {
    this.closeReason = reason;
  }

  /** Begins an exchange. */
  open(message: Message): Exchange {
    const exchange = this.#exchange(this.#nextChannel++);
    this.send(exchange.channel, message);
    return exchange;
  }

  send(channel: number, message: Message, body?: Uint8Array): void {
    this.connection.send({ channel, term: 0, invocation: 0 }, message, body);
  }

  openPut(key: string, wishes: PutWishes = {}): Exchange {
    return this.open({
      kind: "putOpen",
      key,
      sequence: wishes.sequence ?? this.#nextSequence++,
      bytes: wishes.bytes ?? Number.MAX_SAFE_INTEGER,
      ...(wishes.code ?? { dataChunks: 2, parityChunks: 1 }),
      ttlMs: wishes.ttlMs ?? 0,
      ifAbsent: wishes.ifAbsent ?? false,
      lease: wishes.lease ?? 0,
      deadlineMs: wishes.deadlineMs ?? 30_000,
      metadata: [],
    });
  }

  /** Sends one chunk of a one-stripe object, in one part. */
  sendChunk(exchange: Exchange, key: string, body: Uint8Array, index: number, attempt = 0): void {
    const opened = first(exchange, "putOpened");
    const chunk = chunkOf(body, index, this.#dataChunks(exchange));
    const digest = digestOf(key, opened.version, index, chunk);
    const place = { stripe: 0, index, attempt };
    this.send(exchange.channel, { kind: "putChunk", ...place, bytes: chunk.length, ...digest });
    if (chunk.length > 0) this.send(exchange.channel, { kind: "data", ...place, offset: 0 }, chunk);
  }

  /** After `putOpened`: the stripe, its chunks and the commit. */
  sendBody(exchange: Exchange, key: string, body: Uint8Array, dataChunks = 2, chunks = 3): void {
    this.#dataChunksOf.set(exchange.channel, dataChunks);
    const { stripeCount, stripeBytes, lastStripeBytes, bytes } = layoutOf(body.length);
    if (stripeCount > 1) throw new Error("one stripe at most");
    if (stripeCount === 1) {
      this.send(exchange.channel, { kind: "putStripe", stripe: 0, bytes });
      for (let index = 0; index < chunks; index++) this.sendChunk(exchange, key, body, index);
    }
    const layout = { stripeCount, stripeBytes, lastStripeBytes, bytes };
    this.send(exchange.channel, { kind: "putCommit", ...layout });
  }

  /** All of a PUT of one stripe in 1+0 and one part but its commit. */
  sendUncommitted(exchange: Exchange, key: string, version: number, body: Uint8Array): void {
    const place = { stripe: 0, index: 0, attempt: 0 };
    const { channel } = exchange;
    this.send(channel, { kind: "putStripe", stripe: 0, bytes: body.length });
    const digest = digestOf(key, version, 0, body);
    this.send(channel, { kind: "putChunk", ...place, bytes: body.length, ...digest });
    this.send(channel, { kind: "data", ...place, offset: 0 }, body);
  }

  /** The commit of a PUT of one stripe. */
  commit({ channel }: Exchange, bytes: number): void {
    const layout = { stripeCount: 1, stripeBytes: bytes, lastStripeBytes: bytes };
    this.send(channel, { kind: "putCommit", ...layout, bytes });
  }

  /** A PUT of one stripe in 1+0, in parts of 1 MiB, paid out as the proxy grants credit. */
  sendLarge(exchange: Exchange, key: string, version: number, body: Uint8Array): void {
    const part = 1_024 * 1_024;
    const place = { stripe: 0, index: 0, attempt: 0 };
    const { channel } = exchange;
    this.send(channel, { kind: "putStripe", stripe: 0, bytes: body.length });
    const digest = digestOf(key, version, 0, body);
    this.send(channel, { kind: "putChunk", ...place, bytes: body.length, ...digest });
    let sent = 0;
    let allowed = part;
    const pump = (): void => {
      for (; sent < Math.min(allowed, body.length); sent += part) {
        this.send(
          channel,
          { kind: "data", ...place, offset: sent },
          body.subarray(sent, sent + part),
        );
      }
    };
    this.#onCredit.set(channel, (bytes) => {
      allowed += bytes;
      pump();
    });
    pump();
    const { length } = body;
    this.send(channel, {
      kind: "putCommit",
      stripeCount: 1,
      stripeBytes: length,
      lastStripeBytes: length,
      bytes: length,
    });
  }

  /** Reads nothing more; what the proxy sends waits. */
  pause(): void {
    this.hold.isPaused = true;
  }

  /** Reads what waits, and goes on. */
  resume(): void {
    this.hold.isPaused = false;
    for (const send of this.hold.held.splice(0)) send();
    this.hold.bytes = 0;
  }

  /** Bytes of bodies that the proxy has queued for this client. */
  get heldBytes(): number {
    return this.hold.bytes;
  }

  get(key: string, more: Partial<MessageOf<"get">> = {}): Exchange {
    const range = { rangeStart: 0, rangeEnd: Number.MAX_SAFE_INTEGER, stripesAhead: 2 };
    const known = { knownGeneration: 0, knownVersion: 0, isWholeBad: false };
    const all = { ...range, ...known, wantAll: false, deadlineMs: 30_000, ...more };
    return this.open({ kind: "get", key, ...all });
  }

  remove(key: string, sequence = this.#nextSequence++): Exchange {
    return this.open({ kind: "remove", key, sequence });
  }

  readonly #onCredit = new Map<number, (bytes: number) => void>();
  readonly #dataChunksOf = new Map<number, number>();

  #dataChunks(exchange: Exchange): number {
    return this.#dataChunksOf.get(exchange.channel) ?? 2;
  }

  #exchange(channel: number): Exchange {
    let exchange = this.exchanges.get(channel);
    if (exchange === undefined) {
      exchange = { channel, messages: [], chunks: new Map() };
      this.exchanges.set(channel, exchange);
    }
    return exchange;
  }
}

/** All messages of a kind, in order. */
export function all<K extends MessageKind>(exchange: Exchange, kind: K): MessageOf<K>[] {
  // Proof of the cast: only messages of that kind pass the filter.
  return exchange.messages.filter((message) => message.kind === kind) as MessageOf<K>[];
}

/** The first message of a kind; throws with what came instead. */
export function first<K extends MessageKind>(exchange: Exchange, kind: K): MessageOf<K> {
  const [message] = all(exchange, kind);
  if (message !== undefined) return message;
  throw new Error(`no ${kind}, but ${JSON.stringify(exchange.messages.map((each) => each))}`);
}

/** The object as the chunks that came give it; null while fewer than d are whole. */
export function decoded(exchange: Exchange, key: string): Uint8Array | null {
  const { bytes, dataChunks, version } = all(exchange, "whole")[0] ?? first(exchange, "found");
  const stride = chunkStride(bytes, dataChunks);
  const whole = new Map<number, Uint8Array>();
  for (const [index, chunk] of exchange.chunks) {
    if (chunk.bytes.length !== chunk.announced.bytes) continue;
    const content = Uint8Array.from(chunk.bytes);
    const digest = digestOf(key, version, index, content);
    if (digest.digestLow === chunk.announced.digestLow) whole.set(index, content);
  }
  for (let index = 0; index < dataChunks; index++) {
    if (chunkLength(bytes, dataChunks, index) === 0) whole.set(index, new Uint8Array(0));
  }
  if (whole.size < dataChunks) return null;
  const body = new Uint8Array(stride * dataChunks);
  for (let index = 0; index < dataChunks; index++) {
    const content = whole.get(index) ?? xor([...whole.values()], stride);
    body.set(content, index * stride);
  }
  return body.subarray(0, bytes);
}

/** Chunk `index` of a stripe: a data chunk, or the XOR of all (p = 1), or a copy (d = 1). */
export function chunkOf(body: Uint8Array, index: number, dataChunks: number): Uint8Array {
  const stride = chunkStride(body.length, dataChunks);
  const data = Array.from({ length: dataChunks }, (_, at) => {
    const length = chunkLength(body.length, dataChunks, at);
    return body.slice(at * stride, at * stride + length);
  });
  return data[index] ?? xor(data, stride);
}

/** The digest fields of a chunk of stripe 0. */
export function digestOf(key: string, version: number, index: number, bytes: Uint8Array) {
  const hash = keyHash(utf8.encode(key));
  const identity = { keyHash: hash, generation: GENERATION, version, stripe: 0, index };
  const { low, high } = chunkDigest(identity, bytes);
  return { digestLow: low, digestHigh: high };
}

/** Bytes that differ from those of another seed. */
export function bodyOf(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (Math.imul(at + seed, 0x9e3779b1) >>> 24) ^ seed);
}

function xor(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const sum = new Uint8Array(length);
  for (const chunk of chunks) {
    for (const [at, byte] of chunk.entries()) sum[at] = (sum[at] ?? 0) ^ byte;
  }
  return sum;
}
