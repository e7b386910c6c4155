// One connection of the fake proxy: the protocol by the book, but for the mischief asked for.
// It answers in the turn in which a message comes, which the real proxy seldom does.

import { chunkDigest, keyHash } from "../../../src/checksum/chunk-digest.ts";
import { CODE_RULES_DEFAULT, chunkCount } from "../../../src/core/code.ts";
import { chunkLength, layoutOfStripes, stripeAt, stripeLength } from "../../../src/core/layout.ts";
import { PART_BYTES_MAX } from "../../../src/core/limits.ts";
import type { Connection, Envelope } from "../../../src/wire/connection.ts";
import type { Message, MessageOf } from "../../../src/wire/messages.ts";
import { answerOf } from "./fake-answers.ts";
import type { FakeObject, FakeProxy, StoredChunk } from "./fake-proxy.ts";
import { sendWhole } from "./fake-whole.ts";

interface Put {
  readonly open: MessageOf<"putOpen">;
  readonly version: number;
  readonly chunks: Map<
    string,
    { bytes: Uint8Array; attempt: number; received: number; low: number; high: number }
  >;
  readonly stripeBytes: Map<number, number>;
  readonly stored: Set<number>;
  /** Chunks of which only a second attempt is taken. */
  readonly early: Set<number>;
  commit: MessageOf<"putCommit"> | null;
}

interface Get {
  readonly object: FakeObject;
  readonly wantAll: boolean;
  readonly asked: Set<string>;
}

/** See the header. */
export class FakeSession {
  readonly #proxy: FakeProxy;
  readonly #connection: Connection;
  readonly #puts = new Map<number, Put>();
  readonly #gets = new Map<number, Get>();
  readonly #repairs = new Map<
    number,
    { message: MessageOf<"repair">; bytes: Uint8Array; received: number }
  >();

  constructor(proxy: FakeProxy, connection: Connection) {
    this.#proxy = proxy;
    this.#connection = connection;
    connection.setHandler({
      bodyPlace: (envelope, message, bytes) => this.#bodyPlace(envelope.channel, message, bytes),
      onMessage: (envelope, message, body) => this.#onMessage(envelope, message, body?.length ?? 0),
      onClose: () => {
        proxy.openConnections -= 1;
      },
    });
  }

  #bodyPlace(channel: number, message: Message, bytes: number): Uint8Array | null {
    if (message.kind !== "data") return null;
    const { stripe, index, attempt, offset } = message;
    const repair = this.#repairs.get(channel);
    if (repair !== undefined) return repair.bytes.subarray(offset, offset + bytes);
    const chunk = this.#puts.get(channel)?.chunks.get(`${stripe}/${index}`);
    if (chunk === undefined || chunk.attempt !== attempt || chunk.received !== offset) return null;
    return chunk.bytes.subarray(offset, offset + bytes);
  }

  #send(channel: number, message: Message, body?: Uint8Array): void {
    this.#connection.send({ channel, term: 0, invocation: 0 }, message, body);
  }

  #onMessage({ channel }: Envelope, message: Message, bodyBytes: number): void {
    const { mischief } = this.#proxy;
    this.#proxy.seen.push(message);
    if (mischief.cutAt?.(message) === true) {
      this.#connection.close("cut by the test");
      return;
    }
    if (mischief.ignore?.(message) === true) return;
    if (!this.#proxy.owns(message)) {
      return this.#send(channel, { kind: "wrongEpoch", epoch: this.#proxy.epoch });
    }
    const answers = answerOf(this.#proxy, message);
    if (answers !== null) {
      for (const answer of answers) this.#send(channel, answer);
      return;
    }
    switch (message.kind) {
      case "hello": {
        if (message.token === "wrong") {
          this.#send(0, { kind: "refused", code: "ICACHE_AUTH", reason: "the token is wrong" });
          return;
        }
        const codeRules = CODE_RULES_DEFAULT.map(({ bytesBelow, code }) => ({
          bytesBelow: Math.min(bytesBelow, Number.MAX_SAFE_INTEGER),
          ...code,
        }));
        this.#send(0, {
          kind: "welcome",
          generation: this.#proxy.generation,
          term: this.#proxy.term,
          epoch: this.#proxy.epoch,
          poolNodes: 24,
          codeRules,
        });
        const membership = this.#proxy.ring?.membership;
        if (membership !== undefined && membership.epoch > message.epoch)
          this.#send(0, { kind: "membership", ...membership });
        return;
      }
      case "ping":
        return this.#send(channel, { kind: "pong", nonce: message.nonce });
      case "cancel":
      case "getDone":
        this.#puts.delete(channel);
        this.#gets.delete(channel);
        return;
      case "putOpen":
        return this.#onPutOpen(channel, message);
      case "putStripe":
        this.#puts.get(channel)?.stripeBytes.set(message.stripe, message.bytes);
        for (let index = 0; index < 255; index++) {
          if (mischief.resendsEarly?.(index) !== true) continue;
          this.#send(channel, { kind: "resend", stripe: message.stripe, index, attempt: 1 });
          this.#puts.get(channel)?.early.add(index);
        }
        return;
      case "putChunk":
        return this.#onPutChunk(channel, message);
      case "data":
        return this.#onData(channel, message, bodyBytes);
      case "putCommit":
        return this.#onPutCommit(channel, message);
      case "get":
        return this.#onGet(channel, message);
      case "getStripe":
        return this.#sendStripe(channel, message.stripe);
      case "chunkBad":
        return this.#replace(channel, message.stripe);
      case "repair":
        this.#repairs.set(channel, { message, bytes: new Uint8Array(message.bytes), received: 0 });
        return;
      default:
    }
  }

  #onPutOpen(channel: number, message: MessageOf<"putOpen">): void {
    const known = this.#proxy.outcomeOf(message.sequence);
    if (known !== undefined) return this.#send(channel, known);
    const existing = this.#proxy.objects.get(message.key);
    if (message.ifAbsent && existing !== undefined) {
      return this.#send(channel, {
        kind: "putDone",
        outcome: "exists",
        version: existing.described.version,
      });
    }
    const version = this.#proxy.nextVersion();
    this.#puts.set(channel, {
      open: message,
      version,
      chunks: new Map(),
      stripeBytes: new Map(),
      stored: new Set(),
      early: new Set(),
      commit: null,
    });
    this.#send(channel, { kind: "putOpened", version, generation: this.#proxy.generation });
  }

  #onPutChunk(channel: number, message: MessageOf<"putChunk">): void {
    const put = this.#puts.get(channel);
    if (put === undefined) return;
    const { stripe, index, attempt, bytes, digestLow: low, digestHigh: high } = message;
    if (attempt === 0 && put.early.has(index)) return;
    put.chunks.set(`${stripe}/${index}`, {
      bytes: new Uint8Array(bytes),
      attempt,
      received: 0,
      low,
      high,
    });
    if (bytes === 0) this.#settleStripe(channel, put, stripe);
  }

  #onData(channel: number, message: MessageOf<"data">, bytes: number): void {
    if (this.#repairs.has(channel)) return this.#onRepairData(channel, message, bytes);
    const put = this.#puts.get(channel);
    const { stripe, index, attempt, offset } = message;
    const chunk = put?.chunks.get(`${stripe}/${index}`);
    if (
      put === undefined ||
      chunk === undefined ||
      chunk.attempt !== attempt ||
      chunk.received !== offset
    )
      return;
    chunk.received += bytes;
    const { mischief } = this.#proxy;
    if (mischief.straggles?.(stripe, index) === true) return;
    if (chunk.received < chunk.bytes.length)
      return this.#send(channel, { kind: "credit", stripe, index, bytes });
    if (mischief.resends?.(stripe, index, attempt) === true)
      return this.#send(channel, { kind: "resend", stripe, index, attempt: attempt + 1 });
    this.#settleStripe(channel, put, stripe);
  }

  #onRepairData(channel: number, { stripe, index }: MessageOf<"data">, bytes: number): void {
    const repair = this.#repairs.get(channel);
    if (repair === undefined) return;
    repair.received += bytes;
    if (repair.received < repair.bytes.length)
      return this.#send(channel, { kind: "credit", stripe, index, bytes });
    this.#repairs.delete(channel);
    const { key, digestLow: low, digestHigh: high } = repair.message;
    const object = this.#proxy.objects.get(key);
    const hash = keyHash(new TextEncoder().encode(key));
    const digest = chunkDigest(
      { keyHash: hash, generation: 7, version: repair.message.version, stripe, index },
      repair.bytes,
    );
    if (object !== undefined && digest.low === low && digest.high === high) {
      object.chunks.set(`${stripe}/${index}`, { bytes: repair.bytes, low, high });
      this.#proxy.lost.delete(`${key}/${stripe}/${index}`);
      this.#proxy.repaired.push(repair.message);
    }
    this.#send(channel, { kind: "repaired", outcome: this.#proxy.repairOutcome });
  }

  #settleStripe(channel: number, put: Put, stripe: number): void {
    const { dataChunks, parityChunks } = put.open;
    for (let index = 0; index < dataChunks + parityChunks; index++) {
      if (this.#proxy.mischief.straggles?.(stripe, index) === true) continue;
      const chunk = put.chunks.get(`${stripe}/${index}`);
      if (chunk === undefined || chunk.received < chunk.bytes.length) return;
    }
    if (put.stored.has(stripe)) return;
    put.stored.add(stripe);
    this.#send(channel, { kind: "stripeStored", stripe });
    this.#finishPut(channel, put);
  }

  #onPutCommit(channel: number, message: MessageOf<"putCommit">): void {
    const put = this.#puts.get(channel);
    if (put === undefined) return;
    put.commit = message;
    this.#finishPut(channel, put);
  }

  #finishPut(channel: number, put: Put): void {
    const { commit, open, version } = put;
    if (commit === null || put.stored.size < commit.stripeCount) return;
    const { stripeCount, stripeBytes, lastStripeBytes, bytes } = commit;
    const layout = layoutOfStripes(stripeCount, stripeBytes, lastStripeBytes);
    const chunks = new Map<string, StoredChunk>();
    const hash = keyHash(new TextEncoder().encode(open.key));
    for (const [id, chunk] of put.chunks) {
      const [stripe = 0, index = 0] = id.split("/").map(Number);
      if (this.#proxy.mischief.straggles?.(stripe, index) === true) {
        this.#proxy.lose(open.key, stripe, index);
        continue;
      }
      const digest = chunkDigest(
        { keyHash: hash, generation: 7, version, stripe, index },
        chunk.bytes,
      );
      const isRight =
        digest.low === chunk.low &&
        digest.high === chunk.high &&
        chunk.bytes.length === chunkLength(stripeLength(layout, stripe), open.dataChunks, index) &&
        put.stripeBytes.get(stripe) === stripeLength(layout, stripe);
      if (!isRight)
        return this.#send(channel, {
          kind: "failed",
          code: "ICACHE_INTERNAL",
          reason: `chunk ${id} is wrong`,
        });
      chunks.set(id, { bytes: chunk.bytes, low: chunk.low, high: chunk.high });
      this.#proxy.lost.delete(`${open.key}/${id}`);
    }
    const { dataChunks, parityChunks, metadata, ttlMs } = open;
    this.#puts.delete(channel);
    this.#proxy.objects.set(open.key, {
      described: {
        bytes,
        version,
        generation: 7,
        dataChunks,
        parityChunks,
        stripeCount,
        stripeBytes,
        lastStripeBytes,
        createdAtMs: 1_000_000,
        expiresAtMs: ttlMs === 0 ? 0 : 1_000_000 + ttlMs,
        metadata,
      },
      chunks,
    });
    const done: Message = { kind: "putDone", outcome: "stored", version };
    this.#proxy.keepOutcome(open.sequence, done);
    if (this.#proxy.mischief.cutAt?.(done) === true)
      return this.#connection.close("cut by the test");
    this.#send(channel, done);
  }

  #onGet(channel: number, message: MessageOf<"get">): void {
    const object = this.#proxy.objects.get(message.key);
    if (object === undefined) return this.#send(channel, { kind: "miss", reason: "absent" });
    const send = this.#send.bind(this, channel);
    if (sendWhole(this.#proxy, message, object, send)) return;
    const { bytes, stripeCount, stripeBytes, lastStripeBytes } = object.described;
    const layout = { bytes, stripeCount, stripeBytes, lastStripeBytes };
    const start = Math.min(message.rangeStart, bytes);
    const end = Math.max(start, Math.min(message.rangeEnd, bytes));
    const firstStripe = start < end ? stripeAt(layout, start) : 0;
    const endStripe = start < end ? stripeAt(layout, end - 1) + 1 : 0;
    this.#gets.set(channel, { object, wantAll: message.wantAll, asked: new Set() });
    this.#send(channel, { kind: "found", ...object.described, firstStripe, endStripe });
    for (
      let stripe = firstStripe;
      stripe < Math.min(endStripe, firstStripe + message.stripesAhead);
      stripe++
    )
      this.#sendStripe(channel, stripe, message.key);
  }

  #sendStripe(channel: number, stripe: number, key = this.#keyOf(channel)): void {
    const get = this.#gets.get(channel);
    if (get === undefined) return;
    const { dataChunks, parityChunks } = get.object.described;
    const all = dataChunks + parityChunks;
    const isLost = (index: number) => this.#proxy.lost.has(`${key}/${stripe}/${index}`);
    const lost = Array.from({ length: all }, (_, index) => index).filter(isLost);
    if (all - lost.length < dataChunks) {
      this.#gets.delete(channel);
      this.#proxy.objects.delete(key);
      return this.#send(channel, { kind: "miss", reason: "lost" });
    }
    if (lost.length > 0) this.#send(channel, { kind: "erasures", stripe, indexes: lost });
    const countMax = get.wantAll ? chunkCount({ dataChunks, parityChunks }) : dataChunks;
    let count = 0;
    for (let index = 0; index < all && count < countMax; index++) {
      if (isLost(index)) continue;
      this.#sendChunk(channel, get, stripe, index);
      count += 1;
    }
  }

  #keyOf(channel: number): string {
    const object = this.#gets.get(channel)?.object;
    for (const [key, each] of this.#proxy.objects) if (each === object) return key;
    return "";
  }

  #replace(channel: number, stripe: number): void {
    const get = this.#gets.get(channel);
    if (get === undefined) return;
    const { dataChunks, parityChunks } = get.object.described;
    const key = this.#keyOf(channel);
    for (let index = 0; index < dataChunks + parityChunks; index++) {
      if (get.asked.has(`${stripe}/${index}`) || this.#proxy.lost.has(`${key}/${stripe}/${index}`))
        continue;
      return this.#sendChunk(channel, get, stripe, index);
    }
    this.#send(channel, { kind: "miss", reason: "lost" });
  }

  #sendChunk(channel: number, get: Get, stripe: number, index: number): void {
    const chunk = get.object.chunks.get(`${stripe}/${index}`);
    if (chunk === undefined) return;
    get.asked.add(`${stripe}/${index}`);
    const { mischief } = this.#proxy;
    const bytes = chunk.bytes.slice();
    if (mischief.corrupt?.(stripe, index) === true && bytes.length > 0)
      bytes[bytes.length >> 1]! ^= 0x10;
    this.#send(channel, {
      kind: "chunk",
      stripe,
      index,
      attempt: 0,
      bytes: bytes.length,
      digestLow: chunk.low,
      digestHigh: chunk.high,
    });
    const parts = mischief.parts?.(stripe, index, bytes.length) ?? wholeParts(bytes.length);
    for (const part of parts) {
      this.#send(
        channel,
        { kind: "data", stripe, index, attempt: part.attempt, offset: part.offset },
        bytes.subarray(part.offset, part.offset + part.bytes),
      );
    }
  }
}

function wholeParts(bytes: number): { offset: number; bytes: number; attempt: number }[] {
  const parts = [];
  for (let offset = 0; offset < bytes; offset += PART_BYTES_MAX)
    parts.push({ offset, bytes: Math.min(PART_BYTES_MAX, bytes - offset), attempt: 0 });
  return parts;
}
