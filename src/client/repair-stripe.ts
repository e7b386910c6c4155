// One order of a repairer: asks the proxy for a stripe that lacks chunks, receives d of those it has, re-creates only the
// lost ones and sends them back, one at a time. Synchronous; no promise. It never re-creates what was not lost.

import { chunkDigest, keyHash } from "../checksum/chunk-digest.ts";
import { codeFault } from "../core/code.ts";
import { keyBytes, type ObjectKey } from "../core/ids.ts";
import { chunkLength } from "../core/layout.ts";
import { PUT_CREDIT_BYTES_INITIAL, STRIPE_BYTES_JOINED_MAX } from "../core/limits.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { BufferPool } from "./buffer-pool.ts";
import { ChunkSender } from "./chunk-sender.ts";
import type { Exchange } from "./exchange.ts";
import type { Operation, OperationHost } from "./operation.ts";
import { errorOf } from "./simple-operation.ts";
import { StripeAssembly } from "./stripe-assembly.ts";

/** What an order came to. */
export interface RepairResult {
  /** Chunks that are stored again. */
  readonly stored: number;
  /** Chunks that were re-created, and not wanted or not taken. */
  readonly refused: number;
  /** Fewer than d chunks could be read. */
  readonly isUnreadable: boolean;
}

interface LostPiece {
  readonly index: number;
  readonly bytes: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/** See the header. */
export class RepairStripe implements Operation {
  readonly #host: OperationHost<RepairResult>;
  readonly #scratch: BufferPool;
  #exchange: Exchange | null = null;
  #order: MessageOf<"repairOrder"> | null = null;
  #assembly: StripeAssembly | null = null;
  readonly #missing = new Set<number>();
  #lost: LostPiece[] | null = null;
  #sender: ChunkSender | null = null;
  #stored = 0;
  #refused = 0;

  constructor(host: OperationHost<RepairResult>, scratch: BufferPool) {
    this.#host = host;
    this.#scratch = scratch;
  }

  /** As long as there is nothing to do no deadline runs. */
  get isIdle(): boolean {
    return this.#order === null;
  }

  begin(exchange: Exchange): void {
    this.#exchange = exchange;
    this.#order = null;
    this.#lost = null;
    this.#missing.clear();
    exchange.send({ kind: "repairAsk" });
  }

  bodyPlace(message: MessageOf<"data">, bytes: number): Uint8Array | null {
    return this.#assembly?.place(message, bytes) ?? null;
  }

  onMessage(message: Message, body: Uint8Array | null): void {
    switch (message.kind) {
      case "repairOrder":
        return this.#onOrder(message);
      case "chunk":
        return this.#onChange(message, this.#assembly?.announce(message) === "bad");
      case "data":
        return this.#onChange(message, this.#assembly?.received(message, body) === "bad");
      case "erasures":
        for (const index of message.indexes) this.#missing.add(index);
        return;
      case "credit":
        return this.#sender?.grant(message.bytes);
      case "repaired":
        return this.#onRepaired(message.outcome);
      case "miss":
        return this.#host.done({ stored: 0, refused: 0, isUnreadable: true });
      case "failed":
        return this.#host.failed(errorOf(message), true);
      default:
        return this.#host.broken(`"${message.kind}" within a repair`);
    }
  }

  onLost(): null {
    this.#exchange = null;
    this.#drop();
    return null;
  }

  release(): void {
    this.#drop();
  }

  #onOrder(order: MessageOf<"repairOrder">): void {
    if (this.#order !== null) return this.#host.broken("a second order on one channel");
    const { dataChunks, parityChunks, stripe, stripeBytes, generation, version } = order;
    const code = { dataChunks, parityChunks };
    const fault = codeFault(code);
    if (fault !== null) return this.#host.broken(fault);
    if (stripeBytes === 0 || stripeBytes > STRIPE_BYTES_JOINED_MAX)
      return this.#host.broken(`a stripe of ${stripeBytes} bytes`);
    this.#order = order;
    this.#host.progress();
    for (const index of order.missing) this.#missing.add(index);
    const hash = keyHash(keyBytes(order.key as ObjectKey)); // The proxy's word; a wrong one makes wrong digests, which nobody accepts.
    const spec = { keyHash: hash, generation, version, stripe, code, stripeBytes };
    // No byte of it is wanted as such: all chunks lie in scratch memory.
    this.#assembly = new StripeAssembly({ ...spec, start: 0, end: 0 }, NOTHING, this.#scratch);
    this.#recreate();
  }

  #onChange(
    { index, stripe }: { readonly index: number; readonly stripe: number },
    isBad: boolean,
  ) {
    if (isBad) {
      this.#missing.add(index);
      this.#exchange?.send({ kind: "chunkBad", stripe, index });
    }
    this.#recreate();
  }

  /** With d chunks the lost ones are computed, once, and the first of them is sent. */
  #recreate(): void {
    const assembly = this.#assembly;
    if (assembly === null || this.#lost !== null || assembly.isShort) return;
    const { code, stripeBytes } = assembly.spec;
    const missing = [...this.#missing].filter(
      (index) => index < code.dataChunks + code.parityChunks,
    );
    assembly.noteErased(missing);
    const empty = missing
      .filter((index) => chunkLength(stripeBytes, code.dataChunks, index) === 0)
      .map((index) => ({ index, bytes: NOTHING }));
    this.#lost = [...empty, ...assembly.lostChunks()];
    this.#sendNext();
  }

  #sendNext(): void {
    const [order, exchange, piece] = [this.#order, this.#exchange, this.#lost?.[0]];
    if (order === null || exchange === null) return;
    if (piece === undefined) {
      exchange.send({ kind: "repairDone" });
      const { isShort } = this.#assembly ?? { isShort: true };
      return this.#host.done({
        stored: this.#stored,
        refused: this.#refused,
        isUnreadable: isShort,
      });
    }
    const { key, version, generation, stripe } = order;
    const { index, bytes } = piece;
    const hash = keyHash(keyBytes(key as ObjectKey)); // As above.
    const digest = chunkDigest({ keyHash: hash, generation, version, stripe, index }, bytes);
    exchange.send({
      kind: "repair",
      ...{ key, version, stripe, index, bytes: bytes.length },
      digestLow: digest.low,
      digestHigh: digest.high,
    });
    this.#sender = new ChunkSender(
      exchange,
      { stripe, index, bytes },
      PUT_CREDIT_BYTES_INITIAL,
      () => {},
    );
    this.#sender.begin(0);
  }

  #onRepaired(outcome: MessageOf<"repaired">["outcome"]): void {
    if (this.#lost === null || this.#lost.length === 0)
      return this.#host.broken("repaired, and nothing was sent");
    this.#host.progress();
    if (outcome === "stored") this.#stored += 1;
    else this.#refused += 1;
    this.#sender?.stop();
    this.#lost.shift();
    this.#sendNext();
  }

  #drop(): void {
    this.#sender?.stop();
    this.#sender = null;
    this.#assembly?.release();
    this.#assembly = null;
    this.#order = null;
  }
}
