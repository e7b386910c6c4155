// The tickets that one side has given out: each is redeemed once, by the connection it was meant for, and forgotten.
// A redemption that comes before its ticket (the proxy tells both sides at once) waits here for a while.

import { toHex } from "../core/invocation.ts";
import type { Clock } from "../core/ports.ts";
import { Roster } from "../core/roster.ts";
import type { ChannelOwner, DirectLine, LineChannel } from "./direct-line.ts";

/** Redemptions that wait for their ticket; the oldest gives way. */
export const EARLY_MAX = 256;
/** How long a redemption waits. */
export const EARLY_MS_MAX = 10_000;
/** Tickets out at a time; above that none is given, and the chunk goes through the proxy. */
export const TICKETS_MAX = 16_384;

/** Who gave a ticket out. */
export interface TicketHolder extends ChannelOwner {
  /** The other side has redeemed it: the transfer runs on this channel. */
  onRedeemed(channel: LineChannel): void;
}

interface Early {
  readonly line: DirectLine;
  readonly channel: number;
  readonly at: number;
}

/** See the header. */
export class Tickets {
  readonly #clock: Clock;
  readonly #earlyMax: number;
  readonly #held = new Roster<
    string,
    { readonly holder: TicketHolder; readonly line: DirectLine }
  >();
  readonly #early = new Roster<string, Early>();
  /** Redemptions of tickets that were not known, or meant for another connection. */
  refused = 0;

  /** `earlyMax` 0: whoever redeems here has heard of the ticket later than we have. */
  constructor(clock: Clock, earlyMax: number = EARLY_MAX) {
    this.#clock = clock;
    this.#earlyMax = earlyMax;
  }

  /** Given out, and neither redeemed nor taken back. */
  get count(): number {
    return this.#held.size;
  }

  /** Gives a ticket to the other side of `line`; it may have redeemed it already. False: there are too many. */
  offer(ticket: Uint8Array, line: DirectLine, holder: TicketHolder): boolean {
    const name = toHex(ticket);
    if (this.#held.size >= TICKETS_MAX || this.#held.has(name)) return false;
    const early = this.#early.get(name);
    if (early === undefined) {
      this.#held.set(name, { holder, line });
      return true;
    }
    this.#early.delete(name);
    if (early.line !== line) return this.#refuse(early.line, early.channel);
    return this.#give(early.line, early.channel, holder);
  }

  /** Takes a ticket back that was not redeemed yet. */
  withdraw(ticket: Uint8Array): void {
    this.#held.delete(toHex(ticket));
  }

  /** Its line is gone: everybody whose ticket was for it is told. */
  dropLine(line: DirectLine, reason: string): void {
    for (const [name, early] of this.#early) if (early.line === line) this.#early.delete(name);
    for (const [name, held] of this.#held) {
      if (held.line !== line) continue;
      this.#held.delete(name);
      held.holder.onClosed(reason);
    }
  }

  /** The other side of a line has redeemed a ticket on this channel. */
  redeem(ticket: Uint8Array, line: DirectLine, channel: number): void {
    const name = toHex(ticket);
    const held = this.#held.get(name);
    if (held === undefined) return this.#park(name, line, channel);
    // Another's ticket: whose it is loses nothing by it.
    if (held.line !== line) return void this.#refuse(line, channel);
    this.#held.delete(name);
    this.#give(line, channel, held.holder);
  }

  #park(name: string, line: DirectLine, channel: number): void {
    const now = this.#clock.now();
    for (const [oldest, early] of this.#early) {
      const isOld = now - early.at > EARLY_MS_MAX;
      if (!isOld && this.#early.size < this.#earlyMax) break;
      this.#early.delete(oldest);
      this.#refuse(early.line, early.channel);
    }
    if (this.#earlyMax === 0 || this.#early.has(name)) return void this.#refuse(line, channel);
    this.#early.set(name, { line, channel, at: now });
  }

  #give(line: DirectLine, number: number, holder: TicketHolder): boolean {
    const channel = line.take(number, holder);
    if (channel === null) return this.#refuse(line, number);
    holder.onRedeemed(channel);
    return true;
  }

  #refuse(line: DirectLine, channel: number): false {
    this.refused += 1;
    line.connection.send({ channel, term: 0, invocation: 0 }, { kind: "cancel" });
    return false;
  }
}
