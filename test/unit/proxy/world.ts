// A proxy core with real runtime cores as functions, over pairs of connections, in virtual time. The test is
// the client and the provider: it says which instance answers an Invoke and when one is reclaimed.

import { createHmac, timingSafeEqual } from "node:crypto";
import { keyHash } from "../../../src/checksum/chunk-digest.ts";
import { Repairer } from "../../../src/client/repairer.ts";
import type { Access } from "../../../src/core/access.ts";
import { ClockEviction } from "../../../src/core/eviction.ts";
import { nodeKey, sealOrder } from "../../../src/core/invocation.ts";
import { Ledger } from "../../../src/core/ledger.ts";
import type { Spread } from "../../../src/core/placement.ts";
import type { Crypto, FunctionPlatform, InvokeOutcome } from "../../../src/core/ports.ts";
import { PRICES } from "../../../src/core/prices.ts";
import { ProxyCore } from "../../../src/proxy/proxy-core.ts";
import type { RepairLimits } from "../../../src/proxy/repair-budget.ts";
import { RuntimeCore } from "../../../src/runtime/runtime-core.ts";
import type { Connection } from "../../../src/wire/connection.ts";
import type { Message } from "../../../src/wire/messages.ts";
import { connectionPair } from "../../../src/wire/pair.ts";
import { type Hold, TestClient } from "./client.ts";
import { emptyImage, MemoryStore, type TableImage } from "./memory-store.ts";
import { SeededRandom, VirtualClock } from "./virtual-clock.ts";

const POOL = "test";
const SECRET = new Uint8Array(32).fill(5);

/** Deterministic "random" bytes, real HMAC. */
export function testCrypto(seed: number): Crypto {
  const random = new SeededRandom(seed);
  return {
    randomBytes: (count) => Uint8Array.from({ length: count }, () => random.below(256)),
    hmacSha256: (key, text) => new Uint8Array(createHmac("sha256", key).update(text).digest()),
    equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  };
}

/** A connection on which bodies wait while the other side is paused, as in the buffers of a socket. */
function slowConnection(inner: Connection, hold: Hold): Connection {
  return {
    remote: inner.remote,
    get queuedBytes() {
      return inner.queuedBytes + hold.bytes;
    },
    send: (envelope, message, body, onSent) => {
      const send = (): void => inner.send(envelope, message, body, onSent);
      if (!hold.isPaused || body === undefined) {
        send();
        return;
      }
      hold.bytes += body.length;
      hold.held.push(send);
    },
    dropQueued: (channel) => inner.dropQueued(channel),
    close: (reason) => inner.close(reason),
    abort: (reason) => inner.abort(reason),
    setHandler: (handler) => inner.setHandler(handler),
  };
}

/** One instance and what the provider knows of it. */
interface Hosted {
  readonly core: RuntimeCore;
  readonly connections: Connection[];
  finish: ((outcome: InvokeOutcome) => void) | null;
  isGone: boolean;
}

/** What may be said about a world. */
export interface WorldWishes {
  readonly nodes?: number;
  readonly budgetBytes?: number;
  readonly lingerMs?: number;
  readonly image?: TableImage;
  readonly backupIntervalMs?: number;
  readonly backupSelection?: "all" | "hit";
  readonly repair?: RepairLimits;
  readonly warmUpIntervalMs?: number;
  readonly access?: Access;
  readonly hotBytes?: number;
  readonly transferBytes?: number;
  readonly spread?: Spread;
}

/** The proxy and everything around it. */
export class World {
  readonly clock = new VirtualClock();
  readonly image: TableImage;
  /** What every function was sent, by node. */
  readonly toFunctions: { readonly node: number; readonly message: Message }[] = [];
  /** Outcomes that the next Invokes of a node get instead of an instance; null for an instance after all. */
  readonly refusals = new Map<number, (InvokeOutcome | null)[]>();
  /** Instances that the provider does not choose, although they live and are idle. */
  readonly passedOver = new Set<RuntimeCore>();
  /** Nodes of which the proxy gets no body: what they send after `chunkFound` stays on the way. */
  readonly stallAfterFound = new Set<number>();
  /** Nodes of which the proxy hears nothing. */
  readonly silent = new Set<number>();
  /** How long a new instance takes before it runs. */
  coldStartMs = 0;
  /** What the proxy sends over the next connection of a node arrives so much later. */
  readonly slowToFunctions = new Map<number, number>();
  wallMs = 1_000_000;
  invokes = 0;
  readonly #wishes: WorldWishes;
  readonly #crypto = testCrypto(1);
  readonly #instances = new Map<number, Hosted[]>();
  #proxy: ProxyCore;

  constructor(wishes: WorldWishes = {}) {
    this.#wishes = wishes;
    this.image = wishes.image ?? emptyImage();
    this.#proxy = this.#startProxy();
  }

  get proxy(): ProxyCore {
    return this.#proxy;
  }

  /** The proxy ends, and another begins with the table that it leaves. */
  restart(): ProxyCore {
    this.#proxy.stop("restart");
    this.#proxy = this.#startProxy();
    return this.#proxy;
  }

  #startProxy(): ProxyCore {
    const wishes = this.#wishes;
    const platform: FunctionPlatform = {
      invoke: (node, payload, done) => this.clock.soon(() => this.#invoke(node, payload, done)),
      close: () => {},
    };
    const proxy = new ProxyCore({
      pool: POOL,
      nodes: wishes.nodes ?? 8,
      nodeBudgetBytes: wishes.budgetBytes ?? 64 * 1_024 * 1_024,
      secret: SECRET,
      codeRules: [
        { bytesBelow: Number.POSITIVE_INFINITY, code: { dataChunks: 2, parityChunks: 1 } },
      ],
      stay: { policy: { kind: "linger", lingerMs: wishes.lingerMs ?? 10 }, growthMax: 1 },
      warmUpIntervalMs: wishes.warmUpIntervalMs ?? 0,
      backupIntervalMs: wishes.backupIntervalMs ?? 0,
      backupSelection: wishes.backupSelection ?? "all",
      stragglerMs: 1_000,
      ...(wishes.access === undefined ? {} : { access: wishes.access }),
      ...(wishes.repair === undefined ? {} : { repair: wishes.repair }),
      ...(wishes.hotBytes === undefined ? {} : { hotBytes: wishes.hotBytes }),
      ...(wishes.transferBytes === undefined ? {} : { transferBytes: wishes.transferBytes }),
      ...(wishes.spread === undefined ? {} : { spread: wishes.spread }),
      ports: {
        clock: this.clock,
        wallClock: { now: () => this.wallMs },
        random: new SeededRandom(3),
        crypto: testCrypto(2),
        platform,
        store: new MemoryStore(this.image),
        eviction: new ClockEviction(),
        ledger: new Ledger(PRICES["lambda-arm"], 1_536),
        hashKey: keyHash,
      },
    });
    proxy.setFunctionAddress("proxy:1");
    return proxy;
  }

  /** A client that has said hello. */
  client(id = 1, token = ""): TestClient {
    const [near, far] = connectionPair(this.clock.soon, ["proxy", "client"]);
    const hold: Hold = { isPaused: false, bytes: 0, held: [] };
    this.proxy.acceptClient(slowConnection(far, hold));
    const client = new TestClient(near, id, hold, token);
    this.clock.advance(0);
    return client;
  }

  /** A repairer at work, the library's own. */
  repairer(): Repairer {
    return new Repairer({
      dialer: {
        dial: (_address, _deadlineMs, opened) => {
          const [near, far] = connectionPair(this.clock.soon, ["proxy", "repairer"]);
          this.proxy.acceptClient(far);
          this.clock.soon(() => opened(near, ""));
        },
      },
      address: "proxy",
      clock: this.clock,
      random: new SeededRandom(4),
      clientId: new Uint8Array(16).fill(99),
    });
  }

  /** The instances of a node that live, oldest first. */
  instances(node: number): RuntimeCore[] {
    return (this.#instances.get(node) ?? [])
      .filter(({ isGone }) => !isGone)
      .map(({ core }) => core);
  }

  /** Chunks that the functions hold altogether. */
  get chunksHeld(): number {
    let count = 0;
    for (const node of this.#instances.keys()) {
      for (const core of this.instances(node)) count += core.store.count;
    }
    return count;
  }

  /** The provider takes the instances of a node, or one of them; a running invocation ends as crashed. */
  reclaim(node: number, only?: RuntimeCore): void {
    for (const hosted of this.#instances.get(node) ?? []) {
      if (only !== undefined && hosted.core !== only) continue;
      hosted.isGone = true;
      for (const connection of hosted.connections) connection.close("reclaimed");
      const finish = hosted.finish;
      hosted.finish = null;
      finish?.({ kind: "crashed", errorType: "Reclaimed", message: "", report: null });
    }
  }

  /** The connections of an instance break; it lives. */
  sever(node: number, instance: RuntimeCore): void {
    const hosted = this.#instances.get(node)?.find(({ core }) => core === instance);
    for (const connection of hosted?.connections ?? []) connection.abort("severed");
  }

  /** Another proxy of the pool, with a higher term, invokes an idle instance; it cannot be reached. */
  takeOver(node: number, instance: RuntimeCore, term = this.proxy.term + 1): void {
    const key = nodeKey(this.#crypto, SECRET, POOL, node);
    const reign = { pool: POOL, node, generation: 7, term, invocation: 1, proxy: "other:1" };
    const order = { ...reign, policy: { kind: "linger", lingerMs: 0 } as const };
    instance.invoke(JSON.parse(sealOrder(this.#crypto, key, order)), 60_000, () => {});
  }

  /** All functions have returned and slept for a while. */
  settle(): void {
    this.clock.advance(200);
  }

  #invoke(node: number, payload: string, done: (outcome: InvokeOutcome) => void): void {
    this.invokes++;
    const refusal = this.refusals.get(node)?.shift();
    if (refusal !== undefined && refusal !== null) {
      done(refusal);
      return;
    }
    let startMs = 0;
    let hosted = (this.#instances.get(node) ?? []).find(
      (each) => !each.isGone && each.finish === null && !this.passedOver.has(each.core),
    );
    if (hosted === undefined) {
      hosted = this.#start(node);
      startMs = this.coldStartMs;
      this.#instances.set(node, [...(this.#instances.get(node) ?? []), hosted]);
    }
    const running = hosted;
    running.finish = done;
    const run = (): void =>
      running.core.invoke(JSON.parse(payload), 60_000, (answer) => {
        const { finish } = running;
        running.finish = null;
        const kind = "returned";
        const outcome = { kind, payload: JSON.stringify(answer), report: null } as const;
        this.clock.soon(() => finish?.(outcome));
      });
    if (startMs === 0) run();
    else this.clock.setTimer(startMs, run);
  }

  #start(node: number): Hosted {
    const connections: Connection[] = [];
    const settings = {
      pool: POOL,
      node,
      nodeKey: nodeKey(this.#crypto, SECRET, POOL, node),
      memoryMb: 1_536,
      budgetBytes: this.#wishes.budgetBytes ?? 64 * 1_024 * 1_024,
    };
    const dialer = {
      dial: (_address: string, _ms: number, opened: (c: Connection | null, r: string) => void) => {
        const [near, far] = connectionPair(this.clock.soon, ["proxy", `node ${node}`]);
        connections.push(near);
        this.clock.soon(() => {
          opened(near, "");
          this.proxy.acceptFunction(this.#watched(node, far));
        });
      },
    };
    const core = new RuntimeCore(settings, { clock: this.clock, crypto: this.#crypto, dialer });
    return { core, connections, finish: null, isGone: false };
  }

  /** The proxy's end of a function's connection, with what it sends written down. */
  #watched(node: number, inner: Connection): Connection {
    const { toFunctions, stallAfterFound, silent, clock } = this;
    const slowMs = this.slowToFunctions.get(node) ?? 0;
    this.slowToFunctions.delete(node);
    return {
      remote: inner.remote,
      get queuedBytes() {
        return inner.queuedBytes;
      },
      send: (envelope, message, body, onSent) => {
        toFunctions.push({ node, message });
        const send = (): void => inner.send(envelope, message, body, onSent);
        if (slowMs === 0) send();
        else clock.setTimer(slowMs, send);
      },
      dropQueued: (channel) => inner.dropQueued(channel),
      close: (reason) => inner.close(reason),
      abort: (reason) => inner.abort(reason),
      setHandler: (handler) =>
        inner.setHandler({
          bodyPlace: (envelope, message, bytes) =>
            stallAfterFound.has(node) ? null : handler.bodyPlace(envelope, message, bytes),
          onMessage: (envelope, message, body) => {
            if (silent.has(node)) return;
            if (message.kind === "data" && stallAfterFound.has(node)) return;
            handler.onMessage(envelope, message, body);
          },
          onClose: (reason) => handler.onClose(reason),
        }),
    };
  }
}
