// Claims about the order of sending, against a naive twin that looks for the next frame by the rule's words.
// No transport is involved.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fifo } from "../../../src/wire/fifo.ts";
import { Outbox, type QueuedFrame } from "../../../src/wire/outbox.ts";

type Frame = QueuedFrame<number>;

function frame(content: number, channel: number, bodyBytes: number): Frame {
  const body = bodyBytes === 0 ? null : new Uint8Array(bodyBytes);
  return { content, channel, body, bytes: 10 + bodyBytes, onSent: null };
}

interface Row {
  readonly frame: Frame;
  readonly offeredAt: number;
  /** When nothing of its channel with a body stood before it any more; 0: not yet. */
  freeSince: number;
}

/** The rules, word by word, in quadratic time. */
class NaiveOutbox {
  #rows: Row[] = [];
  #now = 0;
  readonly #servedAt = new Map<number, number>();

  offer(each: Frame): void {
    this.#now += 1;
    this.#rows.push({ frame: each, offeredAt: this.#now, freeSince: 0 });
    this.#free();
  }

  takeOne(): Frame | undefined {
    this.#now += 1;
    const free = this.#rows.filter(({ freeSince }) => freeSince > 0);
    const bodiless = free.filter(({ frame: { body } }) => body === null);
    const next =
      bodiless.sort((a, b) => a.freeSince - b.freeSince)[0] ??
      free.sort((a, b) => this.#turnOf(a) - this.#turnOf(b))[0];
    if (next === undefined) return undefined;
    this.#rows.splice(this.#rows.indexOf(next), 1);
    if (next.frame.body !== null) this.#servedAt.set(next.frame.channel, this.#now);
    this.#free();
    return next.frame;
  }

  drop(channel: number): Frame[] {
    this.#now += 1;
    const isDropped = ({ frame: each }: Row): boolean =>
      each.channel === channel && each.body !== null;
    const dropped = this.#rows.filter(isDropped).map(({ frame: each }) => each);
    this.#rows = this.#rows.filter((row) => !isDropped(row));
    this.#free();
    return dropped;
  }

  #free(): void {
    for (const [at, row] of this.#rows.entries()) {
      const isBehindBody = this.#rows
        .slice(0, at)
        .some(({ frame: { channel, body } }) => channel === row.frame.channel && body !== null);
      // Those that come free at once keep the order in which they were offered.
      if (row.freeSince === 0 && !isBehindBody) row.freeSince = this.#now + at / 1e6;
    }
  }

  /** A channel waits for its turn since its last body went, or since it has had one to send. */
  #turnOf({ frame: { channel }, offeredAt }: Row): number {
    return Math.max(this.#servedAt.get(channel) ?? 0, offeredAt);
  }
}

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("offer" as const),
      channel: fc.integer({ min: 0, max: 4 }),
      bodyBytes: fc.constantFrom(0, 0, 100, 1_000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("take" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("drop" as const),
      channel: fc.integer({ min: 0, max: 4 }),
    }),
  },
);

test("outbox: sends in the order that the rules describe", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const outbox = new Outbox<number>();
      const naive = new NaiveOutbox();
      let queued: Frame[] = [];
      const gone = (frames: readonly Frame[]): void => {
        queued = queued.filter((each) => !frames.includes(each));
      };
      for (const [number, each] of [...steps, ...Array(60).fill({ kind: "take" })].entries()) {
        if (each.kind === "offer") {
          const offered = frame(number, each.channel, each.bodyBytes);
          outbox.offer(offered);
          naive.offer(offered);
          queued.push(offered);
        } else if (each.kind === "drop") {
          const dropped = outbox.drop(each.channel);
          assert.deepEqual(dropped, naive.drop(each.channel));
          gone(dropped);
        } else {
          const taken = outbox.take(1);
          assert.deepEqual(taken[0], naive.takeOne());
          gone(taken);
        }
        const bodiless = queued.filter(({ body }) => body === null);
        assert.equal(
          outbox.queuedBytes,
          queued.reduce((sum, { bytes }) => sum + bytes, 0),
        );
        assert.equal(
          outbox.bodilessBytes,
          bodiless.reduce((sum, { bytes }) => sum + bytes, 0),
        );
      }
      assert.equal(outbox.queuedBytes, 0);
    }),
    { numRuns: 2_000 },
  );
});

test("outbox: a ping put behind 400 MB of bodies leaves next", () => {
  const outbox = new Outbox<number>();
  const body = new Uint8Array(1_048_576);
  for (let part = 0; part < 400; part++) {
    const channel = 1 + (part % 3);
    outbox.offer({ content: part, channel, body, bytes: body.length, onSent: null });
  }
  outbox.take(1_048_576);
  outbox.offer(frame(-1, 0, 0));
  assert.equal(outbox.take(1)[0]?.content, -1);
});

test("outbox: a message behind a body of its own channel waits for it, and then for no other", () => {
  const outbox = new Outbox<number>();
  outbox.offer(frame(1, 1, 500));
  outbox.offer(frame(2, 1, 0));
  outbox.offer(frame(3, 2, 500));
  assert.deepEqual(
    outbox.take(10_000).map(({ content }) => content),
    [1, 2, 3],
  );
});

test("outbox: bodies of three channels take turns", () => {
  const outbox = new Outbox<number>();
  for (const channel of [7, 7, 7, 8, 8, 9]) outbox.offer(frame(channel, channel, 100));
  assert.deepEqual(
    outbox.take(10_000).map(({ content }) => content),
    [7, 8, 9, 7, 8, 7],
  );
});

test("outbox: takes until the budget is reached and at least one", () => {
  const outbox = new Outbox<number>();
  for (let number = 0; number < 4; number++) outbox.offer(frame(number, 1, 990));
  assert.equal(outbox.take(1).length, 1);
  assert.equal(outbox.take(2_000).length, 2);
  assert.equal(outbox.take(0).length, 0);
});

test("fifo: gives what an array gives", () => {
  const operations = fc.array(fc.option(fc.integer(), { nil: null }), { maxLength: 500 });
  fc.assert(
    fc.property(operations, (values) => {
      const fifo = new Fifo<number>();
      const twin: number[] = [];
      for (const value of values) {
        if (value === null) assert.equal(fifo.shift(), twin.shift());
        else {
          fifo.push(value);
          twin.push(value);
        }
        assert.equal(fifo.count, twin.length);
        assert.equal(fifo.first(), twin[0]);
      }
    }),
  );
  const long = new Fifo<number>();
  for (let value = 0; value < 1_000; value++) long.push(value);
  for (let value = 0; value < 900; value++) assert.equal(long.shift(), value);
  long.remove(950);
  assert.equal(long.count, 99);
});
