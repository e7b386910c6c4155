// To which functions a client that listens has a connection, as the proxy knows it: it has one made beside the first
// transfer that goes through the proxy, uses it from then on, and leaves alone for a while whoever could not be reached.
// A client that no function reaches (a firewall, a wrong address) thus loses nothing but the attempts.

import { pairKey, TICKET_BYTES } from "../core/direct.ts";
import type { InstanceId, NodeIndex } from "../core/ids.ts";
import { fromHex } from "../core/invocation.ts";
import type { Clock, Crypto } from "../core/ports.ts";
import type { Message } from "../wire/messages.ts";
import type { ProxyCounters } from "./counters.ts";
import { DirectDial } from "./direct-dial.ts";
import type { NodeLink } from "./node-link.ts";

/** How long a function that could not reach the client is left alone; doubles with each failure in a row. */
export const PAUSE_MS_MIN = 5_000;
export const PAUSE_MS_MAX = 600_000;
/** While no function has reached the client yet, so many try at a time: each attempt may take a second of its time. */
export const SCOUTS_MAX = 2;

/** What it needs of the proxy. */
export interface DirectPeersContext {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly counters: ProxyCounters;
}

/** Where functions find the client. */
export interface DirectAddress {
  readonly address: string;
  readonly secret: Uint8Array;
  /** Shorter chunks go through the proxy. */
  readonly chunkBytesMin: number;
}

interface NodeState {
  kind: "dialling" | "up" | "down";
  instance: InstanceId | null;
  /** Down: until then. */
  until: number;
  failures: number;
}

/** Of one client's session; it remembers at most one entry per node of the pool. */
export class DirectPeers {
  /** The number by which functions know the client; of one session, in one term. */
  readonly peer: number;
  readonly #at: DirectAddress;
  readonly #context: DirectPeersContext;
  readonly #nodes = new Map<NodeIndex, NodeState>();
  #wasReached = false;
  /** Attempts under way. */
  #scouts = 0;
  #pausedUntil = 0;

  constructor(peer: number, at: DirectAddress, context: DirectPeersContext) {
    this.peer = peer;
    this.#at = at;
    this.#context = context;
  }

  /** Whether a chunk so long is worth a direct transfer. */
  isWorth(bytes: number): boolean {
    return bytes >= this.#at.chunkBytesMin;
  }

  /** The instance that has a connection to the client. Null: none, as far as is known; one is made for the next time. */
  upTo(link: NodeLink): InstanceId | null {
    const state = this.#nodes.get(link.node);
    const awake = link.awakeInstance;
    if (state?.kind === "up" && (awake === null || awake === state.instance)) return state.instance;
    this.#dial(link, state);
    return null;
  }

  /** A transfer broke: the next one goes through the proxy, and a connection is made anew. */
  forget(link: NodeLink): void {
    this.#context.counters.directFailures++;
    if (this.#nodes.get(link.node)?.kind === "up") this.#nodes.delete(link.node);
  }

  /** Unguessable, for one transfer. */
  drawTicket(): Uint8Array {
    return this.#context.crypto.randomBytes(TICKET_BYTES);
  }

  #dial(link: NodeLink, known: NodeState | undefined): void {
    const now = this.#context.clock.now();
    if (known?.kind === "dialling" || (known?.kind === "down" && now < known.until)) return;
    if (!this.#wasReached && (this.#scouts >= SCOUTS_MAX || now < this.#pausedUntil)) return;
    const failures = known?.failures ?? 0;
    const state: NodeState = { kind: "dialling", instance: null, until: 0, failures };
    this.#nodes.set(link.node, state);
    this.#scouts++;
    const dial = new DirectDial(link, this.#order(link), (outcome, instance) => {
      this.#scouts--;
      if (outcome === "unknown") this.#nodes.delete(link.node);
      else if (outcome === "up") this.#onUp(state, instance);
      else this.#onDown(state);
    });
    link.open(dial);
  }

  #onUp(state: NodeState, instance: InstanceId | null): void {
    this.#wasReached = true;
    state.failures = 0;
    state.kind = "up";
    state.instance = instance;
  }

  #onDown(state: NodeState): void {
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(10, state.failures));
    state.kind = "down";
    state.failures++;
    state.until = this.#context.clock.now() + pauseMs;
    if (this.#wasReached) return;
    this.#pausedUntil = Math.max(this.#pausedUntil, state.until);
  }

  #order(link: NodeLink): () => Message {
    return () => {
      const { address, secret } = this.#at;
      const instance = fromHex(link.awakeInstance ?? "") ?? new Uint8Array(0);
      const key = pairKey(this.#context.crypto, secret, instance);
      return { kind: "directDial", peer: this.peer, address, pairKey: key };
    };
  }
}
