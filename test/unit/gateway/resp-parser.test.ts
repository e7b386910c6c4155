// The parser of the Redis protocol: how bytes are cut must not matter, and no input may break it.
// No socket is used.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { splitInline } from "../../../src/gateway/resp/inline.ts";
import { type RespEvent, RespParser, WHOLE_BYTES_MAX } from "../../../src/gateway/resp/parser.ts";
import { command } from "./doors.ts";

const BULK_BYTES_MAX = 4 * 1_024 * 1_024;

function parser(isTrusted = true): RespParser {
  return new RespParser({ bulkBytesMax: BULK_BYTES_MAX, isTrusted });
}

function eventsOf(parts: Iterable<Uint8Array>, isTrusted = true): RespEvent[] {
  const subject = parser(isTrusted);
  const events: RespEvent[] = [];
  for (const part of parts) {
    subject.push(part);
    for (let event = subject.next(); event !== null; event = subject.next()) events.push(event);
  }
  return events;
}

/** Commands as text, large arguments joined again from their parts. */
function commandsOf(events: readonly RespEvent[]): string[] {
  const commands: string[] = [];
  let large: Buffer[] = [];
  let parts: Uint8Array[] = [];
  for (const event of events) {
    if (event.kind === "open") parts = [];
    if (event.kind === "part") parts.push(event.bytes);
    if (event.kind === "close") large.push(Buffer.concat(parts));
    if (event.kind === "fault") commands.push(event.text);
    if (event.kind !== "command") continue;
    const rest = large.values();
    commands.push(
      event.args
        .map((each) => Buffer.from(each ?? rest.next().value ?? "?").toString("latin1"))
        .join("|"),
    );
    large = [];
  }
  return commands;
}

function* cut(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test("parser: one byte at a time gives the same commands as all at once", () => {
  const large = Buffer.alloc(WHOLE_BYTES_MAX + 1, "x");
  const bytes = Buffer.concat([
    command("SET", "key", "value\r\nwith lines", ""),
    Buffer.from("\r\n*0\r\n*-10\r\nPING \"a\\x41\" 'b c'\r\n"),
    command("MSET", "a", large, "b", "c", "d", large),
    command("GET", "key"),
  ]);
  const whole = commandsOf(eventsOf([bytes]));
  assert.equal(whole.length, 4);
  assert.equal(whole[0], "SET|key|value\r\nwith lines|");
  assert.equal(whole[1], "PING|aA|b c");
  assert.deepEqual(commandsOf(eventsOf(cut(bytes, 1))), whole);
  assert.deepEqual(commandsOf(eventsOf(cut(bytes, 4_093))), whole);
});

test("parser: a bulk of the limit comes whole, one byte more comes in parts", () => {
  const kinds = (size: number) =>
    eventsOf([command("SET", "k", Buffer.alloc(size))]).map((event) => event.kind);
  assert.deepEqual(kinds(WHOLE_BYTES_MAX), ["command"]);
  assert.deepEqual(kinds(WHOLE_BYTES_MAX + 1), ["open", "part", "close", "command"]);
});

const FAULTS: readonly (readonly [input: string, text: string])[] = [
  ["*3000000000\r\n", "invalid multibulk length"],
  ["*abc\r\n", "invalid multibulk length"],
  ["*1048577\r\n", "invalid multibulk length"],
  ["*1\r\n$-10\r\n", "invalid bulk length"],
  ["*1\r\n$blabla\r\n", "invalid bulk length"],
  [`*1\r\n$${BULK_BYTES_MAX + 1}\r\n`, "invalid bulk length"],
  ["*1\r\n$99999999999999999999\r\n", "invalid bulk length"],
  ["*1\r\nfoo\r\n", "expected '$', got 'f'"],
  ["*1\r\n$3\r\nabcde", "expected CRLF after a bulk"],
  ["x".repeat(65_537), "too big inline request"],
  [`*${"1".repeat(65_537)}`, "too big mbulk count string"],
  [`*1\r\n$${"1".repeat(65_537)}`, "too big bulk count string"],
  ['PING "a\r\n', "unbalanced quotes in request"],
  ['PING "a"b\r\n', "unbalanced quotes in request"],
];

for (const [input, text] of FAULTS) {
  test(`parser: ${JSON.stringify(input.slice(0, 24))} ends with "${text}"`, () => {
    const expected = [{ kind: "fault", text: `ERR Protocol error: ${text}` }];
    assert.deepEqual(eventsOf([Buffer.from(`${input}*1\r\n$4\r\nPING\r\n`)]), expected);
    assert.deepEqual(eventsOf(cut(Buffer.from(input), 1)), expected);
  });
}

test("parser: strangers have 10 arguments of 16 KB", () => {
  const ten = Array.from({ length: 10 }, () => Buffer.alloc(1));
  assert.deepEqual(commandsOf(eventsOf([command(...ten)], false)).length, 1);
  const kindOf = (bytes: Buffer) =>
    eventsOf([bytes], false).map((event) => "text" in event && event.text);
  assert.deepEqual(kindOf(command(...ten, "b")), [
    "ERR Protocol error: unauthenticated multibulk length",
  ]);
  const large = command("SET", "k", Buffer.alloc(16_385));
  assert.deepEqual(kindOf(large), ["ERR Protocol error: unauthenticated bulk length"]);
});

test("parser: mutated input never throws, and never holds more than one bulk over what came", () => {
  const seed = Buffer.concat([
    command("SET", "k", "v", "EX", "10"),
    Buffer.from("PING x\r\n"),
    command("GET", "k"),
  ]);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 4 }),
      fc.integer({ min: 1, max: seed.length }),
      (changes, size) => {
        const bytes = Buffer.from(seed);
        for (const [at, value] of changes) bytes[at] = value;
        const subject = parser();
        for (const part of cut(bytes, size)) {
          subject.push(part);
          while (subject.next() !== null);
          assert.ok(subject.heldBytes <= WHOLE_BYTES_MAX + bytes.length);
        }
        assert.deepEqual(commandsOf(eventsOf([bytes])), commandsOf(eventsOf(cut(bytes, size))));
      },
    ),
    { numRuns: 2_000 },
  );
});

test("inline: words, quotes and escapes are split as redis-cli writes them", () => {
  const words = (line: string) =>
    splitInline(line)?.map((each) => Buffer.from(each).toString("latin1"));
  assert.deepEqual(words('  a  "b c" \'d\\\'e\' "\\n\\x41\\q" '), ["a", "b c", "d'e", "\nAq"]);
  assert.deepEqual(words('""'), [""]);
  assert.deepEqual(words(""), []);
  assert.equal(words("'a"), undefined);
});
