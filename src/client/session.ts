// The client's session with one proxy: one connection, dialled when it is needed, greeted, watched for half-open
// silence, and dialled again with jittered back-off. It never knows what an operation is; it carries exchanges.

import { CODE_RULES_DEFAULT } from "../core/code.ts";
import { CacheError, isErrorCode } from "../core/errors.ts";
import { Numbered } from "../core/numbered.ts";
import type { Clock, Random, Timer } from "../core/ports.ts";
import { Roster } from "../core/roster.ts";
import type { Connection, Dialer, Envelope } from "../wire/connection.ts";
import type { Message, MessageOf } from "../wire/messages.ts";
import { Exchange, type ExchangeCarrier, type ExchangeOwner, type Welcome } from "./exchange.ts";

/** Silence on a connection after which it is pinged, and after which, once more, it is closed. */
export const SILENCE_MS_MAX = 15_000;
/** How often it is looked whether anything has come; by as much silence may be noticed late. */
const LOOK_MS = 5_000;
/** How long one dial, and then the proxy's welcome, may take. */
export const DIAL_MS_MAX = 5_000;
/** After this long without a connection those who wait for one are told so: longer than a proxy's restart. */
export const UNREACHABLE_MS_DEFAULT = 10_000;
/** The pause before dialling again doubles from the first to the last of these; each is cut by chance to between half and all of it. */
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1_000;
/** An ended exchange whose memory the transport keeps this long means a stuck connection, which is closed. */
const DRAIN_MS_MAX = 10_000;
/** A channel number is 32 bits on the wire; a connection that old is replaced rather than wrapped. */
const CHANNEL_MAX = 2 ** 32 - 1;

/** What a session needs. */
export interface SessionOptions {
  readonly dialer: Dialer;
  readonly address: string;
  readonly clock: Clock;
  readonly random: Random;
  /** 16 bytes, the same for the life of the client: with a sequence number it names a change. */
  readonly clientId: Uint8Array;
  readonly token: string;
  readonly agent: string;
  readonly unreachableMs: number;
  /** The number of the membership document the client works by; absent: it knows none. */
  readonly epoch?: () => number;
  /** Where functions may dial this client, once that is known; absent: nowhere. */
  readonly listens?: () => MessageOf<"listen"> | null;
  /** The proxy has a newer document. */
  readonly onMembership?: (message: MessageOf<"membership">) => void;
  /** A connection could not be had, or was lost. */
  readonly onGone?: () => void;
}

type Phase = "idle" | "dialling" | "greeting" | "open" | "closing" | "pausing" | "closed";

/** One session; see the header. */
export class Session implements ExchangeCarrier {
  readonly #options: SessionOptions;
  /** By channel. */
  readonly #exchanges = new Numbered<Exchange>();
  readonly #waiting = new Map<ExchangeOwner, number>();
  readonly #pings = new Roster<number, () => void>();
  /** Ended exchanges whose memory the transport still holds. */
  readonly #draining = new Map<Exchange, Timer>();
  #phase: Phase = "idle";
  #connection: Connection | null = null;
  #welcome: Welcome | null = null;
  #failures = 0;
  #lastFailure = "not dialled yet";
  #lastHeardAt = 0;
  /** Something came since the last look. */
  #isHeard = false;
  #openedAt = 0;
  /** When it was pinged because nothing came; null: it was not, or something came since. */
  #pingedAt: number | null = null;
  #watch: Timer | null = null;
  #pause: Timer | null = null;
  #onClosed: (() => void) | null = null;
  /** How often a connection was opened. */
  dials = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Begins an exchange for `owner` as soon as there is a connection, possibly within this call. The answer takes the wish back. `since`: when the owner began to wait, elsewhere maybe. */
  begin(owner: ExchangeOwner, since: number = this.#options.clock.now()): () => void {
    if (this.#phase === "closed")
      owner.onRefused(new CacheError("ICACHE_CLOSED", "the client was closed"));
    else if (this.#phase === "open") this.#open(owner);
    else {
      this.#waiting.set(owner, since);
      if (this.#phase === "idle") this.#dial();
    }
    return () => void this.#waiting.delete(owner);
  }

  /** Dials, unless it is dialled already: the proxy may have news. */
  touch(): void {
    if (this.#phase === "idle") this.#dial();
  }

  /** Tells the proxy which document the client works by from now on. */
  sayEpoch(epoch: number): void {
    if (this.#phase === "open") this.send(0, { kind: "epoch", epoch });
  }

  /** Tells the proxy where functions may dial this client. */
  sayListen(): void {
    const message = this.#options.listens?.() ?? null;
    if (this.#phase === "open" && message !== null) this.send(0, message);
  }

  /** Owners that wait for a connection look anew for the right proxy. */
  moveWaiting(): void {
    const owners = [...this.#waiting.keys()];
    this.#waiting.clear();
    for (const owner of owners) owner.onMoved();
  }

  /** True when the proxy has said that it shares the keys with nobody. */
  get isAlone(): boolean {
    return this.#phase === "open" && this.#welcome?.epoch === 0;
  }

  /** True when requests can go out at once. */
  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** True when somebody waits for a connection. */
  get isWanted(): boolean {
    return this.#waiting.size > 0;
  }

  /** True when nothing is under way and nobody waits. */
  get isUnused(): boolean {
    return this.#exchanges.size === 0 && this.#waiting.size === 0;
  }

  /** Why there is no connection, for error messages. */
  get lastFailure(): string {
    return this.#lastFailure;
  }

  /** Ends everything; `closed` is called when the connection is gone, possibly within this call. */
  close(closed: () => void): void {
    if (this.#phase === "closed") return closed();
    const connection = this.#connection;
    this.#phase = "closed";
    this.#pause?.cancel();
    this.#watch?.cancel();
    this.#stopDraining(); // From here on the transport itself sees to it that the connection ends.
    const error = new CacheError("ICACHE_CLOSED", "the client was closed");
    for (const owner of this.#waiting.keys()) this.#refuse(owner, error);
    if (connection === null) return closed();
    this.#onClosed = closed;
    connection.close("the client was closed");
  }

  /** The other side broke the protocol, or the connection is stuck: gives the connection up. */
  fault(reason: string): void {
    if (this.#connection === null || this.#phase === "closed" || this.#phase === "closing") return;
    this.#phase = "closing";
    this.#lastFailure = reason;
    this.#connection.close(reason);
  }

  send(channel: number, message: Message, body?: Uint8Array, onSent?: () => void): void {
    const envelope = { channel, term: 0, invocation: 0 };
    if (this.#connection === null) onSent?.();
    else if (body === undefined) this.#connection.send(envelope, message);
    else this.#connection.send(envelope, message, body, onSent);
  }

  dropQueued(channel: number): void {
    this.#connection?.dropQueued(channel);
  }

  ping(answered: () => void): void {
    const nonce = this.#options.random.u32();
    this.#pings.set(nonce, answered);
    this.send(0, { kind: "ping", nonce });
  }

  onDraining(exchange: Exchange): void {
    const isHere = this.#exchanges.get(exchange.channel) === exchange;
    if (!isHere || this.#connection === null || this.#phase === "closed") return;
    const timer = this.#options.clock.setTimer(DRAIN_MS_MAX, () => {
      this.#draining.delete(exchange);
      this.fault("a transfer could not be ended");
    });
    this.#draining.set(exchange, timer);
  }

  onDrained(exchange: Exchange): void {
    this.#draining.get(exchange)?.cancel();
    this.#draining.delete(exchange);
    if (this.#exchanges.get(exchange.channel) === exchange)
      this.#exchanges.delete(exchange.channel);
  }

  #stopDraining(): void {
    for (const timer of this.#draining.values()) timer.cancel();
    this.#draining.clear();
  }

  #open(owner: ExchangeOwner): void {
    if (this.#welcome === null) return;
    const exchange = new Exchange(this.#exchanges.next(), owner, this);
    this.#exchanges.add(exchange);
    owner.onOpen(exchange, this.#welcome);
    if (exchange.channel >= CHANNEL_MAX) this.fault("channel numbers are used up");
  }

  #dial(): void {
    const { dialer, address, clock } = this.#options;
    this.#phase = "dialling";
    this.dials += 1;
    dialer.dial(address, DIAL_MS_MAX, (connection, reason) => {
      if (this.#phase === "closed") return connection?.close("the client was closed");
      if (connection === null) return this.#onGone(reason);
      this.#phase = "greeting";
      this.#connection = connection;
      connection.setHandler({
        bodyPlace: (envelope, message, bytes) => this.#bodyPlace(envelope, message, bytes),
        onMessage: (envelope, message, body) => this.#onMessage(envelope, message, body),
        onClose: (why) => this.#onClose(why),
      });
      const { clientId, token, agent } = this.#options;
      this.send(0, { kind: "hello", clientId, token, epoch: this.#options.epoch?.() ?? 0, agent });
      this.#pingedAt = null;
      this.#watch = clock.setTimer(DIAL_MS_MAX, () => this.#onWatch());
    });
  }

  /**
   * One timer watches the connection: for the welcome first, then for silence. What comes only leaves a mark, since it may
   * come a hundred thousand times a second; the timer looks for it.
   */
  #onWatch(): void {
    if (this.#phase === "greeting") return this.fault("the proxy did not greet in time");
    if (this.#phase !== "open") return;
    const { clock, random } = this.#options;
    const now = clock.now();
    if (this.#isHeard) this.#noteHeard(now);
    const pingedAt = this.#pingedAt;
    if (pingedAt !== null && now - pingedAt >= SILENCE_MS_MAX) {
      // After a freeze timers come first, and the answer may be waiting.
      clock.afterInput(() => {
        if (this.#pingedAt !== pingedAt || this.#isHeard) return;
        this.fault(`nothing came for ${Math.round((now - this.#lastHeardAt) / 1_000)} s`);
      });
    } else if (pingedAt === null && now - this.#lastHeardAt >= SILENCE_MS_MAX) {
      this.#pingedAt = now;
      this.send(0, { kind: "ping", nonce: random.u32() });
    }
    this.#watch = clock.setTimer(LOOK_MS, () => this.#onWatch());
  }

  #noteHeard(now: number): void {
    this.#lastHeardAt = now;
    this.#isHeard = false;
    this.#pingedAt = null;
  }

  #bodyPlace(envelope: Envelope, message: Message, bytes: number): Uint8Array | null {
    this.#isHeard = true;
    const exchange = this.#exchanges.get(envelope.channel);
    if (exchange === undefined || exchange.hasEnded || message.kind !== "data") return null;
    const place = exchange.owner.bodyPlace(message, bytes);
    if (place !== null) exchange.notePlaced();
    return place;
  }

  #onMessage(envelope: Envelope, message: Message, body: Uint8Array | null): void {
    this.#isHeard = true;
    const exchange = this.#exchanges.get(envelope.channel);
    if (body !== null) exchange?.noteFilled();
    if (message.kind === "pong") return this.#onPong(message.nonce);
    if (message.kind === "ping")
      return this.send(envelope.channel, { kind: "pong", nonce: message.nonce });
    if (envelope.channel === 0) return this.#onOwnMessage(message);
    if (exchange !== undefined && !exchange.hasEnded) exchange.owner.onMessage(message, body);
  }

  #onPong(nonce: number): void {
    const answered = this.#pings.get(nonce);
    this.#pings.delete(nonce);
    answered?.();
  }

  #onOwnMessage(message: Message): void {
    if (message.kind === "refused") this.#onRefused(message);
    else if (message.kind === "welcome" && this.#phase === "greeting") this.#onWelcome(message);
    else if (message.kind === "membership" && this.#phase === "open")
      this.#options.onMembership?.(message);
    else this.fault(`the proxy sent "${message.kind}" out of place`);
  }

  #onWelcome(message: MessageOf<"welcome">): void {
    const codeRules = message.codeRules.map(({ bytesBelow, dataChunks, parityChunks }) => ({
      bytesBelow,
      code: { dataChunks, parityChunks },
    }));
    this.#welcome = {
      generation: message.generation,
      term: message.term,
      address: this.#options.address,
      epoch: message.epoch,
      poolNodes: message.poolNodes,
      codeRules: codeRules.length === 0 ? CODE_RULES_DEFAULT : codeRules,
    };
    this.#phase = "open";
    this.#openedAt = this.#options.clock.now();
    this.#noteHeard(this.#openedAt);
    this.#watch?.cancel();
    this.#watch = this.#options.clock.setTimer(LOOK_MS, () => this.#onWatch());
    this.sayListen();
    for (const owner of this.#waiting.keys()) {
      if (this.#waiting.delete(owner)) this.#open(owner);
    }
  }

  /** Being turned away for good reaches those who wait; a proxy that is busy or stopping is tried again. */
  #onRefused(message: MessageOf<"refused">): void {
    this.#lastFailure = message.reason;
    const isForGood = [
      "ICACHE_AUTH",
      "ICACHE_DENIED",
      "ICACHE_PROTOCOL",
      "ICACHE_INVALID",
      "ICACHE_SUPERSEDED",
    ].includes(message.code);
    if (isForGood && isErrorCode(message.code)) {
      const error = new CacheError(message.code, message.reason);
      for (const owner of this.#waiting.keys()) this.#refuse(owner, error);
    }
    this.fault(message.reason);
  }

  #refuse(owner: ExchangeOwner, error: CacheError): void {
    if (this.#waiting.delete(owner)) owner.onRefused(error);
  }

  #onClose(reason: string): void {
    const exchanges = this.#exchanges.values();
    const why = this.#phase === "closing" ? this.#lastFailure : reason;
    this.#connection = null;
    this.#watch?.cancel();
    this.#stopDraining();
    this.#exchanges.clear();
    this.#pings.clear();
    if (this.#phase === "closed") {
      for (const exchange of exchanges) this.#lose(exchange, why);
      return this.#onClosed?.();
    }
    const livedMs = this.#welcome === null ? 0 : this.#options.clock.now() - this.#openedAt;
    this.#welcome = null;
    // Only a connection that was of use makes the next pause short again.
    if (livedMs >= BACKOFF_MS_MAX) this.#failures = 0;
    this.#onGone(why);
    for (const exchange of exchanges) this.#lose(exchange, why);
  }

  #lose(exchange: Exchange, reason: string): void {
    const hadEnded = exchange.hasEnded;
    exchange.noteLost();
    if (!hadEnded) exchange.owner.onLost(reason);
  }

  /** No connection: tell those who have waited long enough, pause, dial again while anybody waits. */
  #onGone(reason: string): void {
    const { clock, random, address, unreachableMs } = this.#options;
    this.#lastFailure = reason;
    this.#failures += 1;
    this.#phase = "pausing";
    const now = clock.now();
    const whole = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(10, this.#failures - 1));
    const pauseMs = whole / 2 + random.below(Math.ceil(whole / 2));
    this.#pause = clock.setTimer(pauseMs, () => {
      if (this.#phase !== "pausing") return;
      this.#phase = "idle";
      if (this.#waiting.size > 0) this.#dial();
    });
    const error = new CacheError(
      "ICACHE_UNREACHABLE",
      `no connection to the proxy at ${address}: ${reason}`,
    );
    for (const [owner, since] of this.#waiting)
      if (now - since >= unreachableMs) this.#refuse(owner, error);
    this.#options.onGone?.();
  }
}
