// Chunks that a read computed anew because they were lost, offered to the proxy one at a time in the background.
// Best effort: what does not fit or fails is dropped and will be found missing again. It never delays a read.

import { chunkDigest } from "../checksum/chunk-digest.ts";
import { PUT_CREDIT_BYTES_INITIAL } from "../core/limits.ts";
import type { Message } from "../wire/messages.ts";
import { ChunkSender } from "./chunk-sender.ts";
import type { Exchange } from "./exchange.ts";
import type { LostChunk, RepairOffers } from "./get-contract.ts";
import type { Operation, OperationHost } from "./operation.ts";
import { Run, type RunContext } from "./run.ts";
import { errorOf } from "./simple-operation.ts";

/** Bytes that may wait to be offered; a node's worth of erasures would be more, but the next read finds them again. */
export const REPAIR_BYTES_MAX = 64 * 1_024 * 1_024;
/** One offer may take this long. */
const REPAIR_MS_MAX = 30_000;

/** How offers ended. */
export interface RepairCounts {
  offered: number;
  stored: number;
  obsolete: number;
  refused: number;
  failed: number;
  /** Not taken, because too much was waiting. */
  dropped: number;
}

type RepairOutcome = "stored" | "obsolete" | "refused";

/** See the header. */
export class RepairQueue implements RepairOffers {
  readonly counts: RepairCounts = {
    offered: 0,
    stored: 0,
    obsolete: 0,
    refused: 0,
    failed: 0,
    dropped: 0,
  };
  readonly #context: RunContext;
  readonly #waiting: LostChunk[] = [];
  #waitingBytes = 0;
  #running: Run<RepairOutcome> | null = null;
  #isClosed = false;

  constructor(context: RunContext) {
    this.#context = context;
  }

  /** True when nothing waits and nothing is under way. */
  get isIdle(): boolean {
    return this.#running === null;
  }

  hasRoom(bytes: number): boolean {
    const hasRoom = !this.#isClosed && this.#waitingBytes + bytes <= REPAIR_BYTES_MAX;
    if (!hasRoom) this.counts.dropped += 1;
    return hasRoom;
  }

  offer(chunk: LostChunk): void {
    if (this.#isClosed || this.#isWaiting(chunk)) return;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.bytes.length;
    this.#next();
  }

  /** Forgets what waits and gives up what is under way. */
  close(error: unknown): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
    this.#running?.abandon(error);
  }

  #isWaiting(chunk: LostChunk): boolean {
    return this.#waiting.some(
      ({ key, version, stripe, index }) =>
        key === chunk.key &&
        version === chunk.version &&
        stripe === chunk.stripe &&
        index === chunk.index,
    );
  }

  #next(): void {
    const chunk = this.#waiting[0];
    if (this.#running !== null || chunk === undefined) return;
    this.counts.offered += 1;
    const run = new Run<RepairOutcome>(
      this.#context,
      {
        name: "repair",
        target: { key: chunk.key },
        deadlineMs: REPAIR_MS_MAX,
        deadlineFrom: "start",
        usesCallersMemory: false,
      },
      (host) => new RepairOperation(host, chunk),
      (outcome) => {
        this.counts[outcome.kind === "done" ? outcome.result : "failed"] += 1;
        this.#running = null;
        this.#waiting.shift();
        this.#waitingBytes -= chunk.bytes.length;
        // In a later turn, so that a proxy that refuses everything at once does not deepen the stack.
        this.#context.clock.afterInput(() => this.#next());
      },
    );
    this.#running = run;
    this.#context.clock.afterInput(() => {
      if (this.#running === run && !this.#isClosed) run.start();
    });
  }
}

/** Offers one chunk. Begun anew after a lost connection: the proxy takes it only if it is still missing. */
class RepairOperation implements Operation {
  readonly #host: OperationHost<RepairOutcome>;
  readonly #chunk: LostChunk;
  #sender: ChunkSender | null = null;

  constructor(host: OperationHost<RepairOutcome>, chunk: LostChunk) {
    this.#host = host;
    this.#chunk = chunk;
  }

  begin(exchange: Exchange): void {
    const { key, keyHash, generation, version, stripe, index, bytes } = this.#chunk;
    const digest = chunkDigest({ keyHash, generation, version, stripe, index }, bytes);
    exchange.send({
      kind: "repair",
      key,
      version,
      stripe,
      index,
      bytes: bytes.length,
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

  bodyPlace(): null {
    return null;
  }

  onMessage(message: Message): void {
    if (message.kind === "repaired") this.#host.done(message.outcome);
    else if (message.kind === "credit") this.#sender?.grant(message.bytes);
    else if (message.kind === "failed") this.#host.failed(errorOf(message), true);
    else this.#host.broken(`"${message.kind}" within a repair`);
  }

  onLost(): null {
    return null;
  }

  release(): void {
    this.#sender?.stop();
  }
}
