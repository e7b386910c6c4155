// A client of a simulated world: the production operations of the library on a machine that can die, and a caller that
// puts, reads, removes and waits by chance. It writes down what it did and saw; it judges nothing but bytes.
// It runs the library's synchronous cores: the promises of cache.ts are left out, and stripes can be small.

import { BufferPool } from "../client/buffer-pool.ts";
import { BufferSink } from "../client/buffer-sink.ts";
import { Deadlines } from "../client/deadlines.ts";
import type { DirectHub } from "../client/direct-hub.ts";
import { Gate } from "../client/gate.ts";
import type { GetOutcome } from "../client/get-contract.ts";
import { GetOperation } from "../client/get-operation.ts";
import { Near } from "../client/near.ts";
import type { Operation, OperationHost, Outcome } from "../client/operation.ts";
import { Proxies } from "../client/proxies.ts";
import { PutOperation, type PutOutcome } from "../client/put-operation.ts";
import { RepairQueue } from "../client/repair-queue.ts";
import { readListing, readStored } from "../client/replies.ts";
import { Run, type RunContext, type Target } from "../client/run.ts";
import { PingOperation, type Reply, SimpleOperation } from "../client/simple-operation.ts";
import type { CodeSpec } from "../core/code.ts";
import { CacheError } from "../core/errors.ts";
import type { ObjectKey } from "../core/ids.ts";
import type { Message } from "../wire/messages.ts";
import { ClientNotes, type NotedWorld, WRITE_NAME } from "./client-notes.ts";
import type { Coverage } from "./coverage.ts";
import type { Moment } from "./history.ts";
import type { Machine } from "./machine.ts";
import { readOf } from "./near-read.ts";
import type { Network } from "./network.ts";
import { firstDifference, payloadOf } from "./payload.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { SimCrypto } from "./sim-crypto.ts";
import { openDoor } from "./sim-door.ts";
import { StripedSource } from "./striped-source.ts";

const POOL_BYTES_MAX = 64 * 1_024 * 1_024;
const OPERATIONS_MAX = 64;
/** Rows of a listing: more than there are keys. */
const LISTED_MAX = 1_000;

/** What a client needs of its world. */
export interface ClientWorld extends NotedWorld {
  readonly network: Network;
  readonly coverage: Coverage;
  /** Whether some proxy has had a replica take its primary's place. */
  hasFailedOver(): boolean;
  trace(what: string): void;
}

/** Whose client it is. */
export interface ClientHome {
  /** Proxies to begin with. */
  readonly addresses: readonly string[];
  /** What its keys begin with. */
  readonly keys: string;
  /** It listens for functions. */
  readonly hasDoor: boolean;
  /** It keeps objects of so many bytes together; 0: none. */
  readonly nearBytes: number;
}

/** How an operation ended, for callers that go on then. */
export type Ended = "hit" | "miss" | "stored" | "exists" | "removed" | "listed" | "failed";

/** See the header. */
export class SimClient {
  readonly machine: Machine;
  /** What its keys begin with. */
  readonly keys: string;
  readonly #home: ClientHome;
  readonly #world: ClientWorld;
  readonly #notes: ClientNotes;
  readonly #proxies: Proxies;
  readonly #hub: DirectHub | null;
  readonly #context: RunContext;
  readonly #repairs: RepairQueue;
  readonly #scratch: BufferPool;
  readonly #parity: BufferPool;
  readonly #near: Near | null;
  #sequence = 0;
  #underWay = 0;

  constructor(machine: Machine, random: SeededRandom, home: ClientHome, world: ClientWorld) {
    this.machine = machine;
    this.#home = home;
    this.keys = home.keys;
    this.#world = world;
    this.#notes = new ClientNotes(machine.clock, world);
    const allocate = (bytes: number): Uint8Array => new Uint8Array(bytes);
    this.#scratch = new BufferPool(POOL_BYTES_MAX, allocate);
    this.#parity = new BufferPool(POOL_BYTES_MAX, allocate);
    this.#proxies = new Proxies({
      dialer: world.network.dialerOf(machine),
      addresses: home.addresses,
      clock: machine.clock,
      random: random.timed("choices", machine.clock),
      clientId: new SimCrypto(random).randomBytes(16),
      token: "",
      agent: "sim",
      unreachableMs: 10_000,
      listens: () => this.#hub?.listen ?? null,
    });
    this.#near = home.nearBytes === 0 ? null : new Near({ bytes: home.nearBytes });
    this.#hub = home.hasDoor ? this.#door(random) : null;
    const gate = new Gate(OPERATIONS_MAX, OPERATIONS_MAX);
    const deadlines = new Deadlines(machine.clock);
    this.#context = { clock: machine.clock, sessions: this.#proxies, gate, deadlines };
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
      deadlines: this.#context.deadlines.count,
      "bytes of scratch": this.#scratch.usedBytes,
      "bytes of parity": this.#parity.usedBytes,
      repairs: this.#repairs.isIdle ? 0 : 1,
      "direct transfers": this.#hub?.counts.channels ?? 0,
      tickets: this.#hub?.counts.tickets ?? 0,
    };
    return Object.entries(held)
      .filter(([, count]) => count !== 0)
      .map(([name, count]) => `${this.machine.name} still holds ${count} ${name}`);
  }

  #door(random: SeededRandom): DirectHub {
    return openDoor(this.machine, this.#world.network, random, () => this.#proxies.sayListen());
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
    const begun = this.#notes.moment();
    const mutation = history.begin({ kind: "put", key, bytes, ttlMs, ifAbsent }, begun);
    const versionOf = this.#notes.versions(this.#onlyAddress());
    this.#sequence += 1;
    const request = {
      key: key as ObjectKey, // Proof: scenarios name their keys themselves.
      sequence: this.#sequence,
      code,
      ttlMs,
      ifAbsent,
      lease: 0,
      proxyDeadlineMs: null,
      metadata: [{ name: WRITE_NAME, value: `${mutation.write} ${bytes}` }],
    };
    const source = new StripedSource(payloadOf(mutation.write, bytes), stripeBytes);
    const name = `put ${key} as write ${mutation.write} of ${bytes} bytes`;
    this.#run<PutOutcome>(
      name,
      { key },
      deadlineMs,
      true,
      (host) => new PutOperation(host, request, source, this.#parity, this.#hub),
      (outcome) => {
        // A refusal speaks of the last beginning only: an earlier one may have taken effect.
        if (outcome.kind === "failed") return ended("failed");
        const version = versionOf(outcome.result.version);
        if (outcome.result.kind === "stored") history.end(mutation, version, this.#notes.moment());
        else {
          mutation.isVoid = true;
          this.#notes.seen("exists", key, { version }, begun);
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
    const begun = this.#notes.moment();
    const sink = new BufferSink(null, (bytes) => new Uint8Array(bytes));
    const near = this.#near?.begin(key) ?? null;
    const kept = near?.kept ?? null;
    const request = {
      key: key as ObjectKey,
      start,
      end,
      wantAll,
      stripesAhead: 3,
      proxyDeadlineMs: null,
      known: kept?.known ?? null,
    };
    this.#run<GetOutcome>(
      `get ${key} from ${start}`,
      { key },
      deadlineMs,
      false,
      (host) => new GetOperation(host, request, sink, this.#scratch, this.#repairs, this.#hub),
      (outcome) => {
        // Nobody writes to what was read: it need not be copied.
        near?.end(outcome.kind === "failed" ? null : outcome.result, sink.result);
        if (outcome.kind === "failed") return ended("failed");
        if (outcome.result.kind === "miss") {
          this.#world.history.misses++;
          this.#notes.miss("a read", key, outcome.result.reason, begun);
          return ended("miss");
        }
        this.#world.history.hits++;
        if (this.#world.hasFailedOver()) this.#world.coverage.note("client: hit after a failover");
        const isKept = outcome.result.kind === "unchanged";
        if (kept !== null)
          this.#world.coverage.note(
            `client: what was kept is ${isKept ? "current" : "superseded"}`,
          );
        const whole = isKept ? kept : null;
        const { message, from, bytes } = readOf(outcome.result, sink.result, whole, { start, end });
        const write = this.#notes.found(key, message, begun);
        const at = firstDifference(bytes, write, message.bytes, from);
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
    const begun = this.#notes.moment();
    this.#ask(`stat ${key}`, { key }, { kind: "stat", key }, deadlineMs, readStored, (outcome) => {
      if (outcome.kind === "failed") return ended("failed");
      const { result } = outcome;
      if (result.kind === "miss") {
        this.#notes.miss("a stat", key, result.reason, begun);
        return ended("miss");
      }
      this.#notes.found(key, result, begun);
      ended("hit");
    });
  }

  /** Asks for all keys with a prefix, every proxy that may have some. */
  list(prefix: string, deadlineMs: number, ended: (how: Ended) => void): void {
    const begun = this.#notes.moment();
    // Before everybody can be asked, the first must have said who that is.
    if (this.#proxies.membership === null && !this.#proxies.isAlone) {
      const ping = (host: OperationHost<number>): Operation => new PingOperation(host);
      this.#run("ping", null, deadlineMs, false, ping, (outcome) => {
        if (outcome.kind === "failed") ended("failed");
        else this.#listEverywhere(prefix, deadlineMs, begun, ended);
      });
    } else this.#listEverywhere(prefix, deadlineMs, begun, ended);
  }

  #listEverywhere(
    prefix: string,
    deadlineMs: number,
    begun: Moment,
    ended: (how: Ended) => void,
  ): void {
    const keys = new Set<string>();
    const asked = this.#proxies.everyone;
    let left = asked.length;
    let isWhole = true;
    const request: Message = { kind: "list", prefix, after: "", limit: LISTED_MAX };
    for (const { target } of asked) {
      const address = target !== null && "address" in target ? target.address : null;
      const versionOf = this.#notes.versions(address ?? this.#onlyAddress());
      this.#ask(`list ${prefix}`, target, request, deadlineMs, readListing, (outcome) => {
        if (outcome.kind === "failed") isWhole = false;
        else {
          const { rows, isLast } = outcome.result;
          if (rows.some(({ key }, at) => key <= (rows[at - 1]?.key ?? "")))
            this.#world.violate(`the listing of ${prefix} is not in order`);
          for (const row of rows) {
            keys.add(row.key);
            this.#notes.row(row, versionOf(row.version), begun);
          }
          isWhole &&= isLast;
        }
        left -= 1;
        if (left > 0) return;
        if (isWhole) this.#world.history.noteListing(keys, begun.at, this.#notes.now(), prefix);
        ended(isWhole ? "listed" : "failed");
      });
    }
  }

  /** Removes an object. */
  remove(key: string, deadlineMs: number, ended: (how: Ended) => void): void {
    const { history } = this.#world;
    const wish = { kind: "remove", key, bytes: 0, ttlMs: 0, ifAbsent: false } as const;
    const mutation = history.begin(wish, this.#notes.moment());
    this.#sequence += 1;
    const request: Message = { kind: "remove", key, sequence: this.#sequence };
    const read = (message: Message): Reply<boolean> =>
      message.kind === "removed"
        ? { kind: "result", result: message.existed }
        : { kind: "unexpected" };
    const name = `remove ${key} as write ${mutation.write}`;
    this.#ask(name, { key }, request, deadlineMs, read, (outcome) => {
      if (outcome.kind === "failed") return ended("failed");
      history.end(mutation, null, this.#notes.moment());
      ended("removed");
    });
  }

  /** The one proxy there is; null among several. */
  #onlyAddress(): string | null {
    return this.#home.addresses.length === 1 && this.#proxies.membership === null
      ? (this.#home.addresses[0] ?? null)
      : null;
  }

  #ask<Result>(
    name: string,
    target: Target,
    request: Message,
    deadlineMs: number,
    read: (message: Message) => Reply<Result>,
    ended: (outcome: Outcome<Result>) => void,
  ): void {
    this.#run<Result>(
      name,
      target,
      deadlineMs,
      false,
      (host) => new SimpleOperation(host, request, () => read),
      ended,
    );
  }

  #run<Result>(
    name: string,
    target: Target,
    deadlineMs: number,
    usesCallersMemory: boolean,
    makeCore: (host: OperationHost<Result>) => Operation,
    ended: (outcome: Outcome<Result>) => void,
  ): void {
    this.#underWay++;
    const run = new Run<Result>(
      this.#context,
      { name, target, deadlineMs, deadlineFrom: "start", usesCallersMemory },
      (host) => this.#watched(makeCore(host)),
      (outcome) => {
        this.#underWay--;
        this.#world.trace(`${this.machine.name}: ${name}: ${describe(outcome)}`);
        if (outcome.kind === "failed" && !(outcome.error instanceof CacheError))
          throw outcome.error;
        if (outcome.kind === "failed" && outcome.error instanceof CacheError) {
          const { code, message } = outcome.error;
          this.#world.coverage.note(`client: ${code}`);
          if (code === "ICACHE_PROTOCOL") this.#world.violate(`${name}: ${message}`);
        }
        // The next one begins in a turn of its own, as with promises.
        this.machine.clock.setTimer(0, () => ended(outcome));
      },
    );
    run.start();
  }

  /** Notes when an operation is begun anew. */
  #watched(core: Operation): Operation {
    const begin = core.begin.bind(core);
    let hasBegun = false;
    core.begin = (...how) => {
      if (hasBegun) this.#world.coverage.note("client: operation begun anew");
      hasBegun = true;
      begin(...how);
    };
    return core;
  }
}

function describe(outcome: Outcome<unknown>): string {
  if (outcome.kind === "failed") return String(outcome.error);
  const { result } = outcome;
  return typeof result === "object" && result !== null && "kind" in result
    ? String(result.kind)
    : String(result);
}
