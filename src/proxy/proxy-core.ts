// The proxy as a synchronous core: connections, outcomes of invocations and timers come in; messages, invocations and
// durable commits go out through ports. It moves chunks and never encodes, decodes or looks into them.

import { assert } from "../core/assert.ts";
import { DIRECT_CHUNK_BYTES_MIN } from "../core/direct.ts";
import {
  generation,
  invocationId,
  keyBytes,
  type NodeIndex,
  nodeIndex,
  type ObjectKey,
} from "../core/ids.ts";
import { nodeKey, sealOrder } from "../core/invocation.ts";
import type { InvokeOutcome, LoadedTable, StoredObject, Timer } from "../core/ports.ts";
import type { ProxyStatus } from "../core/status.ts";
import type { Connection } from "../wire/connection.ts";
import { Backup } from "./backup.ts";
import { ChunkFetches } from "./chunk-fetches.ts";
import { ClientSession, type ClientSessionContext } from "./client-session.ts";
import { createCounters } from "./counters.ts";
import { endOfReign } from "./end-of-reign.ts";
import { FunctionSession, type FunctionSessionContext } from "./function-session.ts";
import { Greeting } from "./greeting.ts";
import { HOT_BYTES_DEFAULT, HotObjects } from "./hot-objects.ts";
import { mayBegin } from "./invocation-share.ts";
import { HedgeBudget, TransferLatency } from "./latency.ts";
import type { InvokeCause, LinkContext } from "./link-context.ts";
import { TAKEOVER_WAIT_MS } from "./link-state.ts";
import { NodeLink } from "./node-link.ts";
import { NodeSpace } from "./node-space.ts";
import { ObjectTable } from "./object-table.ts";
import type { ObjectVersion } from "./object-version.ts";
import { PartPool } from "./part-pool.ts";
import { Pool } from "./pool.ts";
import { copiesOf, poolStatus, type StoredCopy } from "./pool-status.ts";
import type { ProxyCoreOptions } from "./proxy-options.ts";
import { PutGate } from "./put-gate.ts";
import { REPAIR_LIMITS_DEFAULT } from "./repair-budget.ts";
import { RepairDesk } from "./repair-desk.ts";
import { restoreTable } from "./restore-table.ts";
import { RetryWindow } from "./retry-window.ts";
import { attachRing, ringStatus } from "./ring-duty.ts";
import { policyFor, sureStayMs } from "./stay.ts";
import { WarmUp } from "./warm-up.ts";

/** How often some of the table is searched for what has expired, and the nodes for instances long unseen. */
const SWEEP_MS = 1_000;

/** One proxy over one pool. */
export class ProxyCore {
  readonly counters = createCounters();
  readonly #options: ProxyCoreOptions;
  readonly #loaded: LoadedTable;
  readonly #startedAt: number;
  readonly #spaces: readonly NodeSpace[];
  readonly #pool: Pool;
  readonly #table: ObjectTable;
  readonly #parts: PartPool;
  readonly #latency = new TransferLatency();
  readonly #hot: HotObjects;
  readonly #retries = new RetryWindow();
  readonly #clients = new Set<ClientSession>();
  readonly #functions = new Set<FunctionSession>();
  readonly #clientContext: ClientSessionContext;
  readonly #functionContext: FunctionSessionContext;
  readonly #warmUp: WarmUp;
  readonly #backup: Backup;
  readonly #greeting: Greeting;
  readonly #desk: RepairDesk;
  /** Computed once for each node. */
  readonly #nodeKeys: Uint8Array[] = [];
  #functionAddress = "";
  #lastPeer = 0;
  #nextInvocation = 1;
  #sweepTimer: Timer | null = null;
  #superseded: string | null = null;
  #isDraining = false;

  constructor(options: ProxyCoreOptions) {
    this.#options = options;
    this.#parts = new PartPool(options.transferBytes);
    this.#hot = new HotObjects(options.hotBytes ?? HOT_BYTES_DEFAULT);
    const { ports, nodes } = options;
    const { clock } = ports;
    this.#startedAt = clock.now();
    this.#greeting = new Greeting(clock, () => this.#pool.links);
    this.#loaded = ports.store.load();
    this.#retries.restore(this.#loaded.outcomes, this.#startedAt);
    this.#spaces = Array.from(
      { length: nodes },
      (_, node) => new NodeSpace(nodeIndex(node), options.nodeBudgetBytes),
    );
    const tableContext = {
      ...{ store: ports.store, wallClock: ports.wallClock, eviction: ports.eviction },
      spaces: this.#spaces,
      counters: this.counters,
      hot: this.#hot,
      losses: {
        note: (object: ObjectVersion, stripe: number) => this.#desk.note(object, stripe),
        forget: (object: ObjectVersion) => this.#desk.forget(object),
      },
    };
    this.#desk = this.#makeDesk();
    this.#table = new ObjectTable(this.#loaded.nextVersion, tableContext);
    const primaries = restoreTable(this.#loaded, this.#table, {
      nodes,
      store: ports.store,
      hashKey: (key) => ports.hashKey(keyBytes(key)),
    });
    const linkContext = this.#linkContext();
    const links = this.#spaces.map(
      ({ node }) => new NodeLink(node, primaries.get(node) ?? null, linkContext),
    );
    this.#pool = new Pool(this.#spaces, links, ports.random);
    this.#pool.attach(this.#table);
    // Without an earlier PUT there is nothing to lose.
    if (this.#loaded.nextVersion > 1)
      for (const link of links) link.holdBack(this.#startedAt + TAKEOVER_WAIT_MS);
    this.#clientContext = this.#makeClientContext();
    this.#functionContext = {
      clock,
      crypto: ports.crypto,
      keyOf: (node) => this.#keyOf(node),
      term: this.#loaded.term,
      generation: this.#loaded.generation,
      counters: this.counters,
      linkOf: (node) => links[node] ?? null,
      onClosed: (session) => this.#functions.delete(session),
    };
    this.#warmUp = new WarmUp(clock, this.#pool, options.warmUpIntervalMs);
    this.#backup = new Backup(
      {
        ...{ clock, parts: this.#parts, table: this.#table, pool: this.#pool },
        counters: this.counters,
        selection: options.backupSelection,
      },
      options.backupIntervalMs,
    );
    attachRing(options.ring, this.#loaded, ports.store, this.#table, (membership) => {
      for (const client of this.#clients) client.announce(membership);
    });
    this.#armSweep();
  }

  /** Why an earlier state could not be used, or null. */
  get doubt(): string | null {
    return this.#loaded.doubt;
  }

  get term(): number {
    return this.#loaded.term;
  }

  /** Where functions are told to dial; must be said before the first operation. */
  setFunctionAddress(address: string): void {
    this.#functionAddress = address;
  }

  /** Takes over a connection that a client opened; `isTrusted`: within this process, so that it needs no token. */
  acceptClient(connection: Connection, isTrusted = false): void {
    const session = new ClientSession(connection, this.#clientContext, isTrusted);
    this.#clients.add(session);
    if (this.#isDraining) session.drain();
  }

  /** Takes over a connection that says it is a function. */
  acceptFunction(connection: Connection): void {
    const session = new FunctionSession(connection, this.#functionContext);
    this.#functions.add(session);
    if (this.#superseded !== null) session.turnAway(this.#superseded);
  }

  /** Wakes every node; `done` is called when all have said hello. */
  greetAll(done: () => void): void {
    this.#greeting.begin(done);
  }

  status(): ProxyStatus {
    const { pool, ports } = this.#options;
    return {
      pool,
      generation: this.#loaded.generation,
      term: this.#loaded.term,
      superseded: this.#superseded,
      uptimeMs: Math.round(ports.clock.now() - this.#startedAt),
      ring: ringStatus(this.#options.ring),
      ...poolStatus(this.#pool),
      objects: this.#table.size,
      objectBytes: this.#table.bytes,
      hot: { objects: this.#hot.size, bytes: this.#hot.bytes },
      counters: { ...this.counters },
      repair: this.#desk.status(),
      cost: ports.ledger.report(),
      clients: this.#clients.size,
    };
  }

  /** What the table believes now, for those who judge it: it says more than `status`, and costs more. */
  storedObjects(): IterableIterator<StoredObject> {
    return this.#table.stored();
  }

  /** The copies that replicas are known to hold, likewise for judges. */
  storedCopies(): IterableIterator<StoredCopy> {
    return copiesOf(this.#spaces);
  }

  /** Operations that users have under way; repairs are none. */
  get operationsUnderWay(): number {
    let count = 0;
    for (const client of this.#clients) count += client.operationsUnderWay;
    return count;
  }

  /** Why this proxy has left its pool; null while it serves. */
  get superseded(): string | null {
    return this.#superseded;
  }

  /**
   * Begins nothing more: what clients have under way ends, whoever has nothing is let go, rounds stop copying, and functions
   * return by their own bye. `isDrained` says when all of that has come to rest.
   */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#warmUp.stop();
    this.#backup.drain();
    this.#options.ring?.stop();
    this.#greeting.stop();
    for (const client of [...this.#clients]) client.drain();
  }

  /** Nothing of a client is under way, and no function is awake for this proxy. */
  get isDrained(): boolean {
    return (
      this.operationsUnderWay === 0 &&
      this.#pool.links.every(({ invocationsUnderWay }) => invocationsUnderWay === 0)
    );
  }

  /** Ends everything: connections are closed, timers cancelled, the table closed. */
  stop(reason: string): void {
    this.#stopWork(); // First: a link that loses its connection begins to wait.
    for (const client of [...this.#clients]) client.connection.close(reason);
    for (const { connection } of [...this.#functions]) connection.close(reason);
    this.#table.recordLosses(Number.POSITIVE_INFINITY);
    this.#options.ports.platform.close();
    this.#options.ports.store.close();
  }

  #makeDesk(): RepairDesk {
    const { ports, repair = REPAIR_LIMITS_DEFAULT } = this.#options;
    return new RepairDesk({
      clock: ports.clock,
      counters: this.counters,
      limits: repair,
      mayInvoke: () => mayBegin("repair", this.#pool.links),
      isServing: () => this.operationsUnderWay > 0,
      dollars: () => ports.ledger.dollarsOf("repair"),
      objects: () => this.#table.versions(),
    });
  }

  #linkContext(): LinkContext {
    const { clock, random, ledger } = this.#options.ports;
    return {
      clock,
      random,
      counters: this.counters,
      breakMsMin: sureStayMs(this.#options.stay),
      nextInvocation: () => {
        assert(this.#nextInvocation < 2 ** 32, "invocation numbers last for a term");
        return invocationId(this.#nextInvocation++);
      },
      invoke: (node, invocation, cause, done) => this.#invoke(node, invocation, cause, done),
      bill: (purpose, outcome, elapsedMs) => ledger.record(purpose, outcome, elapsedMs),
      chunksOf: (node, instance) => this.#spaces[node]?.chunksOf(instance) ?? 0,
      primaryOf: (node, before) => this.#spaces[node]?.primaryAfter(before) ?? before,
      onSeen: (node, instance) => this.#spaces[node]?.noteSeen(instance, clock.now()),
      onAwake: (link, hello) => {
        this.#pool.onAwake(link, hello);
        this.#greeting.note();
      },
      onInventory: (link, page) => this.#pool.onInventory(link, page),
      onLost: (link, instance) => {
        this.#pool.onLost(link, instance);
        this.#backup.hurry(link.node);
      },
    };
  }

  #invoke(
    node: NodeIndex,
    invocation: number,
    cause: InvokeCause,
    done: (outcome: InvokeOutcome) => void,
  ): void {
    const { pool, ports, stay } = this.#options;
    const order = {
      pool,
      node,
      generation: this.#loaded.generation,
      term: this.#loaded.term,
      invocation,
      proxy: this.#functionAddress,
      policy: policyFor(stay, cause),
    };
    ports.platform.invoke(node, sealOrder(ports.crypto, this.#keyOf(node), order), (outcome) => {
      const end = endOfReign(outcome, node, this.#pool.links);
      if (end !== null) this.#standAside(end);
      done(outcome);
    });
  }

  /** The pool is another proxy's: invokes nobody any more, lets everybody go, and says why to whoever asks. */
  #standAside(reason: string): void {
    if (this.#superseded !== null) return;
    this.#superseded = reason;
    this.#stopWork();
    for (const client of [...this.#clients]) client.turnAway(reason);
    for (const session of [...this.#functions]) session.turnAway(reason);
    this.#options.onSuperseded?.(reason);
  }

  /** No timer is left that begins anything. */
  #stopWork(): void {
    this.#warmUp.stop();
    this.#backup.stop();
    this.#desk.stop();
    this.#options.ring?.stop();
    this.#sweepTimer?.cancel();
    this.#greeting.stop();
    for (const link of this.#pool.links) link.stop();
  }

  #keyOf(node: number): Uint8Array {
    const { ports, secret, pool } = this.#options;
    const key = this.#nodeKeys[node] ?? nodeKey(ports.crypto, secret, pool, node);
    this.#nodeKeys[node] = key;
    return key;
  }

  #makeClientContext(): ClientSessionContext {
    const { ports, nodes, codeRules, stragglerMs, access = null } = this.#options;
    const { clock, wallClock, random } = ports;
    const fetches = new ChunkFetches({
      clock,
      pool: this.#pool,
      parts: this.#parts,
      counters: this.counters,
      latency: this.#latency,
    });
    return {
      ...{ clock, wallClock, random, stragglerMs, access },
      spread: this.#options.spread ?? "wide",
      directChunkBytesMin: this.#options.directChunkBytesMin ?? DIRECT_CHUNK_BYTES_MIN,
      ...{ table: this.#table, pool: this.#pool, parts: this.#parts, hot: this.#hot },
      ...{ counters: this.counters, latency: this.#latency },
      hedges: new HedgeBudget(),
      generation: this.#loaded.generation,
      hashKey: (key) => ports.hashKey(keyBytes(key as ObjectKey)), // Any text has bytes.
      fetch: (object, stripe, index, reader, how) =>
        fetches.fetch(object, stripe, index, reader, how),
      outcomeOf: (clientId, sequence) => this.#retries.find(clientId, sequence, clock.now()),
      recordOutcome: (clientId, sequence, outcome) =>
        this.#retries.record(clientId, sequence, outcome, clock.now()),
      repairs: this.#desk,
      putGate: new PutGate(clock),
      ring: this.#options.ring ?? null,
      welcome: () => ({
        kind: "welcome",
        generation: generation(this.#loaded.generation),
        term: this.#loaded.term,
        epoch: this.#options.ring?.epoch ?? 0,
        poolNodes: nodes,
        codeRules: codeRules.map(({ bytesBelow, code }) => ({
          bytesBelow: Math.min(bytesBelow, Number.MAX_SAFE_INTEGER),
          ...code,
        })),
      }),
      superseded: () => this.#superseded,
      crypto: ports.crypto,
      nextPeer: () => ++this.#lastPeer,
      statusJson: () => JSON.stringify(this.status()),
      onClosed: (session) => this.#clients.delete(session),
    };
  }

  #armSweep(): void {
    this.#sweepTimer = this.#options.ports.clock.setTimer(SWEEP_MS, () => {
      this.#table.sweepExpired();
      this.#table.recordLosses();
      this.#pool.loseUnseen(this.#options.ports.clock.now());
      this.#armSweep();
    });
  }
}
