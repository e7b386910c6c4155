// The exchanges of one link: those that wait for the node, those that run on a channel, and those that are about to be
// told how they ended. Each is in one place at a time; it wakes nobody and sends nothing.

import type { Clock } from "../core/ports.ts";
import { Roster } from "../core/roster.ts";
import type { Exchange, ExchangeEnd } from "./exchange.ts";

/** Exchanges that may wait for one node; beyond this they end as unreachable at once. */
const WAITING_EXCHANGES_MAX = 10_000;

/** The exchanges of one link. */
export class ExchangeQueue {
  readonly #clock: Clock;
  readonly #running = new Roster<number, Exchange>();
  #waiting: Exchange[] = [];
  /** Taken out of the above and about to be told so; `remove` still reaches them. */
  readonly #ending = new Set<Exchange>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** True when none waits and none runs. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#running.size === 0;
  }

  /** Waits for the node; false when too many do, and it ends in a later turn. */
  offer(exchange: Exchange): boolean {
    if (this.#waiting.length >= WAITING_EXCHANGES_MAX) {
      this.#endLater([exchange]);
      return false;
    }
    this.#waiting.push(exchange);
    return true;
  }

  /** All that wait, in order; whoever takes them runs them. */
  takeWaiting(): readonly Exchange[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }

  run(channel: number, exchange: Exchange): void {
    this.#running.set(channel, exchange);
  }

  /** What runs on this channel. */
  at(channel: number): Exchange | undefined {
    return this.#running.get(channel);
  }

  finish(channel: number): void {
    this.#running.delete(channel);
  }

  /** Takes it out wherever it is, so that it is not called again; true when it ran on this channel. */
  remove(exchange: Exchange, channel: number | null): boolean {
    this.#ending.delete(exchange);
    const waitingAt = this.#waiting.indexOf(exchange);
    if (waitingAt >= 0) this.#waiting.splice(waitingAt, 1);
    if (channel === null || this.#running.get(channel) !== exchange) return false;
    return this.#running.delete(channel);
  }

  /** All that run did not finish in this invocation. */
  interrupt(): void {
    const running = [...this.#running.values()];
    this.#running.clear();
    for (const exchange of running) this.#ending.add(exchange);
    this.#endAll("interrupted", running);
  }

  /** All that wait cannot be served now. */
  giveUp(): void {
    const waiting = this.takeWaiting();
    if (waiting.length > 0) this.#endLater(waiting);
  }

  /** Tells those who still wait in a later turn that they will wait for longer, if it `isSo` then. */
  tellLate(isSo: () => boolean): void {
    if (!this.hasWaiting) return;
    this.#clock.setTimer(0, () => {
      if (isSo()) for (const exchange of [...this.#waiting]) exchange.onLate?.();
    });
  }

  /** In a later turn: whoever has just opened one does not expect its end within the call. */
  #endLater(exchanges: readonly Exchange[]): void {
    for (const exchange of exchanges) this.#ending.add(exchange);
    this.#clock.setTimer(0, () => this.#endAll("unreachable", exchanges));
  }

  #endAll(reason: ExchangeEnd, exchanges: readonly Exchange[]): void {
    // One may close another while it ends.
    for (const exchange of exchanges) if (this.#ending.delete(exchange)) exchange.onEnd(reason);
  }
}
