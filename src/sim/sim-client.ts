// A client of a simulated world: the production operations of the library on a machine that can die, and a caller that
// puts, reads, removes and waits by chance. It writes down what it did and saw; it judges nothing but bytes.
// It runs the library's synchronous cores: the promises of cache.ts are left out, and stripes can be small.

import { BufferPool } from "../client/buffer-pool.ts";
import { BufferSink } from "../client/buffer-sink.ts";
import { Gate } from "../client/gate.ts";
import { GetOperation, type GetOutcome } from "../client/get-operation.ts";
import type { Operation, OperationHost, Outcome } from "../client/operation.ts";
import { PutOperation, type PutOutcome } from "../client/put-operation.ts";
import { RepairQueue } from "../client/repair-queue.ts";
import { readListing, readStored, type StoredRow } from "../client/replies.ts";
import { Run, type RunContext } from "../client/run.ts";
import { Session } from "../client/session.ts";
import { type Reply, SimpleOperation } from "../client/simple-operation.ts";
import type { CodeSpec } from "../core/code.ts";
import { CacheError } from "../core/errors.ts";
import type { ObjectKey } from "../core/ids.ts";
import type { WallClock } from "../core/ports.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { History, Moment, Sighting } from "./history.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import { firstDifference, payloadOf } from "./payload.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { SimCrypto } from "./sim-crypto.ts";
import { StripedSource } from "./striped-source.ts";

const POOL_BYTES_MAX = 64 * 1_024 * 1_024;
const OPERATIONS_MAX = 64;
/** Rows of a listing: more than there are keys. */
const LISTED_MAX = 1_000;
/** The metadata name under which a write's number stands, for objects too short to carry it. */
const WRITE_NAME = "write";

/** What a client needs of its world. */
export interface ClientWorld {
  readonly network: Network;
  readonly wallClock: WallClock;
  readonly history: History;
  readonly address: string;
  /** Of the data now; a PUT's answer does not tell it. */
  generation(): number;
  violate(what: string): void;
  trace(what: string): void;
}

/** How an operation ended, for callers that go on then. */
export type Ended = "hit" | "miss" | "stored" | "exists" | "removed" | "listed" | "failed";

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
      random: random.timed("choices", machine.clock),
      clientId: new SimCrypto(random).randomBytes(16),
      token: "",
      agent: "sim",
      unreachableMs: 10_000,
    });
    const gate = new Gate(OPERATIONS_MAX, OPERATIONS_MAX);
    this.#context = { clock: machine.clock, sessions: { to: () => this.#session }, gate };
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
    const begun = this.#moment();
    const mutation = history.begin({ kind: "put", key, bytes, ttlMs, ifAbsent }, begun);
    const versionOf = this.#versions();
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
        const version = versionOf(outcome.result.version);
        if (outcome.result.kind === "stored") history.end(mutation, version, this.#moment());
        else {
          mutation.isVoid = true;
          this.#noteSeen("exists", key, { version }, begun);
        }
        ended(outcome.result.kind);
      },
    );
  }

  /** Reads an object, or bytes [start, end) of it. */
  get(
    key: string,
    { start, end }: { readonly start: number; readonly end: number },
    wantAll: boolean,
    deadlineMs: number,
    ended: (how: Ended) => void,
  ): void {
    const begun = this.#moment();
    const sink = new BufferSink(null, (bytes) => new Uint8Array(bytes));
    const request = {
      key: key as ObjectKey,
      start,
      end,
      wantAll,
      stripesAhead: 3,
      proxyDeadlineMs: null,
    };
    this.#run<GetOutcome>(
      `get ${key} from ${start}`,
      deadlineMs,
      false,
      (host) => new GetOperation(host, request, sink, this.#scratch, this.#repairs),
      (outcome) => {
        if (outcome.kind === "failed") return ended("failed");
        if (outcome.result.kind === "miss") {
          this.#world.history.misses++;
          this.#noteMiss("a read", key, outcome.result.reason, begun);
          return ended("miss");
        }
        this.#world.history.hits++;
        const { message, start: from } = outcome.result.found;
        const write = this.#noteFound(key, message, begun);
        const at = firstDifference(sink.result, write, message.bytes, from);
        if (at !== null)
          this.#world.violate(
            `wrong bytes: ${key}, write ${write} of ${message.bytes} bytes, differs at ${from + at}`,
          );
        ended("hit");
      },
    );
  }

  /** Asks what is known of an object. */
  stat(key: string, deadlineMs: number, ended: (how: Ended) => void): void {
    const begun = this.#moment();
    this.#ask(`stat ${key}`, { kind: "stat", key }, deadlineMs, readStored, (outcome) => {
      if (outcome.kind === "failed") return ended("failed");
      const { result } = outcome;
      if (result.kind === "miss") {
        this.#noteMiss("a stat", key, result.reason, begun);
        return ended("miss");
      }
      this.#noteFound(key, result, begun);
      ended("hit");
    });
  }

  /** Asks for all keys with a prefix. */
  list(prefix: string, deadlineMs: number, ended: (how: Ended) => void): void {
    const begun = this.#moment();
    const versionOf = this.#versions();
    const request: Message = { kind: "list", prefix, after: "", limit: LISTED_MAX };
    this.#ask(`list ${prefix}`, request, deadlineMs, readListing, (outcome) => {
      if (outcome.kind === "failed") return ended("failed");
      const { rows, isLast } = outcome.result;
      if (rows.some(({ key }, at) => key <= (rows[at - 1]?.key ?? "")))
        this.#world.violate(`the listing of ${prefix} is not in order`);
      for (const row of rows) this.#noteRow(row, versionOf(row.version), begun);
      const keys = new Set(rows.map(({ key }) => key));
      if (isLast) this.#world.history.noteListing(keys, begun.at, this.#now());
      ended("listed");
    });
  }

  /** Removes an object. */
  remove(key: string, deadlineMs: number, ended: (how: Ended) => void): void {
    const { history } = this.#world;
    const wish = { kind: "remove", key, bytes: 0, ttlMs: 0, ifAbsent: false } as const;
    const mutation = history.begin(wish, this.#moment());
    this.#sequence += 1;
    const request: Message = { kind: "remove", key, sequence: this.#sequence };
    const read = (message: Message): Reply<boolean> =>
      message.kind === "removed"
        ? { kind: "result", result: message.existed }
        : { kind: "unexpected" };
    this.#ask(`remove ${key} as write ${mutation.write}`, request, deadlineMs, read, (outcome) => {
      if (outcome.kind === "failed") return ended("failed");
      history.end(mutation, null, this.#moment());
      ended("removed");
    });
  }

  #now(): number {
    return this.machine.clock.now();
  }

  #moment(): Moment {
    return { at: this.#now(), wallAt: this.#world.wallClock.now() };
  }

  /** Names versions that are told from now on; null when the data began anew meanwhile, for then nobody knows whose they are. */
  #versions(): (version: number) => string | null {
    const generation = this.#world.generation();
    return (version) =>
      this.#world.generation() === generation ? `${generation}:${version}` : null;
  }

  #noteMiss(how: string, key: string, reason: string, begun: Moment): void {
    // Out of reach is not absent.
    if (reason === "unreachable") return;
    this.#world.history.absences.push({ how, key, begunAt: begun.at, endedAt: this.#now() });
  }

  #noteSeen(
    how: Sighting["how"],
    key: string,
    seen: Partial<Pick<Sighting, "write" | "version" | "bytes" | "expiresAtMs">>,
    begun: Moment,
  ): void {
    const { write = null, version = null, bytes = null, expiresAtMs = null } = seen;
    this.#world.history.sightings.push({
      how,
      key,
      write,
      version,
      bytes,
      expiresAtMs,
      begunAt: begun.at,
      endedAt: this.#now(),
      wallBegunAt: begun.wallAt,
    });
  }

  #noteRow(row: StoredRow, version: string | null, begun: Moment): void {
    const { key, bytes, expiresAt } = row;
    const expiresAtMs = expiresAt === null ? 0 : expiresAt.getTime();
    this.#noteSeen("list", key, { version, bytes, expiresAtMs }, begun);
  }

  /** Which write a reply is of, by its metadata; the length must be that write's. */
  #noteFound(key: string, found: MessageOf<"found">, begun: Moment): number {
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
    const { expiresAtMs } = found;
    this.#noteSeen("read", key, { write, version, bytes, expiresAtMs }, begun);
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
      { name, target: null, deadlineMs, deadlineFrom: "start", usesCallersMemory },
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
