// Claims about frames and the incremental parser: any cut gives the same messages, in place or not; whatever is wrong
// ends in a WireFault, and memory stays bounded.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PART_BYTES_MAX } from "../../../src/core/limits.ts";
import type { Envelope } from "../../../src/wire/connection.ts";
import { HEADER_BYTES, writeHeader } from "../../../src/wire/frame.ts";
import { FrameEncoder, type Peer } from "../../../src/wire/message-codec.ts";
import { MESSAGES, type Message } from "../../../src/wire/messages.ts";
import { FrameParser, LOCKED_FIELD_BYTES_MAX } from "../../../src/wire/parser.ts";
import { WireFault } from "../../../src/wire/schema.ts";
import { arbitraryLetter, type Letter } from "./arbitrary-messages.ts";

const ENVELOPE: Envelope = { channel: 1, term: 2, invocation: 3 };
const DATA: Message = { kind: "data", stripe: 1, index: 2, attempt: 0, offset: 4 };
const encoder = new FrameEncoder();

function encode({ envelope, message, body }: Letter): Uint8Array {
  return Buffer.concat([
    encoder.encode(envelope, message, body?.length ?? 0),
    body ?? new Uint8Array(0),
  ]);
}

/** Collects what comes; `accepts` decides whether a body is wanted. */
class Collector {
  readonly letters: Letter[] = [];
  readonly parser: FrameParser;
  readonly #accepts: (letter: number) => boolean;
  #bodies = 0;

  constructor(
    peer: Peer,
    options: { readonly isLocked?: boolean; readonly accepts?: (body: number) => boolean } = {},
  ) {
    this.#accepts = options.accepts ?? (() => true);
    this.parser = new FrameParser({
      peer,
      sink: this,
      scratch: new Uint8Array(4_096),
      isLocked: options.isLocked ?? false,
    });
  }

  bodyPlace(_envelope: Envelope, _message: Message, bytes: number): Uint8Array | null {
    this.#bodies += 1;
    return this.#accepts(this.#bodies - 1) ? new Uint8Array(bytes) : null;
  }

  onMessage(envelope: Envelope, message: Message, body: Uint8Array | null): void {
    this.letters.push({ envelope, message, body });
  }

  /** Reads as a socket does that receives in place: never more than there is room for, nor than `cut` at once. */
  read(bytes: Uint8Array, cut: () => number): void {
    for (let at = 0; at < bytes.length; ) {
      const place = this.parser.place();
      assert.ok(place.length > 0);
      const count = Math.min(place.length, bytes.length - at, cut());
      place.set(bytes.subarray(at, at + count));
      this.parser.advance(count);
      at += count;
    }
  }
}

const letters = fc.array(arbitraryLetter("proxy"), { minLength: 1, maxLength: 12 });
const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 50 });

function around(lengths: readonly number[]): () => number {
  let turn = 0;
  return () => lengths[turn++ % lengths.length]!;
}

test("parser: any cut of any messages gives the same messages, in place and fed", () => {
  fc.assert(
    fc.property(
      letters,
      cuts,
      fc.array(fc.boolean(), { maxLength: 12 }),
      (sent, lengths, wants) => {
        const stream = Buffer.concat(sent.map(encode));
        const accepts = (body: number): boolean => wants[body] ?? true;
        let bodies = 0;
        const expected = sent.map((letter) => {
          if (letter.body === null) return letter;
          return accepts(bodies++) ? letter : { ...letter, body: null };
        });
        const inPlace = new Collector("proxy", { accepts });
        inPlace.read(stream, around(lengths));
        assert.deepEqual(inPlace.letters, expected);
        assert.ok(inPlace.parser.isBetweenFrames);
        const fed = new Collector("proxy", { accepts });
        const next = around(lengths);
        for (let at = 0; at < stream.length; ) {
          const count = next();
          // A copy that is spoiled afterwards: nothing may point into a chunk that was only borrowed.
          const chunk = Uint8Array.prototype.slice.call(stream, at, at + count);
          fed.parser.feed(chunk);
          chunk.fill(0xee);
          at += count;
        }
        assert.deepEqual(fed.letters, expected);
      },
    ),
    { numRuns: 300 },
  );
});

test("parser: one byte at a time gives the same messages", () => {
  for (const peer of ["client", "proxy", "function"] as const) {
    fc.assert(
      fc.property(fc.array(arbitraryLetter(peer), { maxLength: 6 }), (sent) => {
        const stream = Buffer.concat(sent.map(encode));
        const one = new Collector(peer);
        one.read(stream, () => 1);
        assert.deepEqual(one.letters, sent);
      }),
      { numRuns: 60 },
    );
  }
});

test("parser: a large body lands in the place it was given, without another copy of most of it", () => {
  const body = new Uint8Array(PART_BYTES_MAX).map((_, at) => at % 251);
  const collector = new Collector("proxy");
  const stream = encode({ envelope: ENVELOPE, message: DATA, body });
  let largest = 0;
  collector.read(stream, () => {
    largest = Math.max(largest, collector.parser.place().length);
    return 65_536;
  });
  assert.deepEqual(collector.letters[0]?.body, body);
  assert.ok(largest > PART_BYTES_MAX - 8_192);
});

test("parser: what follows a refused body is read", () => {
  const collector = new Collector("proxy", { accepts: () => false });
  const ping: Letter = { envelope: ENVELOPE, message: { kind: "ping", nonce: 9 }, body: null };
  const stream = [{ envelope: ENVELOPE, message: DATA, body: new Uint8Array(100_000) }, ping];
  collector.read(Buffer.concat(stream.map(encode)), () => 1_000_000);
  assert.equal(collector.letters[0]?.body, null);
  assert.deepEqual(collector.letters[1], ping);
});

test("parser: behind a short body all of the scratch is read into, behind a long one little, so that many answers come with one read", () => {
  const scratch = new Uint8Array(32_768);
  for (const [bytes, next] of [
    [1, 32_768],
    [1_024, 32_768],
    [65_535, 32_768],
    [65_536, 4_096],
    [PART_BYTES_MAX, 4_096],
  ] as const) {
    const sink = new Collector("proxy");
    const parser = new FrameParser({ peer: "proxy", scratch, sink });
    const letter = { envelope: ENVELOPE, message: DATA, body: new Uint8Array(bytes) };
    parser.feed(encode(letter));
    assert.equal(parser.place().length, next, `behind ${bytes} bytes`);
    // A message without a body makes room again.
    parser.feed(encode({ envelope: ENVELOPE, message: { kind: "ping", nonce: 9 }, body: null }));
    assert.equal(parser.place().length, 32_768);
  }
  const sink = new Collector("proxy");
  const parser = new FrameParser({ peer: "proxy", scratch, sink });
  const answers = Array.from({ length: 310 }, (_, at) =>
    encode({ envelope: ENVELOPE, message: DATA, body: new Uint8Array(1_024).fill(at) }),
  );
  const stream = Buffer.concat(answers);
  let reads = 0;
  for (let at = 0; at < stream.length; reads++) {
    const place = parser.place();
    const count = Math.min(place.length, stream.length - at);
    place.set(stream.subarray(at, at + count));
    parser.advance(count);
    at += count;
  }
  sink.letters.forEach(({ body }, at) => {
    assert.deepEqual(body, new Uint8Array(1_024).fill(at));
  });
  assert.equal(sink.letters.length, 310);
  // The rest of a body that a read cut does not come alone.
  assert.ok(reads <= 3 + stream.length / 32_768, `${reads} reads`);
});

test("parser: stopped from within a handler, it calls nothing more", () => {
  const collector = new Collector("proxy");
  const parser = new FrameParser({
    peer: "proxy",
    scratch: new Uint8Array(4_096),
    sink: {
      bodyPlace: () => null,
      onMessage: (...letter) => {
        collector.onMessage(...letter);
        parser.stop();
      },
    },
  });
  const ping: Letter = { envelope: ENVELOPE, message: { kind: "ping", nonce: 9 }, body: null };
  parser.feed(Buffer.concat([encode(ping), encode(ping)]));
  parser.feed(encode(ping));
  assert.equal(collector.letters.length, 1);
});

test("parser: memory of a wrong length for a body is a broken invariant", () => {
  const parser = new FrameParser({
    peer: "proxy",
    scratch: new Uint8Array(4_096),
    sink: { bodyPlace: () => new Uint8Array(3), onMessage: () => {} },
  });
  const stream = encode({ envelope: ENVELOPE, message: DATA, body: new Uint8Array(4) });
  assert.throws(() => parser.feed(stream), { name: "AssertionError" });
});

function refusal(peer: Peer, bytes: Uint8Array, isLocked = false): string {
  const { parser } = new Collector(peer, { isLocked });
  try {
    parser.feed(bytes);
  } catch (error) {
    assert.ok(error instanceof WireFault, String(error));
    return error.message;
  }
  return "";
}

/** A frame with right checks whose fields are these bytes. */
function raw(type: number, fields: Uint8Array, bodyBytes = 0): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + fields.length);
  frame.set(fields, HEADER_BYTES);
  writeHeader(frame, type, ENVELOPE, { fieldBytes: fields.length, bodyBytes });
  return frame;
}

test("parser: every flipped bit of header or fields is a fault at once", () => {
  const whole = encode({ envelope: ENVELOPE, message: DATA, body: new Uint8Array([1]) });
  const frame = whole.subarray(0, whole.length - 1);
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const damaged = Uint8Array.from(frame);
    damaged[bit >>> 3]! ^= 1 << (bit & 7);
    assert.notEqual(refusal("proxy", damaged), "", `bit ${bit}`);
    // The header alone is enough to find damage in it: nothing is waited for that may never come.
    if (bit < 28 * 8) assert.notEqual(refusal("proxy", damaged.subarray(0, HEADER_BYTES)), "");
  }
});

test("parser: what must not be is refused with its reason", () => {
  const ping = MESSAGES.ping.type;
  const cases: readonly (readonly [RegExp, Peer, Uint8Array])[] = [
    [/no frame of this protocol/, "client", Buffer.from("GET / HTTP/1.1\r\nHost: example\r\n\r\n")],
    [/client may not send/, "client", raw(MESSAGES.welcome.type, new Uint8Array(0))],
    [/function may not send/, "function", raw(MESSAGES.chunkPut.type, new Uint8Array(0))],
    [/may not send messages of type 0xfe/, "proxy", raw(0xfe, new Uint8Array(0))],
    [/shorter than its fields/, "client", raw(ping, new Uint8Array(3))],
    [/1 bytes too many/, "client", raw(ping, new Uint8Array(5))],
    [/body where none may be/, "client", raw(ping, new Uint8Array(4), 1)],
    [/data without a body/, "client", raw(MESSAGES.data.type, new Uint8Array(10), 0)],
    [/a body of 1048577 bytes/, "client", raw(MESSAGES.data.type, new Uint8Array(10), 1_048_577)],
    [/a flag is 0 or 1/, "proxy", raw(MESSAGES.removed.type, new Uint8Array([2]))],
    [/expected one of/, "proxy", raw(MESSAGES.miss.type, new Uint8Array([9]))],
    [/not UTF-8/, "client", raw(MESSAGES.stat.type, new Uint8Array([1, 0, 0xff]))],
    [/text of 1025 bytes/, "client", raw(MESSAGES.stat.type, new Uint8Array([1, 4]))],
    [/list of 1001/, "proxy", raw(MESSAGES.chunkDrop.type, new Uint8Array([0xe9, 3]))],
    [/above 2\^53/, "proxy", raw(MESSAGES.cleared.type, new Uint8Array(8).fill(0xff))],
  ];
  for (const [reason, peer, bytes] of cases) assert.match(refusal(peer, bytes), reason);
  const future = raw(ping, new Uint8Array(4));
  future[2] = 2;
  assert.match(refusal("client", future), /protocol version 2; this side speaks 1/);
});

test("parser: before it is unlocked, bodies and long fields are refused; afterwards they come", () => {
  const long = raw(MESSAGES.hello.type, new Uint8Array(LOCKED_FIELD_BYTES_MAX + 1));
  assert.match(refusal("client", long, true), /before the connection was authenticated/);
  const body = encode({ envelope: ENVELOPE, message: DATA, body: new Uint8Array([7]) });
  assert.match(refusal("client", body, true), /before the connection was authenticated/);
  const collector = new Collector("client", { isLocked: true });
  collector.parser.unlock();
  collector.parser.feed(body);
  assert.equal(collector.letters.length, 1);
});

test("parser: 100,000 mutated inputs end in nothing worse than a WireFault, with bounded memory", () => {
  let seed = 0x5eed;
  const below = (bound: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * bound);
  };
  const samples = fc.sample(arbitraryLetter("proxy"), { seed: 7, numRuns: 200 }).map(encode);
  const scratch = new Uint8Array(4_096);
  let asked = 0;
  let faults = 0;
  const sink = {
    bodyPlace: (_envelope: Envelope, _message: Message, bytes: number) => {
      asked = Math.max(asked, bytes);
      return below(2) === 0 ? null : new Uint8Array(bytes);
    },
    onMessage: () => {},
  };
  for (let run = 0; run < 100_000; run++) {
    const parser = new FrameParser({ peer: "proxy", sink, scratch });
    const stream = mutate(samples[below(samples.length)]!, below);
    try {
      for (let at = 0; at < stream.length; ) {
        const count = 1 + below(stream.length);
        parser.feed(stream.subarray(at, at + count));
        at += count;
        assert.ok(parser.place().length <= 65_536 + PART_BYTES_MAX);
      }
    } catch (error) {
      if (!(error instanceof WireFault)) throw error;
      faults += 1;
    }
  }
  assert.ok(faults > 50_000);
  assert.ok(asked <= PART_BYTES_MAX);
});

/** Flips, cuts, doubles or overwrites; half of the time with the checks made right again, to reach the fields. */
function mutate(sample: Uint8Array, below: (bound: number) => number): Uint8Array {
  const bytes = Uint8Array.from(sample);
  for (let change = below(4); change >= 0; change--) bytes[below(bytes.length)] = below(256);
  if (below(2) === 0) {
    const fieldBytes = Math.min(bytes.length - HEADER_BYTES, below(2) === 0 ? below(64) : 65_000);
    const lengths = { fieldBytes, bodyBytes: bytes[3] === MESSAGES.data.type ? below(400) : 0 };
    writeHeader(bytes, bytes[3]!, ENVELOPE, lengths);
  }
  const cut = below(3) === 0 ? below(bytes.length) : bytes.length;
  return below(5) === 0 ? Buffer.concat([bytes, sample]) : bytes.subarray(0, cut);
}
