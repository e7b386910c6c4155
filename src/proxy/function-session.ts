// One connection that a function dialled: the challenge, the proof, and the fence that drops every frame
// of another term or invocation. It knows no states; it hands what is proven and current to the node's link.

import { type InstanceId, type InvocationId, instanceId, invocationId } from "../core/ids.ts";
import { helloProofText, toHex, welcomeProofText } from "../core/invocation.ts";
import type { Clock, Crypto, Timer } from "../core/ports.ts";
import type { Connection, ConnectionHandler, Envelope } from "../wire/connection.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import type { ProxyCounters } from "./counters.ts";
import type { NodeLink } from "./node-link.ts";

/** A connection that has not proven itself by then is closed. */
const PROOF_MS_MAX = 10_000;

/** What all function sessions of a proxy share. */
export interface FunctionSessionContext {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly term: number;
  readonly generation: number;
  readonly counters: ProxyCounters;
  /** The key of a node there is. */
  keyOf(node: number): Uint8Array;
  /** Null when there is no such node. */
  linkOf(node: number): NodeLink | null;
  onClosed(session: FunctionSession): void;
}

/** The proxy's end of a function's connection. */
export class FunctionSession implements ConnectionHandler {
  readonly connection: Connection;
  readonly #context: FunctionSessionContext;
  readonly #challenge: Uint8Array;
  readonly #proofTimer: Timer;
  #link: NodeLink | null = null;
  #instance: InstanceId | null = null;
  #invocation: InvocationId = invocationId(0);

  constructor(connection: Connection, context: FunctionSessionContext) {
    this.connection = connection;
    this.#context = context;
    this.#challenge = context.crypto.randomBytes(32);
    connection.setHandler(this);
    this.#proofTimer = context.clock.setTimer(PROOF_MS_MAX, () =>
      connection.close("no hello in time"),
    );
    const envelope = { channel: 0, term: context.term, invocation: 0 };
    connection.send(envelope, { kind: "challenge", nonce: this.#challenge });
  }

  /** The instance at the other end, once proven. */
  get instance(): InstanceId | null {
    return this.#instance;
  }

  /** The invocation for which it spoke last. */
  get invocation(): InvocationId {
    return this.#invocation;
  }

  /** Sends within the invocation for which the instance spoke last. */
  send(channel: number, message: Message, body?: Uint8Array, onSent?: () => void): void {
    const envelope = { channel, term: this.#context.term, invocation: this.#invocation };
    this.connection.send(envelope, message, body, onSent);
  }

  /** Whoever dials or is connected may return: this proxy serves the pool no more. */
  turnAway(reason: string): void {
    this.send(0, { kind: "refused", code: "ICACHE_SUPERSEDED", reason });
    this.connection.close(reason);
  }

  bodyPlace(envelope: Envelope, message: Message, bytes: number): Uint8Array | null {
    if (!this.#isCurrent(envelope)) return null;
    return this.#link?.bodyPlace(this, envelope.channel, message, bytes) ?? null;
  }

  onMessage(envelope: Envelope, message: Message, body: Uint8Array | null): void {
    if (message.kind === "functionHello") {
      this.#onHello(envelope, message);
    } else if (message.kind === "pong" && envelope.channel === 0) {
      // Liveness only; the transport has noted that something came.
    } else if (this.#link !== null && this.#isCurrent(envelope)) {
      this.#link.onMessage(this, envelope.channel, message, body);
    } else {
      this.#context.counters.staleFrames++;
    }
  }

  onClose(): void {
    this.#proofTimer.cancel();
    this.#link?.onSessionClosed(this);
    this.#context.onClosed(this);
  }

  #isCurrent(envelope: Envelope): boolean {
    return envelope.term === this.#context.term && envelope.invocation === this.#invocation;
  }

  #onHello(envelope: Envelope, hello: MessageOf<"functionHello">): void {
    const { crypto, term, generation, counters } = this.#context;
    const link = this.#context.linkOf(hello.node);
    if (link === null || (this.#link !== null && this.#link !== link))
      return this.#refuse("no such node");
    if (envelope.term !== term || !link.hasBegun(invocationId(envelope.invocation))) {
      counters.staleFrames++; // A hello that lay in a frozen machine; a newer one follows.
      return;
    }
    const key = this.#context.keyOf(hello.node);
    const numbers = {
      node: hello.node,
      term,
      invocation: envelope.invocation,
      generation: hello.generation,
    };
    const text = helloProofText(this.#challenge, hello.nonce, hello.instance, numbers);
    if (!crypto.equal(hello.proof, crypto.hmacSha256(key, text)))
      return this.#refuse("wrong proof");
    const instance = instanceId(toHex(hello.instance));
    if (this.#instance !== null && this.#instance !== instance)
      return this.#refuse("another instance on one connection");
    this.#proofTimer.cancel();
    this.#link = link;
    this.#instance = instance;
    this.#invocation = invocationId(envelope.invocation);
    const proof = crypto.hmacSha256(
      key,
      welcomeProofText(hello.nonce, this.#challenge, { term, generation }),
    );
    this.send(0, { kind: "functionWelcome", proof, generation });
    link.onHello(this, hello);
  }

  #refuse(reason: string): void {
    this.#context.counters.forgeries++;
    this.send(0, { kind: "refused", code: "ICACHE_AUTH", reason });
    this.connection.close(reason);
  }
}
