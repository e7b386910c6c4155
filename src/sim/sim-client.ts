// A client of a simulated world: the production operations of the library on a machine that can die, and a caller that
// puts, reads, removes and waits by chance. It writes down what it did and saw; it judges nothing but bytes.
// It runs the library's synchronous cores: the promises of cache.ts are left out, and stripes can be small.

import { BufferPool } from "../client/buffer-pool.ts";
import { BufferSink } from "../client/buffer-sink.ts";
import { Gate } from "../client/gate.ts";
import { GetOperation, type GetOutcome } from "../client/get-operation.ts";
import type { Operation, OperationHost, Outcome } from "../client/operation.ts";
import { PutOperation, type PutOutcome } from "../client/put-operation.ts";
import type { StripeSource } from "../client/put-source.ts";
import { RepairQueue } from "../client/repair-queue.ts";
import { readStored } from "../client/replies.ts";
import { Run, type RunContext } from "../client/run.ts";
import { Session } from "../client/session.ts";
import { type Reply, SimpleOperation } from "../client/simple-operation.ts";
import type { CodeSpec } from "../core/code.ts";
import { CacheError } from "../core/errors.ts";
import type { ObjectKey } from "../core/ids.ts";
import { layoutOfStripes, type ObjectLayout, stripeLength, stripeOffset } from "../core/layout.ts";
import type { WallClock } from "../core/ports.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { History, Mutation } from "./history.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import { firstDifference, payloadOf } from "./payload.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { SimCrypto } from "./sim-crypto.ts";

const POOL_BYTES_MAX = 64 * 1_024 * 1_024;
const OPERATIONS_MAX = 64;
/** The metadata name under which a write's number stands, for objects too short to carry it. */
const WRITE_NAME = "write";

/** What a client needs of its world. */
export interface ClientWorld {
  readonly network: Network;
  readonly wallClock: WallClock;
  readonly history: History;
  readonly address: string;
  violate(what: string): void;
  trace(what: string): void;
}

/** How an operation ended, for callers that go on then. */
export type Ended = "hit" | "miss" | "stored" | "exists" | "removed" | "failed";

/** See the header. */
export class SimClient {
  readonly machine: Machine;
  readonly #world: ClientWorld;
  readonly #session: Session;
  readonly #context: RunContext;
  readonly #repairs: RepairQueue;
  readonly #scratch: BufferPool;
  readonly #parity: BufferPool;
  #sequence = 0;
  #underWay = 0;

  constructor(machine: Machine, random: SeededRandom, world: ClientWorld) {
    this.machine = machine;
    this.#world = world;
    const allocate = (bytes: number): Uint8Array => new Uint8Array(bytes);
    this.#scratch = new BufferPool(POOL_BYTES_MAX, allocate);
    this.#parity = new BufferPool(POOL_BYTES_MAX, allocate);
    this.#session = new Session({
      dialer: world.network.dialerOf(machine),
      address: world.address,
      clock: machine.clock,
      random,
      clientId: new SimCrypto(random).randomBytes(16),
      token: "",
      agent: "sim",
      unreachableMs: 10_000,
    });
    const gate = new Gate(OPERATIONS_MAX, OPERATIONS_MAX);
    this.#context = { clock: machine.clock, session: this.#session, gate };
    this.#repairs = new RepairQueue(this.#context);
  }

  /** Operations whose end has not been told. */
  get operationsUnderWay(): number {
    return this.machine.isDead ? 0 : this.#underWay;
  }

  /** What it still holds although nothing is under way: must be empty. */
  leaks(): string[] {
    if (this.machine.isDead) return [];
    const held = {
      "operations in the gate": this.#context.gate.insideCount,
      "bytes of scratch": this.#scratch.usedBytes,
      "bytes of parity": this.#parity.usedBytes,
      repairs: this.#repairs.isIdle ? 0 : 1,
    };
    return Object.entries(held)
      .filter(([, count]) => count !== 0)
      .map(([name, count]) => `${this.machine.name} still holds ${count} ${name}`);
  }

  /** Stores bytes of its own in stripes of at most `stripeBytes`. */
  put(
    key: string,
    bytes: number,
    stripeBytes: number,
    code: CodeSpec | null,
    options: { readonly ttlMs: number; readonly ifAbsent: boolean; readonly deadlineMs: number },
    ended: (how: Ended) => void,
  ): void {
    const { history } = this.#world;
    const { ttlMs, ifAbsent, deadlineMs } = options;
    const mutation = history.begin("put", key, bytes, ttlMs, this.#now());
    this.#sequence += 1;
    const request = {
      key: key as ObjectKey, // Proof: scenarios name their keys themselves.
      sequence: this.#sequence,
      code,
      ttlMs,
      ifAbsent,
      proxyDeadlineMs: null,
      metadata: [{ name: WRITE_NAME, value: `${mutation.write} ${bytes}` }],
    };
    const source = new StripedSource(payloadOf(mutation.write, bytes), stripeBytes);
    const name = `put ${key} as write ${mutation.write} of ${bytes} bytes`;
    this.#run<PutOutcome>(
      name,
      deadlineMs,
      true,
      (host) => new PutOperation(host, request, source, this.#parity),
      (outcome) => {
        // A refusal speaks of the last beginning only: an earlier one may have taken effect.
        if (outcome.kind === "failed") return ended("failed");
        if (outcome.result.kind === "stored") this.#acknowledge(mutation);
        ended(outcome.result.kind);
      },
    );
  }

  /** Reads an object, or bytes [start, end) of it. */
  get(
    key: string,
    range: { readonly start: number; readonly end: number },
    wantAll: boolean,
    deadlineMs: number,
    ended: (how: Ended) => void,
  ): void {
    const begunAt = this.#now();
    const wallBegunAt = this.#world.wallClock.now();
    const sink = new BufferSink(null, (bytes) => new Uint8Array(bytes));
    const request = {
      key: key as ObjectKey,
      ...range,
      wantAll,
      stripesAhead: 3,
      proxyDeadlineMs: null,
    };
    this.#run<GetOutcome>(
      `get ${key} from ${range.start}`,
      deadlineMs,
      false,
      (host) => new GetOperation(host, request, sink, this.#scratch, this.#repairs),
      (outcome) => {
        if (outcome.kind === "failed") return ended("failed");
        if (outcome.result.kind === "miss") {
          this.#world.history.misses++;
          return ended("miss");
        }
        const { message, start } = outcome.result.found;
        const write = this.#noteHit(key, message, begunAt, wallBegunAt);
        const at = firstDifference(sink.result, write, message.bytes, start);
        if (at !== null)
          this.#world.violate(
            `wrong bytes: ${key}, write ${write} of ${message.bytes} bytes, differs at ${start + at}`,
          );
        ended("hit");
      },
    );
  }

  /** Asks what is known of an object. */
  stat(key: string, deadlineMs: number, ended: (how: Ended) => void): void {
    const begunAt = this.#now();
    const wallBegunAt = this.#world.wallClock.now();
    this.#ask(`stat ${key}`, { kind: "stat", key }, deadlineMs, readStored, (outcome) => {
      if (outcome.kind === "failed") return ended("failed");
      if (outcome.result.kind === "miss") return ended("miss");
      this.#noteHit(key, outcome.result, begunAt, wallBegunAt);
      ended("hit");
    });
  }

  /** Removes an object. */
  remove(key: string, deadlineMs: number, ended: (how: Ended) => void): void {
    const mutation = this.#world.history.begin("remove", key, 0, 0, this.#now());
    this.#sequence += 1;
    const request: Message = { kind: "remove", key, sequence: this.#sequence };
    const read = (message: Message): Reply<boolean> =>
      message.kind === "removed"
        ? { kind: "result", result: message.existed }
        : { kind: "unexpected" };
    this.#ask(`remove ${key} as write ${mutation.write}`, request, deadlineMs, read, (outcome) => {
      if (outcome.kind === "failed") return ended("failed");
      this.#acknowledge(mutation);
      ended("removed");
    });
  }

  #now(): number {
    return this.machine.clock.now();
  }

  #acknowledge(mutation: Mutation): void {
    mutation.endedAt = this.#now();
    mutation.wallEndedAt = this.#world.wallClock.now();
  }

  /** Which write a reply is of, by its metadata; the length must be that write's. */
  #noteHit(key: string, found: MessageOf<"found">, begunAt: number, wallBegunAt: number): number {
    const [write = 0, bytes = -1] = (
      found.metadata.find(({ name }) => name === WRITE_NAME)?.value ?? ""
    )
      .split(" ")
      .map(Number);
    if (bytes !== found.bytes)
      this.#world.violate(
        `wrong length: ${key} has ${found.bytes} bytes and says it was written with ${bytes}`,
      );
    const version = `${found.generation}:${found.version}`;
    this.#world.history.hits.push({
      key,
      write,
      version,
      begunAt,
      endedAt: this.#now(),
      wallBegunAt,
    });
    return write;
  }

  #ask<Result>(
    name: string,
    request: Message,
    deadlineMs: number,
    read: (message: Message) => Reply<Result>,
    ended: (outcome: Outcome<Result>) => void,
  ): void {
    this.#run<Result>(
      name,
      deadlineMs,
      false,
      (host) => new SimpleOperation(host, request, () => read),
      ended,
    );
  }

  #run<Result>(
    name: string,
    deadlineMs: number,
    usesCallersMemory: boolean,
    makeCore: (host: OperationHost<Result>) => Operation,
    ended: (outcome: Outcome<Result>) => void,
  ): void {
    this.#underWay++;
    const run = new Run<Result>(
      this.#context,
      { name, deadlineMs, deadlineFrom: "start", usesCallersMemory },
      makeCore,
      (outcome) => {
        this.#underWay--;
        this.#world.trace(`${this.machine.name}: ${name}: ${describe(outcome)}`);
        if (outcome.kind === "failed" && !(outcome.error instanceof CacheError))
          throw outcome.error;
        if (
          outcome.kind === "failed" &&
          outcome.error instanceof CacheError &&
          outcome.error.code === "ICACHE_PROTOCOL"
        ) {
          this.#world.violate(`${name}: ${outcome.error.message}`);
        }
        // The next one begins in a turn of its own, as with promises.
        this.machine.clock.setTimer(0, () => ended(outcome));
      },
    );
    run.start();
  }
}

function describe(outcome: Outcome<unknown>): string {
  if (outcome.kind === "failed") return String(outcome.error);
  const { result } = outcome;
  return typeof result === "object" && result !== null && "kind" in result
    ? String(result.kind)
    : String(result);
}

/** A body in stripes of any length: the library's own begin at 32 MiB, too much for thousands of runs. */
class StripedSource implements StripeSource {
  readonly size: number;
  readonly layout: ObjectLayout;
  readonly isRewindable = true;
  readonly #bytes: Uint8Array;
  #next = 0;

  constructor(bytes: Uint8Array, stripeBytes: number) {
    this.#bytes = bytes;
    this.size = bytes.length;
    const count = Math.ceil(bytes.length / stripeBytes);
    const whole = count === 1 ? bytes.length : stripeBytes;
    this.layout =
      count === 0
        ? layoutOfStripes(0, 0, 0)
        : layoutOfStripes(count, whole, bytes.length - (count - 1) * whole);
  }

  take(): Uint8Array | "end" {
    if (this.#next === this.layout.stripeCount) return "end";
    const from = stripeOffset(this.layout, this.#next);
    return this.#bytes.subarray(from, from + stripeLength(this.layout, this.#next++));
  }

  giveBack(): void {}

  rewind(): void {
    this.#next = 0;
  }

  listen(): void {}

  close(): void {}
}
