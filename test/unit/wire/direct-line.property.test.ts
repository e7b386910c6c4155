// Lines and tickets against an adversary who speaks on the same connection and on another: whatever it redeems, repeats
// and sends, a live transfer gets the bytes of its sender and nothing else, and a ticket works once.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Connection } from "../../../src/wire/connection.ts";
import { type ChannelOwner, DirectLine, type LineChannel } from "../../../src/wire/direct-line.ts";
import type { Message, MessageOf } from "../../../src/wire/messages.ts";
import { connectionPair } from "../../../src/wire/pair.ts";
import { EARLY_MAX, type TicketHolder, Tickets } from "../../../src/wire/tickets.ts";
import { VirtualClock } from "../proxy/virtual-clock.ts";

const PART_BYTES = 64;
const PARTS = 5;

/** A line with the raw connection at its other end. */
function lineOf(clock: VirtualClock, tickets: Tickets, firstChannel: 1 | 2) {
  const [near, far] = connectionPair(clock.soon);
  const line = new DirectLine({
    ...{ connection: near, firstChannel, tickets, clock, graceMs: 50 },
    onClosed: (closed, reason) => tickets.dropLine(closed, reason),
  });
  near.setHandler(line);
  return { line, far };
}

/** Takes a chunk of PARTS parts in order, as a GET does. */
class Taker implements ChannelOwner {
  readonly memory = new Uint8Array(PARTS * PART_BYTES);
  received = 0;
  holds = 0;
  closed: string | null = null;

  place(message: MessageOf<"data">, bytes: number): Uint8Array | null {
    const isNext = message.stripe === 7 && message.offset === this.received;
    if (!isNext || message.offset + bytes > this.memory.length) return null;
    return this.memory.subarray(message.offset, message.offset + bytes);
  }

  onMessage(message: Message, body: Uint8Array | null): void {
    if (message.kind === "data" && body !== null) this.received += body.length;
  }

  onClosed(reason: string): void {
    this.closed = reason;
  }

  onHold(change: 1 | -1): void {
    this.holds += change;
  }
}

class Holder extends Taker implements TicketHolder {
  channels: LineChannel[] = [];

  onRedeemed(channel: LineChannel): void {
    this.channels.push(channel);
  }
}

const ticketOf = (seed: number): Uint8Array => new Uint8Array(16).fill(seed);

function say(connection: Connection, channel: number, message: Message, body?: Uint8Array): void {
  connection.send({ channel, term: 0, invocation: 0 }, message, body);
}

test("line: no frame of another channel reaches a live transfer", () => {
  const noise = fc.record({
    channel: fc.integer({ min: 0, max: 9 }),
    what: fc.constantFrom("data", "taken", "cancel", "redeem", "chunkFound", "pong"),
    offset: fc.integer({ min: 0, max: PARTS * PART_BYTES }),
    ticket: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(
      fc.array(fc.array(noise, { maxLength: 6 }), { minLength: PARTS, maxLength: PARTS }),
      (rounds) => {
        const clock = new VirtualClock();
        const tickets = new Tickets(clock, 0);
        const { line, far } = lineOf(clock, tickets, 1);
        far.setHandler({ bodyPlace: () => null, onMessage: () => {}, onClose: () => {} });
        // Three transfers have ended before: their channels are known to the other side, and dead.
        const ended = [0, 1, 2].map(() => new Taker());
        for (const owner of ended) line.redeem(ticketOf(9), owner)?.end("cancel");
        const taker = new Taker();
        const live = line.redeem(ticketOf(1), taker);
        assert(live !== null);
        rounds.forEach((frames, part) => {
          for (const { channel, what, offset, ticket } of frames) {
            if (channel === live.number || (what === "redeem" && channel % 2 === 1)) continue;
            if (what === "redeem" && channel === 0) continue;
            say(
              far,
              channel,
              frameOf(what, offset, ticket),
              what === "data" ? new Uint8Array(PART_BYTES).fill(0xee) : undefined,
            );
          }
          const body = new Uint8Array(PART_BYTES).fill(part + 1);
          say(
            far,
            live.number,
            { kind: "data", stripe: 7, index: 0, attempt: 0, offset: part * PART_BYTES },
            body,
          );
          clock.advance(1);
        });
        assert.equal(taker.closed, null);
        assert.equal(taker.received, taker.memory.length);
        for (let at = 0; at < taker.memory.length; at++)
          assert.equal(taker.memory[at], Math.floor(at / PART_BYTES) + 1);
        assert.equal(taker.holds, 0);
        for (const owner of ended) assert.deepEqual([owner.received, owner.holds], [0, 0]);
      },
    ),
  );
});

test("tickets: each is redeemed once, by the line it was given to, whatever else is tried and in whatever order", () => {
  const tries = fc.array(
    fc.record({ line: fc.nat({ max: 1 }), ticket: fc.nat({ max: 5 }), isOffer: fc.boolean() }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(tries, (steps) => {
      const clock = new VirtualClock();
      const tickets = new Tickets(clock);
      const lines = [lineOf(clock, tickets, 2), lineOf(clock, tickets, 2)];
      for (const { far } of lines)
        far.setHandler({ bodyPlace: () => null, onMessage: () => {}, onClose: () => {} });
      const holders = new Map<number, Holder>();
      const redeemed = new Map<number, number>();
      let channel = 1;
      for (const { line, ticket, isOffer } of steps) {
        if (isOffer && !holders.has(ticket)) {
          const holder = new Holder();
          holders.set(ticket, holder);
          // Ticket n belongs to line n % 2.
          tickets.offer(ticketOf(ticket), lines[ticket % 2]!.line, holder);
        } else if (!isOffer) {
          say(lines[line]!.far, channel, { kind: "redeem", ticket: ticketOf(ticket) });
          if (line === ticket % 2) redeemed.set(ticket, (redeemed.get(ticket) ?? 0) + 1);
          channel += 2;
        }
        clock.advance(1);
      }
      for (const [ticket, holder] of holders) {
        assert(holder.channels.length <= 1, "redeemed twice");
        if (holder.channels.length === 1) assert(redeemed.has(ticket), "given to the wrong line");
      }
    }),
  );
});

test("tickets: a redemption that comes first waits for its ticket, and so many at most", () => {
  const clock = new VirtualClock();
  const tickets = new Tickets(clock);
  const { line, far } = lineOf(clock, tickets, 2);
  const refused: number[] = [];
  far.setHandler({
    bodyPlace: () => null,
    onMessage: ({ channel }, message) => void (message.kind === "cancel" && refused.push(channel)),
    onClose: () => {},
  });
  const early = (n: number): Uint8Array => Uint8Array.of(n & 255, n >> 8, ...new Uint8Array(14));
  for (let n = 0; n <= EARLY_MAX; n++) say(far, 2 * n + 1, { kind: "redeem", ticket: early(n) });
  clock.advance(1);
  assert.deepEqual(refused, [1], "the oldest gave way");
  const holder = new Holder();
  assert(tickets.offer(early(3), line, holder));
  assert.equal(holder.channels[0]?.number, 7);
  clock.advance(20_000);
  say(far, 9_001, { kind: "redeem", ticket: early(5_000) });
  clock.advance(1);
  assert.equal(refused.length, EARLY_MAX, "all that waited too long were refused");
});

test("line: an ended transfer that the other side leaves half sent costs the connection after a moment", () => {
  const clock = new VirtualClock();
  const tickets = new Tickets(clock, 0);
  const aborted: string[] = [];
  const stuck: Connection = {
    ...{ remote: "stuck", queuedBytes: 0, dropQueued: () => {}, setHandler: () => {} },
    send: () => {},
    close: () => {},
    abort: (reason) => void aborted.push(reason),
  };
  const line = new DirectLine({
    ...{ connection: stuck, firstChannel: 1, tickets, clock, graceMs: 50 },
    onClosed: () => {},
  });
  const [first, second] = [new Taker(), new Taker()];
  const channel = line.redeem(ticketOf(1), first)!;
  line.redeem(ticketOf(2), second);
  const data = { kind: "data", stripe: 7, index: 0, attempt: 0, offset: 0 } as const;
  assert(
    line.bodyPlace({ channel: channel.number, term: 0, invocation: 0 }, data, PART_BYTES) !== null,
  );
  assert.equal(first.holds, 1);
  channel.end("cancel");
  clock.advance(49);
  assert.deepEqual(aborted, []);
  clock.advance(1);
  assert.equal(aborted.length, 1);
  assert.equal(first.holds, 0, "the memory is its owner's again");
  assert.equal(first.closed, null, "an ended transfer hears nothing");
  assert(second.closed !== null, "the others are told");
});

test("line: what came while this process was frozen ends the wait for an ended transfer; the connection stays", () => {
  const virtual = new VirtualClock();
  const envelope = { channel: 1, term: 0, invocation: 0 };
  const data = { kind: "data", stripe: 7, index: 0, attempt: 0, offset: 0 } as const;
  let place: Uint8Array | null = null;
  const clock = {
    now: () => virtual.now(),
    setTimer: (delayMs: number, fire: () => void) => virtual.setTimer(delayMs, fire),
    // The rest of the part lies in the socket.
    afterInput: (act: () => void) => {
      line.onMessage(envelope, data, place);
      act();
    },
  };
  const aborted: string[] = [];
  const connection: Connection = {
    ...{ remote: "thawed", queuedBytes: 0, dropQueued: () => {}, setHandler: () => {} },
    ...{ send: () => {}, close: () => {}, abort: (reason) => void aborted.push(reason) },
  };
  const line = new DirectLine({
    ...{ connection, firstChannel: 1, tickets: new Tickets(virtual, 0), clock, graceMs: 50 },
    onClosed: () => {},
  });
  const taker = new Taker();
  const channel = line.redeem(ticketOf(1), taker)!;
  place = line.bodyPlace(envelope, data, PART_BYTES);
  assert(channel.number === 1 && place !== null);
  channel.end("cancel");
  virtual.advance(50);
  assert.deepEqual(aborted, []);
  assert.equal(taker.holds, 0);
});

test("line: an abandoned transfer's memory is its owner's when the call returns", () => {
  const clock = new VirtualClock();
  const { line, far } = lineOf(clock, new Tickets(clock, 0), 1);
  far.setHandler({ bodyPlace: () => null, onMessage: () => {}, onClose: () => {} });
  const taker = new Taker();
  const channel = line.redeem(ticketOf(1), taker)!;
  channel.send(
    { kind: "data", stripe: 0, index: 0, attempt: 0, offset: 0 },
    new Uint8Array(9),
    () => {},
  );
  assert.equal(taker.holds, 1);
  channel.abandon();
  assert.equal(taker.holds, 0);
  clock.advance(10);
  assert.equal(taker.holds, 0, "what the transport gives back later is not counted again");
});

function frameOf(what: string, offset: number, ticket: number): Message {
  switch (what) {
    case "data":
      return { kind: "data", stripe: 7, index: 0, attempt: 0, offset };
    case "redeem":
      return { kind: "redeem", ticket: ticketOf(ticket) };
    case "chunkFound":
      return { kind: "chunkFound", bytes: 1, digestLow: 2, digestHigh: 3 };
    case "pong":
      return { kind: "pong", nonce: 1 };
    default:
      return what === "taken" ? { kind: "taken" } : { kind: "cancel" };
  }
}
