// PUT: opens a version, sends the stripes of its source with a bounded number on their way, commits, and waits
// for the acknowledgement. The protocol's steps are in docs/protocol/operations.md. Synchronous; no promise in it.

import { keyHash } from "../checksum/chunk-digest.ts";
import { type CodeSpec, codeForSize, formatCode } from "../core/code.ts";
import { CacheError } from "../core/errors.ts";
import { keyBytes, type ObjectKey } from "../core/ids.ts";
import { chunkStride } from "../core/layout.ts";
import { RETRY_WINDOW_MS, STRIPE_BYTES_MAX } from "../core/limits.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { DirectHub } from "./direct-hub.ts";
import type { Exchange, Welcome } from "./exchange.ts";
import type { Operation, OperationHost } from "./operation.ts";
import type { StripeSource } from "./put-source.ts";
import { type PutIdentity, PutStripe } from "./put-stripe.ts";
import { errorOf } from "./simple-operation.ts";

/** Stripes on their way at once: enough that the next is coded while the last is being confirmed. */
export const STRIPES_IN_FLIGHT_BUFFER_MAX = 3;
export const STRIPES_IN_FLIGHT_STREAM_MAX = 2;
/** Bytes digested or coded in one turn before other input is let in. */
const WORK_BYTES_PER_TURN = 1_024 * 1_024;

/** The proxy's window begins when it commits, which is after we ask for it; this is for what a retry needs to arrive. */
const RETRY_MARGIN_MS = 10_000;

/** Parity of one stripe lies in memory at once; codes with much of it are for small objects. */
const PARITY_BYTES_MAX = 512 * 1_024 * 1_024;

const NOBODY = { address: "", generation: 0, term: 0 };

/** What is to be stored. */
export interface PutRequest {
  readonly key: ObjectKey;
  /** Names this change together with the client id; the same when it is begun anew. */
  readonly sequence: number;
  readonly code: CodeSpec | null;
  /** 0: never expires. */
  readonly ttlMs: number;
  readonly ifAbsent: boolean;
  /** 0: none. */
  readonly lease: number;
  readonly metadata: readonly { readonly name: string; readonly value: string }[];
  /** What the proxy is told; null: what is left of the caller's deadline. */
  readonly proxyDeadlineMs: number | null;
}

/** What became of it. */
export type PutOutcome =
  | {
      readonly kind: "stored";
      readonly version: number;
      readonly bytes: number;
      readonly code: CodeSpec;
    }
  | { readonly kind: "exists"; readonly version: number };

/** See the header. */
export class PutOperation implements Operation {
  readonly #host: OperationHost<PutOutcome>;
  readonly #request: PutRequest;
  readonly #source: StripeSource;
  readonly #parityPool: BufferPool;
  readonly #hub: DirectHub | null;
  #exchange: Exchange | null = null;
  #welcome: Welcome | null = null;
  #remainingMs = 0;
  #code: CodeSpec | null = null;
  #identity: PutIdentity | null = null;
  #stripes = new Map<number, PutStripe>();
  #nextStripe = 0;
  #hasEnded = false;
  #isCommitSent = false;
  /** The first commit of any beginning. */
  #commitSent: (Pick<Welcome, "address" | "generation" | "term"> & { readonly at: number }) | null =
    null;
  #isWorkDue = false;
  /** Something of a source that cannot be read again was taken. */
  #isStreamRead = false;

  constructor(
    host: OperationHost<PutOutcome>,
    request: PutRequest,
    source: StripeSource,
    parityPool: BufferPool,
    hub: DirectHub | null = null,
  ) {
    this.#host = host;
    this.#request = request;
    this.#source = source;
    this.#parityPool = parityPool;
    this.#hub = hub;
    source.listen(
      () => this.#onSource(),
      (error) => this.#host.failed(error),
    );
  }

  begin(exchange: Exchange, welcome: Welcome, remainingMs: number): void {
    if (!this.#isRetrySafe(welcome)) {
      const text =
        "the connection was lost during the commit, and who answers now cannot know its outcome";
      this.#host.failed(new CacheError("ICACHE_OUTCOME_UNKNOWN", text), true);
      return;
    }
    this.#source.rewind();
    this.#exchange = exchange;
    this.#welcome = welcome;
    this.#remainingMs = remainingMs;
    this.#code = null;
    this.#identity = null;
    this.#stripes = new Map();
    this.#nextStripe = 0;
    this.#hasEnded = false;
    this.#isCommitSent = false;
    this.#isWorkDue = false;
    this.#open();
  }

  get isIdle(): boolean {
    if (this.#source.isRewindable || this.#hasEnded || this.#stripes.size > 0) return false;
    // Waits for the first stripe before the version is asked for, and for the next one after it was opened.
    return this.#code === null || this.#identity !== null;
  }

  bodyPlace(): null {
    return null;
  }

  onMessage(message: Message): void {
    switch (message.kind) {
      case "putOpened":
        return this.#onOpened(message);
      case "credit":
        return this.#stripes.get(message.stripe)?.grant(message.index, message.bytes);
      case "resend":
        this.#stripes.get(message.stripe)?.resend(message.index, message.attempt);
        return;
      case "stripeOpened":
        return this.#stripes.get(message.stripe)?.opened(message.direct);
      case "stripeStored":
        this.#host.progress();
        this.#stripes.get(message.stripe)?.stored();
        return;
      case "putDone":
        return this.#onDone(message);
      case "failed":
        return this.#host.failed(errorOf(message), true);
      default:
        return this.#host.broken(`"${message.kind}" within a PUT`);
    }
  }

  onLost(reason: string): unknown {
    this.#exchange = null;
    // A stream is gone once it was read, but after its commit the proxy can still be asked what became of that.
    if (!this.#isStreamRead || this.#commitSent !== null) {
      this.#dropStripes();
      return null;
    }
    return new CacheError(
      "ICACHE_UNREACHABLE",
      `the connection was lost and the stream cannot be read again: ${reason}`,
    );
  }

  /** The proxy did nothing and knows of no earlier commit: there was none that took effect. */
  onWrongProxy(): void {
    this.#commitSent = null;
    this.#isCommitSent = false;
  }

  onEnding(): void {
    for (const stripe of this.#stripes.values()) stripe.stopDirect();
  }

  release(): void {
    this.#dropStripes();
    this.#source.close();
  }

  /**
   * Only the proxy that was sent a commit knows for a while whether it took effect, also after a restart with its table:
   * the outcome is durable together with the effect. Begun anew elsewhere, later, or where the table was lost, the PUT
   * could take effect twice: once before somebody else's, and once after it.
   */
  #isRetrySafe({ address, generation }: Welcome): boolean {
    const sent = this.#commitSent;
    return (
      sent === null ||
      (sent.address === address &&
        sent.generation === generation &&
        this.#host.now() - sent.at < RETRY_WINDOW_MS - RETRY_MARGIN_MS)
    );
  }

  /** The proxy does not know of the commit that was sent: it has not taken effect, and after the proxy's own end it never will. */
  #streamIsGone(): CacheError {
    const isOver = this.#welcome?.term !== this.#commitSent?.term;
    const text = isOver
      ? "the connection was lost before the PUT took effect, and the stream cannot be read again"
      : "the connection was lost while the PUT was being committed, and it had not taken effect yet";
    return new CacheError(isOver ? "ICACHE_UNREACHABLE" : "ICACHE_OUTCOME_UNKNOWN", text);
  }

  #dropStripes(): void {
    for (const stripe of this.#stripes.values()) stripe.release();
    this.#stripes = new Map();
  }

  /** Opens as soon as the size, and with it the code, is known. */
  #open(): void {
    const { size } = this.#source;
    if (this.#exchange === null || this.#welcome === null || this.#code !== null || size === null)
      return;
    const { key, sequence, ttlMs, ifAbsent, lease, metadata, proxyDeadlineMs } = this.#request;
    const bytes = size === "large" ? Number.MAX_SAFE_INTEGER : size;
    const code = this.#request.code ?? codeForSize(this.#welcome.codeRules, bytes);
    const parityBytes =
      code.parityChunks *
      chunkStride(Math.max(1, Math.min(bytes, STRIPE_BYTES_MAX)), code.dataChunks);
    if (parityBytes > PARITY_BYTES_MAX) {
      const text = `${formatCode(code)} makes ${parityBytes} bytes of parity for one stripe; at most ${PARITY_BYTES_MAX} are held`;
      return this.#host.failed(new CacheError("ICACHE_TOO_LARGE", text), true);
    }
    this.#code = code;
    const deadlineMs = proxyDeadlineMs ?? this.#remainingMs;
    this.#exchange.send({
      kind: "putOpen",
      key,
      sequence,
      bytes,
      ...code,
      ttlMs,
      ifAbsent,
      lease,
      deadlineMs,
      metadata,
    });
  }

  #onSource(): void {
    this.#open();
    this.#wantWork();
  }

  #onOpened(message: MessageOf<"putOpened">): void {
    if (this.#identity !== null || this.#code === null)
      return this.#host.broken("putOpened out of place");
    if (this.#isStreamRead) return this.#host.failed(this.#streamIsGone());
    const { version, generation } = message;
    this.#identity = { keyHash: keyHash(keyBytes(this.#request.key)), version, generation };
    this.#work();
  }

  #onDone(message: MessageOf<"putDone">): void {
    if (message.outcome === "exists")
      return this.#host.done({ kind: "exists", version: message.version });
    const layout = this.#source.layout;
    const code = this.#code;
    // A retry may be answered at once, before its stripes were sent again.
    if (code === null || layout === null)
      return this.#host.broken("putDone before the body was sent");
    this.#host.done({ kind: "stored", version: message.version, bytes: layout.bytes, code });
  }

  #wantWork(): void {
    if (this.#isWorkDue || this.#identity === null) return;
    this.#isWorkDue = true;
    const identity = this.#identity;
    this.#host.later(() => {
      if (identity === this.#identity) this.#work();
    });
  }

  /** A turn of work: stripes in order, the oldest first, until the turn's share is used up or nothing is to be done. */
  #work(): void {
    this.#isWorkDue = false;
    let bytes = 0;
    while (bytes < WORK_BYTES_PER_TURN) {
      this.#takeStripes();
      const done = this.#stepOne();
      if (done === 0) return this.#commitIfQueued();
      bytes += done;
    }
    this.#commitIfQueued();
    this.#wantWork();
  }

  #stepOne(): number {
    for (const stripe of this.#stripes.values()) {
      const done = stripe.step();
      if (done > 0) return done;
    }
    return 0;
  }

  #takeStripes(): void {
    const stripesMax = this.#source.isRewindable
      ? STRIPES_IN_FLIGHT_BUFFER_MAX
      : STRIPES_IN_FLIGHT_STREAM_MAX;
    while (!this.#hasEnded && this.#stripes.size < stripesMax) {
      const bytes = this.#source.take();
      if (
        bytes === null ||
        this.#exchange === null ||
        this.#code === null ||
        this.#identity === null
      )
        return;
      this.#isStreamRead ||= !this.#source.isRewindable;
      if (bytes === "end") {
        this.#hasEnded = true;
        return;
      }
      this.#host.progress();
      const stripe = new PutStripe(
        this.#nextStripe,
        bytes,
        this.#exchange,
        this.#code,
        this.#identity,
        this.#parityPool,
        {
          onWork: () => this.#wantWork(),
          onFree: (freed) => this.#onFree(freed),
        },
        this.#hub,
      );
      this.#stripes.set(this.#nextStripe, stripe);
      this.#nextStripe += 1;
    }
  }

  #onFree(stripe: PutStripe): void {
    if (this.#stripes.get(stripe.index) !== stripe) return;
    this.#stripes.delete(stripe.index);
    this.#source.giveBack(stripe.bytes);
    this.#wantWork();
  }

  #commitIfQueued(): void {
    const layout = this.#source.layout;
    if (!this.#hasEnded || this.#isCommitSent || layout === null) return;
    for (const stripe of this.#stripes.values()) if (!stripe.isQueued) return;
    this.#isCommitSent = true;
    const { address, generation, term } = this.#welcome ?? NOBODY;
    this.#commitSent ??= { address, generation, term, at: this.#host.now() };
    const { stripeCount, stripeBytes, lastStripeBytes, bytes } = layout;
    this.#exchange?.send({ kind: "putCommit", stripeCount, stripeBytes, lastStripeBytes, bytes });
  }
}
