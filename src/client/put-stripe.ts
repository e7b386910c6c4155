// One stripe of a PUT on its way: data chunks are digested and announced one after the other, parity is computed
// slice by slice while they travel, then sent. Each step is short, so that the event loop stays free.
// It never decides about the object; put-operation.ts does.

import { type ChunkIdentity, chunkDigest } from "../checksum/chunk-digest.ts";
import type { CodeSpec } from "../core/code.ts";
import { chunkLength, chunkStride } from "../core/layout.ts";
import { PUT_CREDIT_BYTES_INITIAL } from "../core/limits.ts";
import { createCode } from "../erasure/code.ts";
import type { MessageOf } from "../wire/messages.ts";
import type { BufferPool, Lease } from "./buffer-pool.ts";
import { ChunkSender } from "./chunk-sender.ts";
import type { DirectHub } from "./direct-hub.ts";
import { type DirectWay, DirectWrite } from "./direct-write.ts";
import type { Exchange } from "./exchange.ts";

/** Data bytes coded in one step: well below a millisecond. */
const ENCODED_BYTES_PER_STEP = 2 * 1_024 * 1_024;

/** What a stripe of a PUT has in common with its siblings. */
export interface PutIdentity {
  readonly keyHash: Uint8Array;
  readonly generation: number;
  readonly version: number;
}

/** Calls back to the operation. */
export interface PutStripeEvents {
  /** There is something to do again (parity memory has come). */
  readonly onWork: () => void;
  /** The stripe is stored and the transport holds nothing of it. */
  readonly onFree: (stripe: PutStripe) => void;
}

type Phase = "data" | "memory" | "encode" | "parity" | "sent";

/** See the header. `bytes` is borrowed until `onFree`, or until the exchange has drained. */
export class PutStripe {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly #exchange: Exchange;
  readonly #code: CodeSpec;
  readonly #identity: PutIdentity;
  readonly #pool: BufferPool;
  readonly #events: PutStripeEvents;
  readonly #stride: number;
  readonly #data: Uint8Array[] = [];
  readonly #parity: Uint8Array[] = [];
  readonly #senders: ChunkSender[] = [];
  /** The attempt the proxy wants of each chunk; absent: the first. */
  readonly #attempts: number[] = [];
  readonly #hub: DirectHub | null;
  /** How chunks go past the proxy, by index, until they go or the proxy wants them. */
  readonly #ways = new Map<number, DirectWay>();
  readonly #writes = new Map<number, DirectWrite>();
  /** The proxy has yet to say which chunks go directly. */
  #isAsking = false;
  #phase: Phase = "data";
  #encodedTo = 0;
  #parityLease: Lease | null = null;
  #withdraw: (() => void) | null = null;
  #isStored = false;
  #isFree = false;

  constructor(
    index: number,
    bytes: Uint8Array,
    exchange: Exchange,
    code: CodeSpec,
    identity: PutIdentity,
    pool: BufferPool,
    events: PutStripeEvents,
    hub: DirectHub | null = null,
  ) {
    this.index = index;
    this.bytes = bytes;
    this.#exchange = exchange;
    this.#code = code;
    this.#identity = identity;
    this.#pool = pool;
    this.#events = events;
    this.#hub = hub;
    this.#stride = chunkStride(bytes.length, code.dataChunks);
    for (let i = 0; i < code.dataChunks; i++) {
      const start = Math.min(bytes.length, i * this.#stride);
      this.#data.push(bytes.subarray(start, start + chunkLength(bytes.length, code.dataChunks, i)));
    }
    exchange.send({ kind: "putStripe", stripe: index, bytes: bytes.length });
    // For chunks that are too short the answer is known.
    if (hub === null || hub.listen === null || this.#stride < hub.chunkBytesMin) return;
    this.#isAsking = true;
    exchange.send({ kind: "askDirect", stripe: index });
  }

  /** True when every chunk was announced, so that only credit and resends can ask for more. */
  get isQueued(): boolean {
    return this.#phase === "sent";
  }

  /** Does one short piece of work and says how many bytes it went over; 0: nothing to do now. */
  step(): number {
    if (this.#isStored || this.#isAsking) return 0;
    if (this.#phase === "data") return this.#stepData();
    if (this.#phase === "encode") return this.#stepEncode();
    if (this.#phase === "parity") return this.#stepParity();
    return 0;
  }

  /** The proxy has said which chunks go straight to their functions. */
  opened(ways: MessageOf<"stripeOpened">["direct"]): void {
    if (!this.#isAsking) return;
    this.#isAsking = false;
    for (const way of ways) this.#ways.set(way.index, way);
    this.#events.onWork();
  }

  /** The PUT has ended: nothing more leaves towards functions. */
  stopDirect(): void {
    for (const write of this.#writes.values()) write.stop();
  }

  grant(index: number, bytes: number): void {
    this.#senders[index]?.grant(bytes);
  }

  /** Sends a chunk anew, or, when its turn has not come yet, with this attempt from the start. */
  resend(index: number, attempt: number): void {
    if (attempt <= (this.#attempts[index] ?? 0)) return;
    this.#attempts[index] = attempt;
    this.#writes.get(index)?.stop();
    const sender = this.#senders[index];
    if (sender !== undefined && !this.#isStored) this.#announce(index, sender);
  }

  /** Enough chunks are confirmed: whatever else was to be sent is left to repair. */
  stored(): void {
    this.#isStored = true;
    this.#phase = "sent";
    this.#withdraw?.();
    for (const sender of this.#senders) sender.stop();
    this.stopDirect();
    this.#settle();
  }

  /** Gives parity memory back; only when the transport holds nothing of it. */
  release(): void {
    for (const write of this.#writes.values()) write.abandon();
    this.#withdraw?.();
    this.#parityLease?.release();
    this.#parityLease = null;
  }

  #stepData(): number {
    const index = this.#senders.length;
    const bytes = this.#send(index);
    if (index + 1 === this.#code.dataChunks) this.#askForParity();
    return bytes + 1;
  }

  #askForParity(): void {
    const { parityChunks } = this.#code;
    if (parityChunks === 0) {
      this.#phase = "sent";
      return;
    }
    this.#phase = "memory";
    this.#withdraw = this.#pool.acquire(parityChunks * this.#stride, (lease) => {
      if (this.#isStored || this.#phase !== "memory") return lease.release();
      this.#parityLease = lease;
      const memory = lease.memory();
      for (let i = 0; i < parityChunks; i++)
        this.#parity.push(memory.subarray(i * this.#stride, (i + 1) * this.#stride));
      this.#phase = "encode";
      this.#events.onWork();
    });
  }

  #stepEncode(): number {
    const { dataChunks, parityChunks } = this.#code;
    const start = this.#encodedTo;
    const sliceBytes = Math.max(4_096, Math.floor(ENCODED_BYTES_PER_STEP / dataChunks / 64) * 64);
    const end = Math.min(this.#stride, start + sliceBytes);
    const data = this.#data.map((shard) =>
      shard.subarray(Math.min(start, shard.length), Math.min(end, shard.length)),
    );
    const parity = this.#parity.map((shard) => shard.subarray(start, end));
    createCode(dataChunks, parityChunks).encode(data, parity, end - start);
    this.#encodedTo = end;
    if (end === this.#stride) this.#phase = "parity";
    return (end - start) * dataChunks;
  }

  #stepParity(): number {
    const index = this.#senders.length;
    const bytes = this.#send(index);
    if (index + 1 === this.#code.dataChunks + this.#code.parityChunks) this.#phase = "sent";
    return bytes + 1;
  }

  #send(index: number): number {
    const bytes = this.#bytesOf(index);
    const sender = new ChunkSender(
      this.#exchange,
      { stripe: this.index, index, bytes },
      PUT_CREDIT_BYTES_INITIAL,
      () => this.#settle(),
    );
    this.#senders.push(sender);
    this.#announce(index, sender);
    return bytes.length;
  }

  #announce(index: number, sender: ChunkSender): void {
    const attempt = this.#attempts[index] ?? 0;
    const bytes = this.#bytesOf(index);
    const identity: ChunkIdentity = { ...this.#identity, stripe: this.index, index };
    const digest = chunkDigest(identity, bytes);
    this.#exchange.send({
      kind: "putChunk",
      stripe: this.index,
      index,
      attempt,
      bytes: bytes.length,
      digestLow: digest.low,
      digestHigh: digest.high,
    });
    const way = attempt === 0 ? this.#ways.get(index) : undefined;
    if (this.#hub === null || way === undefined) return sender.begin(attempt);
    const place = { stripe: this.index, index };
    const fail = (): void => this.#exchange.send({ kind: "notReceived", ...place, attempt });
    const write = new DirectWrite(
      this.#hub,
      way,
      { ...place, bytes },
      {
        onSent: () => this.#settle(),
        onFailed: fail,
        onHold: (change) => this.#exchange.noteDirect(change),
      },
    );
    this.#writes.set(index, write);
    if (!write.begin()) fail();
  }

  #bytesOf(index: number): Uint8Array {
    const { dataChunks } = this.#code;
    // Proof: both lists are filled before a chunk of theirs is asked for.
    return index < dataChunks ? this.#data[index]! : this.#parity[index - dataChunks]!;
  }

  #settle(): void {
    const isIdle = this.#senders.every((sender) => sender.isIdle);
    if (!this.#isStored || this.#isFree || !isIdle) return;
    for (const write of this.#writes.values()) if (!write.isIdle) return;
    this.#isFree = true;
    this.release();
    this.#events.onFree(this);
  }
}
