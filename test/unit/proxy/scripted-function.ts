// A node's link with its sessions, and functions whose every message the test writes: nothing is answered by itself.
// Proofs are real: a hello is right unless the test makes it wrong.

import { type InstanceId, invocationId, nodeIndex } from "../../../src/core/ids.ts";
import { fromHex, helloProofText, nodeKey } from "../../../src/core/invocation.ts";
import type { InvokeOutcome, Purpose } from "../../../src/core/ports.ts";
import { createCounters } from "../../../src/proxy/counters.ts";
import type { Exchange, ExchangeEnd } from "../../../src/proxy/exchange.ts";
import {
  FunctionSession,
  type FunctionSessionContext,
} from "../../../src/proxy/function-session.ts";
import { NodeLink } from "../../../src/proxy/node-link.ts";
import type { Connection, ConnectionHandler, Envelope } from "../../../src/wire/connection.ts";
import type { Message, MessageKind, MessageOf } from "../../../src/wire/messages.ts";
import { connectionPair } from "../../../src/wire/pair.ts";
import { SeededRandom, VirtualClock } from "./virtual-clock.ts";
import { testCrypto } from "./world.ts";

const SECRET = new Uint8Array(32).fill(9);
const TERM = 4;

/** The function's end of a connection. */
export class ScriptedFunction implements ConnectionHandler {
  readonly connection: Connection;
  readonly got: { readonly envelope: Envelope; readonly message: Message }[] = [];
  closeReason: string | null = null;

  constructor(connection: Connection) {
    this.connection = connection;
    connection.setHandler(this);
  }

  bodyPlace(): null {
    return null;
  }

  onMessage(envelope: Envelope, message: Message): void {
    this.got.push({ envelope, message });
  }

  onClose(reason: string): void {
    this.closeReason = reason;
  }

  say(message: Message, invocation: number, more: { channel?: number; term?: number } = {}): void {
    this.connection.send(
      { channel: more.channel ?? 0, term: more.term ?? TERM, invocation },
      message,
    );
  }

  all<K extends MessageKind>(kind: K): MessageOf<K>[] {
    // Proof of the cast: only messages of that kind pass the filter.
    return this.got
      .map(({ message }) => message)
      .filter((each) => each.kind === kind) as MessageOf<K>[];
  }

  get challenge(): Uint8Array {
    return this.all("challenge")[0]!.nonce;
  }
}

/** What a hello claims, and by what it is proven. */
export interface HelloClaims {
  readonly invocation: number;
  readonly instance?: string;
  readonly node?: number;
  readonly challenge?: Uint8Array;
  readonly keyOfNode?: number;
}

/** An exchange that writes down what happens to it. */
export class RecordedExchange implements Exchange {
  readonly purpose = "serve";
  readonly log: string[] = [];
  channel: number | null = null;
  onEnded: () => void = () => {};
  readonly #link: NodeLink;

  constructor(link: NodeLink) {
    this.#link = link;
  }

  start(channel: number): void {
    this.channel = channel;
    this.log.push("start");
    const id = { keyHash: new Uint8Array(16), version: 1, stripe: 0, index: 0 };
    this.#link.send(channel, { kind: "chunkGet", ...id, offset: 0, credit: 1 });
  }

  bodyPlace(): null {
    return null;
  }

  onMessage(message: Message): void {
    this.log.push(message.kind);
  }

  onLate(): void {
    this.log.push("late");
  }

  onEnd(reason: ExchangeEnd): void {
    this.log.push(reason);
    this.onEnded();
  }
}

/** One link of node 0, whose primary is `aa…` unless said otherwise. */
export class LinkWorld {
  readonly clock = new VirtualClock();
  readonly counters = createCounters();
  readonly crypto = testCrypto(5);
  readonly invokes: {
    readonly purpose: Purpose;
    readonly breaks: readonly number[];
    readonly invocation: number;
    readonly end: (outcome: InvokeOutcome) => void;
  }[] = [];
  readonly lost: string[] = [];
  readonly awake: string[] = [];
  /** What the instances hold. */
  readonly chunksOf = new Map<string, number>();
  richest: InstanceId | null = null;
  readonly link: NodeLink;
  readonly #context: FunctionSessionContext;

  constructor(primary: InstanceId | null) {
    let next = 1;
    if (primary !== null) this.chunksOf.set(primary, 1);
    this.link = new NodeLink(nodeIndex(0), primary, {
      clock: this.clock,
      random: new SeededRandom(1),
      counters: this.counters,
      breakMsMin: 0,
      nextInvocation: () => invocationId(next++),
      invoke: (_node, invocation, { purpose, breaks }, done) => {
        this.invokes.push({
          invocation,
          purpose,
          breaks: [...breaks],
          end: (outcome) => this.clock.soon(() => done(outcome)),
        });
      },
      bill: () => {},
      chunksOf: (_node, instance) => this.chunksOf.get(instance) ?? 0,
      primaryOf: (_node, before) => this.richest ?? before,
      onSeen: () => {},
      onAwake: (link) => this.awake.push(link.state.kind === "awake" ? link.state.instance : "?"),
      onInventory: () => {},
      onLost: (_link, instance) => this.lost.push(instance),
    });
    this.#context = {
      clock: this.clock,
      crypto: this.crypto,
      keyOf: (node) => nodeKey(this.crypto, SECRET, "p", node),
      term: TERM,
      generation: 7,
      counters: this.counters,
      linkOf: (node) => (node === 0 ? this.link : null),
      onClosed: () => {},
    };
  }

  /** A function dials and is challenged. */
  dial(): ScriptedFunction {
    const [near, far] = connectionPair(this.clock.soon);
    const dialled = new ScriptedFunction(near);
    new FunctionSession(far, this.#context);
    this.clock.advance(0);
    return dialled;
  }

  /** Says hello; by default everything about it is right. */
  hello(dialled: ScriptedFunction, claims: HelloClaims): void {
    const { invocation, node = 0, instance = "aa".repeat(16) } = claims;
    const id = fromHex(instance)!;
    const nonce = this.crypto.randomBytes(32);
    const key = nodeKey(this.crypto, SECRET, "p", claims.keyOfNode ?? node);
    const numbers = { node, term: TERM, invocation, generation: 7 };
    const proof = this.crypto.hmacSha256(
      key,
      helloProofText(claims.challenge ?? dialled.challenge, nonce, id, numbers),
    );
    dialled.say(
      {
        kind: "functionHello",
        node,
        instance: id,
        nonce,
        proof,
        generation: 7,
        storeDigestLow: 0,
        storeDigestHigh: 0,
        chunks: 0,
        usedBytes: 0,
        budgetBytes: 1_000,
        redials: 0,
        isFresh: false,
      },
      invocation,
    );
    this.clock.advance(0);
  }

  /** An exchange that wants the node. */
  open(): RecordedExchange {
    const exchange = new RecordedExchange(this.link);
    this.link.open(exchange);
    return exchange;
  }
}
