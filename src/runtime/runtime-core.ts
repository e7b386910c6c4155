// The function, as a synchronous core: invocations, messages and the passing of time come in; messages, dials
// and the answer go out through ports. It puts together session (who we talk to), transfers (what we do) and
// leave (when we go), and holds the store that outlives invocations. No promise, socket or clock of its own.

import { createPolicy } from "../core/billing-policy.ts";
import {
  type AnswerStatus,
  compareReigns,
  type InvokeAnswer,
  type InvokeOrder,
  openOrder,
  type Reign,
  toHex,
  WRONG_MAC,
} from "../core/invocation.ts";
import { INVOCATION_MS_MAX } from "../core/limits.ts";
import type { Dialer } from "../wire/connection.ts";
import { MESSAGES, type Message } from "../wire/messages.ts";
import { ChunkStore } from "./chunk-store.ts";
import { DirectLines } from "./direct-lines.ts";
import { Leave } from "./leave.ts";
import { Session, type SessionCounters, type SessionPorts } from "./session.ts";
import { Transfers } from "./transfers.ts";

/** An instance begins its final bye this long before the provider's time-out, which would cost the store. */
export const REMAINING_MS_MIN = 5_000;

/** What stands in the function's configuration. */
export interface RuntimeSettings {
  readonly pool: string;
  readonly node: number;
  /** 32 bytes. */
  readonly nodeKey: Uint8Array;
  readonly memoryMb: number;
  readonly budgetBytes: number;
}

/** What an instance needs of the outside. */
export interface RuntimePorts extends SessionPorts {
  /** Dials clients that listen; absent: chunks go through the proxy only. */
  readonly clientDialer?: Dialer;
}

interface Invocation {
  readonly order: InvokeOrder;
  readonly leave: Leave;
  readonly done: (answer: InvokeAnswer) => void;
}

/** One instance. Make it when the process starts; it is never closed, it is reclaimed. */
export class RuntimeCore {
  /** 16 random bytes in hex. */
  readonly instance: string;
  readonly store: ChunkStore;
  readonly #settings: RuntimeSettings;
  readonly #ports: RuntimePorts;
  readonly #session: Session;
  readonly #clients: DirectLines;
  readonly #transfers: Transfers;
  #invocation: Invocation | null = null;
  /** The highest that has invoked this instance. */
  #reign: Reign | null = null;
  #generation: number | null = null;

  constructor(settings: RuntimeSettings, ports: RuntimePorts) {
    const { pool, node, nodeKey } = settings;
    const instance = ports.crypto.randomBytes(16);
    this.instance = toHex(instance);
    this.store = new ChunkStore(settings.budgetBytes);
    this.#settings = settings;
    this.#ports = ports;
    this.#session = new Session({ pool, node, nodeKey, instance }, ports, {
      summary: () => this.#summary(),
      onGreeted: () => this.#invocation?.leave.onGreeted(),
      onLost: () => {
        this.#transfers.endAll();
        this.#invocation?.leave.onLost();
      },
      onUnreachable: (reason) => this.#finish("unreachable", reason),
      onRefused: (reason) => this.#finish("refused", reason),
      bodyPlace: (channel, message, bytes) =>
        message.kind === "data" ? this.#transfers.place(channel, message, bytes) : null,
      onMessage: (channel, message, body) => this.#receive(channel, message, body),
      onReturned: (place) => this.store.returned(place),
    });
    const { clock, crypto, clientDialer = null } = ports;
    this.#clients = new DirectLines({ clock, crypto, dialer: clientDialer }, instance);
    this.#transfers = new Transfers(ports.clock, this.store, {
      send: (channel, message, body, onSent) => this.#session.send(channel, message, body, onSent),
      dropQueued: (channel) => this.#session.connection?.dropQueued(channel),
      queuedBytes: () => this.#session.connection?.queuedBytes ?? 0,
      generation: () => this.#generation ?? 0,
      direct: this.#clients,
      fault: (reason) => this.#session.fault(reason),
      onIdle: () => this.#invocation?.leave.onWorkEnded(),
    });
  }

  /** Of its store; null before the first invocation. */
  get generation(): number | null {
    return this.#generation;
  }

  /** What happened on the way to proxies so far. */
  get counters(): Readonly<SessionCounters> {
    return this.#session.counters;
  }

  /**
   * The provider invoked this instance. `payload` is the parsed JSON, `remainingMs` the time until the provider's
   * time-out. `done` is called exactly once, possibly before this returns; it never throws for what a payload says.
   */
  invoke(payload: unknown, remainingMs: number, done: (answer: InvokeAnswer) => void): void {
    const refuse = (reason: string, status: AnswerStatus = "refused"): void =>
      done({ status, instance: this.instance, reason });
    const order = openOrder(this.#ports.crypto, this.#settings.nodeKey, payload);
    if (typeof order === "string") {
      refuse(order, order === WRONG_MAC ? "unverified" : "refused");
      return;
    }
    if (order.pool !== this.#settings.pool || order.node !== this.#settings.node) {
      refuse("the payload is for another node");
      return;
    }
    const reign = this.#reign;
    if (reign !== null && compareReigns(order, reign) < 0) {
      const [before, now] = [order, reign].map((each) => `term ${each.term} of ${each.proxy}`);
      refuse(`${before} is over: ${now} has begun`, "superseded");
      return;
    }
    // Providers run one invocation at a time; should one not, the later knows more.
    this.#finish("served", "another invocation began");
    this.#begin(order, remainingMs, done);
  }

  #begin(order: InvokeOrder, remainingMs: number, done: (answer: InvokeAnswer) => void): void {
    const { clock } = this.#ports;
    const isFresh = this.#generation === null;
    if (this.#reign === null || compareReigns(order, this.#reign) !== 0) this.#clients.clear();
    this.#reign = order;
    if (order.generation !== this.#generation) {
      // Before the hello, whose digest is then that of an empty store. The order is MACed, so this is no stranger's doing.
      this.store.empty();
      this.#generation = order.generation;
    }
    const now = clock.now();
    // A function that was given little time spends at least half of it.
    const spendMs = Math.max(remainingMs - REMAINING_MS_MIN, remainingMs / 2, 0);
    const policy = createPolicy(order.policy, now, this.#settings.memoryMb);
    const leave = new Leave(clock, policy, now + Math.min(INVOCATION_MS_MAX, spendMs), {
      sendBye: (requestsSeen, isFinal) =>
        this.#session.send(0, { kind: "bye", requestsSeen, isFinal }),
      hasWork: () => this.#transfers.count > 0,
      queuedBytes: () => this.#session.connection?.queuedBytes ?? 0,
      endWork: () => this.#transfers.endAll(),
      onEnd: (reason) => this.#finish("served", reason),
    });
    this.#invocation = { order, leave, done };
    this.#session.begin(order, isFresh);
  }

  #receive(channel: number, message: Message, body: Uint8Array | null): void {
    const leave = this.#invocation?.leave;
    if (leave === undefined) return;
    if (isRequest(message) && !leave.onRequest()) return;
    switch (message.kind) {
      case "ping":
        leave.onPing();
        this.#session.send(channel, { kind: "pong", nonce: message.nonce });
        return;
      case "byeOk":
        leave.onByeOk();
        return;
      case "hold":
        leave.hold(message.forMs);
        return;
      case "chunkPut":
        this.#transfers.put(channel, message);
        return;
      case "chunkGet":
        this.#transfers.get(channel, message);
        return;
      case "directDial":
        this.#clients.dial(message, (isUp) =>
          this.#session.send(channel, { kind: "directState", isUp }),
        );
        return;
      case "chunkSend":
        this.#transfers.deliver(channel, message);
        return;
      case "chunkTake":
        this.#transfers.take(channel, message);
        return;
      case "chunkVerify":
        this.#transfers.verify(channel, message);
        return;
      case "inventoryGet":
        this.#transfers.inventory(channel);
        return;
      case "chunkDrop":
        for (const chunk of message.chunks) this.store.drop(chunk);
        return;
      case "data":
        this.#transfers.data(channel, message, body);
        return;
      case "credit":
        this.#transfers.credit(channel, message);
        return;
      case "cancel":
        this.#transfers.cancel(channel);
        return;
      default:
        return; // A pong; what only clients may be sent does not pass the parser.
    }
  }

  #summary() {
    const { low, high } = this.store.digest();
    const { count: chunks, usedBytes, budgetBytes } = this.store;
    return { storeDigestLow: low, storeDigestHigh: high, chunks, usedBytes, budgetBytes };
  }

  #finish(status: InvokeAnswer["status"], reason: string): void {
    const invocation = this.#invocation;
    if (invocation === null) return;
    this.#invocation = null;
    invocation.leave.stop();
    this.#transfers.endAll();
    this.#session.end();
    invocation.done({ status, instance: this.instance, reason });
  }
}

function isRequest(message: Message): boolean {
  return "isRequest" in MESSAGES[message.kind];
}
