// The way to the proxy within an invocation: dials, says hello, verifies the proxy's proof, dials again when
// the answer stays out, and gives up after a second. It is the one place where frames of other terms and
// invocations are dropped, and nothing passes it before the proof. It does not know what messages do.

import type { InvokeOrder } from "../core/invocation.ts";
import type { Clock, Crypto } from "../core/ports.ts";
import type { Connection, Dialer, Envelope } from "../wire/connection.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import { Deadline } from "./deadline.ts";
import {
  type InstanceIdentity,
  isGenuineWelcome,
  makeHello,
  type StoreSummary,
} from "./handshake.ts";

/** Without a welcomed connection for this long the instance returns, so that two proxies never fight over a node. */
export const UNREACHABLE_MS_MAX = 1_000;
/**
 * How long dial and hello may take before it dials again: doubles with each attempt. A proxy whose machine is busy can take
 * 100 ms to answer, and a second hello voids what the first one set going; a dead connection is rare and says so itself.
 */
export const ATTEMPT_MS_MIN = 250;
/** The first bound where the proxy was slow lately: four times its last answer, up to this. */
const ATTEMPT_MS_MAX_FIRST = 600;
/** The pause after a second refusal in a row; doubles. The first is followed by a dial at once. */
const REDIAL_PAUSE_MS = 25;

/** What the session needs of the outside. */
export interface SessionPorts {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly dialer: Dialer;
}

/** What the session tells its owner. */
export interface SessionEvents {
  summary(): StoreSummary;
  /** The proxy proved itself for this invocation. */
  onGreeted(): void;
  /** A welcomed connection is gone, and every exchange with it; the session dials again. */
  onLost(): void;
  /** A second without a welcomed connection. */
  onUnreachable(reason: string): void;
  /** The proxy does not want this invocation. */
  onRefused(reason: string): void;
  /** Of this invocation, on a connection that was proved. */
  bodyPlace(channel: number, message: Message, bytes: number): Uint8Array | null;
  onMessage(channel: number, message: Message, body: Uint8Array | null): void;
  /** The transport writes no more into what `bodyPlace` gave, whatever became of the invocation since. */
  onReturned(place: Uint8Array): void;
}

/** What happened on the way to proxies since the instance started. */
export interface SessionCounters {
  dials: number;
  redials: number;
  /** Frames of other terms and invocations. */
  staleFrames: number;
  /** Wrong proofs. */
  forgeries: number;
  /** Frames of this invocation before the proxy had proved itself. */
  unproved: number;
}

interface Live {
  readonly connection: Connection;
  readonly address: string;
  readonly term: number;
  challenge: Uint8Array | null;
  /** Of the hello that waits for its welcome. */
  nonce: Uint8Array | null;
  /** The proxy proved itself on this connection, for the invocation under way. */
  isGreeted: boolean;
  /** Where the body goes that is on its way. */
  place: Uint8Array | null;
}

/** The session of one instance; outlives invocations, as its connection does. */
export class Session {
  readonly counters: SessionCounters = {
    dials: 0,
    redials: 0,
    staleFrames: 0,
    forgeries: 0,
    unproved: 0,
  };
  readonly #identity: InstanceIdentity;
  readonly #ports: SessionPorts;
  readonly #events: SessionEvents;
  readonly #attemptEnd: Deadline;
  readonly #redial: Deadline;
  readonly #giveUp: Deadline;
  #order: InvokeOrder | null = null;
  #isFresh = false;
  #live: Live | null = null;
  /** Told apart so that the answer to a dial that was given up finds nobody. */
  #dialNumber = 0;
  #attempts = 0;
  #attemptStartedAt = 0;
  #firstBoundMs = ATTEMPT_MS_MIN;
  #redialsUntold = 0;
  #lastFailure = "";

  constructor(identity: InstanceIdentity, ports: SessionPorts, events: SessionEvents) {
    this.#identity = identity;
    this.#ports = ports;
    this.#events = events;
    const { clock } = ports;
    this.#attemptEnd = new Deadline(clock, () => this.#fail("no answer in time", true));
    this.#redial = new Deadline(clock, () => this.#dial());
    this.#giveUp = new Deadline(clock, () => this.#events.onUnreachable(this.#lastFailure));
  }

  /** The connection, while it is welcomed in this invocation. */
  get connection(): Connection | null {
    return this.#live?.isGreeted === true ? this.#live.connection : null;
  }

  /** An invocation begins. The connection is kept if it leads to the same proxy in the same term. */
  begin(order: InvokeOrder, isFresh: boolean): void {
    this.end();
    this.#order = order;
    this.#isFresh = isFresh;
    this.#searchAnew();
    if (this.#live === null) {
      this.#dial();
      return;
    }
    if (this.#live.address !== order.proxy || this.#live.term !== order.term) {
      this.#drop("another proxy or term took over");
      this.#dial();
      return;
    }
    this.#startAttempt();
    // Without a challenge yet, the hello follows when it comes.
    if (this.#live.challenge !== null) this.#sayHello(this.#live, order);
  }

  /** The invocation is over; the connection stays for the next one. */
  end(): void {
    this.#order = null;
    this.#dialNumber++;
    if (this.#live !== null) {
      this.#live.isGreeted = false;
      this.#live.nonce = null;
    }
    for (const deadline of [this.#attemptEnd, this.#redial, this.#giveUp]) deadline.cancel();
  }

  /** Sends within this invocation; without a welcomed connection the message is dropped, and `onSent` called. */
  send(channel: number, message: Message, body?: Uint8Array, onSent?: () => void): void {
    const order = this.#order;
    if (order === null || this.connection === null) {
      onSent?.();
      return;
    }
    this.connection.send(envelopeOf(order, channel), message, body, onSent);
  }

  /** Closes the connection because the proxy broke the protocol; the session dials again. */
  fault(reason: string): void {
    const live = this.#live;
    if (live === null) return;
    const envelope = this.#order === null ? null : envelopeOf(this.#order, 0);
    if (envelope !== null) {
      live.connection.send(envelope, { kind: "refused", code: "ICACHE_PROTOCOL", reason });
    }
    this.#drop(reason);
    this.#lost(live, reason);
  }

  #searchAnew(): void {
    this.#attempts = 0;
    this.#lastFailure = "no answer in time";
    this.#giveUp.set(this.#ports.clock.now() + UNREACHABLE_MS_MAX);
  }

  #startAttempt(): number {
    const now = this.#ports.clock.now();
    const boundMs = this.#firstBoundMs * 2 ** this.#attempts;
    this.#attemptStartedAt = now;
    this.#attemptEnd.set(now + boundMs);
    return boundMs;
  }

  #dial(): void {
    const order = this.#order;
    if (order === null) return;
    const dialNumber = ++this.#dialNumber;
    this.counters.dials++;
    const boundMs = this.#startAttempt();
    this.#ports.dialer.dial(order.proxy, boundMs, (connection, reason) => {
      if (dialNumber !== this.#dialNumber) return connection?.close("too late");
      if (connection === null) return this.#fail(reason, false);
      this.#adopt(connection, order);
    });
  }

  #adopt(connection: Connection, order: InvokeOrder): void {
    const live: Live = {
      connection,
      address: order.proxy,
      term: order.term,
      challenge: null,
      nonce: null,
      isGreeted: false,
      place: null,
    };
    this.#live = live;
    connection.setHandler({
      bodyPlace: (envelope, message, bytes) => {
        if (!this.#isCurrent(live, envelope) || !live.isGreeted) return null;
        live.place = this.#events.bodyPlace(envelope.channel, message, bytes);
        return live.place;
      },
      onMessage: (envelope, message, body) => {
        this.#receive(live, envelope, message, body);
        if (body !== null) this.#placeReturned(live);
      },
      onClose: (reason) => {
        if (this.#live === live) {
          this.#live = null;
          this.#lost(live, reason);
        }
        this.#placeReturned(live);
      },
    });
  }

  #placeReturned(live: Live): void {
    const { place } = live;
    live.place = null;
    if (place !== null) this.#events.onReturned(place);
  }

  #receive(live: Live, envelope: Envelope, message: Message, body: Uint8Array | null): void {
    if (this.#live !== live) return;
    // These two are about the connection itself; the proxy sends them before it knows the invocation.
    if (message.kind === "challenge") {
      this.#challenged(live, message.nonce);
      return;
    }
    if (message.kind === "refused") {
      this.#refused(live, message);
      return;
    }
    if (!this.#isCurrent(live, envelope)) {
      this.counters.staleFrames++;
      return;
    }
    if (message.kind === "functionWelcome") {
      this.#welcomed(live, message);
      return;
    }
    if (live.isGreeted) this.#events.onMessage(envelope.channel, message, body);
    else this.counters.unproved++;
  }

  #isCurrent(live: Live, envelope: Envelope): boolean {
    const order = this.#order;
    return (
      this.#live === live &&
      order !== null &&
      envelope.term === order.term &&
      envelope.invocation === order.invocation
    );
  }

  #challenged(live: Live, challenge: Uint8Array): void {
    // A second challenge would let whoever sends it collect proofs over texts of its choice.
    if (live.challenge !== null) {
      this.fault("a connection has one challenge");
      return;
    }
    live.challenge = challenge;
    if (this.#order !== null) this.#sayHello(live, this.#order);
  }

  #sayHello(live: Live, order: InvokeOrder): void {
    if (live.challenge === null) return;
    const hello = makeHello(this.#ports.crypto, this.#identity, order, live.challenge, {
      ...this.#events.summary(),
      redials: Math.min(this.#redialsUntold, 65_535),
      isFresh: this.#isFresh,
    });
    live.nonce = hello.nonce;
    live.connection.send(envelopeOf(order, 0), hello);
  }

  #welcomed(live: Live, message: MessageOf<"functionWelcome">): void {
    const order = this.#order;
    if (order === null || live.nonce === null || live.challenge === null) return;
    const { nonce, challenge } = live;
    const { crypto } = this.#ports;
    const isGenuine = isGenuineWelcome(
      crypto,
      this.#identity,
      order,
      { nonce, challenge },
      message,
    );
    if (!isGenuine) {
      this.counters.forgeries++;
      this.#drop("the proxy's proof is wrong");
      this.#lost(live, "the proxy's proof is wrong");
      return;
    }
    live.nonce = null;
    live.isGreeted = true;
    this.#attempts = 0;
    this.#redialsUntold = 0;
    const answerMs = this.#ports.clock.now() - this.#attemptStartedAt;
    this.#firstBoundMs = Math.max(ATTEMPT_MS_MIN, Math.min(ATTEMPT_MS_MAX_FIRST, 4 * answerMs));
    this.#attemptEnd.cancel();
    this.#giveUp.cancel();
    this.#events.onGreeted();
  }

  #refused(live: Live, message: MessageOf<"refused">): void {
    const reason = `${message.code}: ${message.reason}`;
    const isGreeted = live.isGreeted;
    this.#drop("refused by the proxy");
    if (this.#order === null) return;
    // After a welcome it says that the connection broke down, and a new one may do; before, that we are not wanted.
    if (isGreeted) this.#lost(live, reason);
    else this.#events.onRefused(reason);
  }

  /** `live` is not `#live` any more: go on without it. */
  #lost(live: Live, reason: string): void {
    if (this.#order === null) return;
    if (!live.isGreeted) {
      this.#fail(reason, false);
      return;
    }
    this.#searchAnew();
    this.#events.onLost();
    // The owner may have used the occasion to end the invocation.
    if (this.#order !== null) this.#dialAgain();
  }

  #fail(reason: string, hasWaited: boolean): void {
    this.#drop("no answer in time");
    if (this.#order === null) return;
    this.#lastFailure = reason;
    this.#dialNumber++;
    this.#attemptEnd.cancel();
    const pauseMs =
      hasWaited || this.#attempts === 0 ? 0 : REDIAL_PAUSE_MS * 2 ** (this.#attempts - 1);
    this.#attempts++;
    if (pauseMs === 0) {
      this.#dialAgain();
      return;
    }
    this.#countRedial();
    this.#redial.set(this.#ports.clock.now() + pauseMs);
  }

  #dialAgain(): void {
    this.#countRedial();
    this.#dial();
  }

  #countRedial(): void {
    this.counters.redials++;
    this.#redialsUntold++;
  }

  #drop(reason: string): void {
    const live = this.#live;
    this.#live = null;
    live?.connection.close(reason);
  }
}

function envelopeOf(order: InvokeOrder, channel: number): Envelope {
  return { channel, term: order.term, invocation: order.invocation };
}
