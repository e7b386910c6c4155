// Arbitrary messages of every kind, made from the descriptions in messages.ts. It asserts nothing.

import fc from "fast-check";
import type { Envelope } from "../../../src/wire/connection.ts";
import { MESSAGES, type Message, type MessageKind } from "../../../src/wire/messages.ts";
import type { FieldShape } from "../../../src/wire/schema.ts";

/** Keeps a message below the limit of a frame's fields, which lists of long texts could exceed. */
const LIST_COUNT_MAX = 8;
const TEXT_BYTES_MAX = 600;

/** Every kind of message. */
export const KINDS = Object.keys(MESSAGES) as MessageKind[];

function arbitraryValue(shape: FieldShape): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case "integer":
      return fc.oneof(
        fc.integer({ min: 0, max: shape.max }),
        fc.constantFrom(0, 1, shape.max, shape.max - 1),
      );
    case "flag":
      return fc.boolean();
    case "bytes":
      return fc.uint8Array({ minLength: shape.count, maxLength: shape.count });
    case "text": {
      // A code point takes at most four bytes.
      const maxLength = Math.floor(Math.min(shape.bytesMax, TEXT_BYTES_MAX) / 4);
      return fc.string({ unit: "binary", maxLength });
    }
    case "oneOf":
      return fc.constantFrom(...shape.words);
    case "list": {
      const maxLength = Math.min(shape.countMax, LIST_COUNT_MAX);
      return fc.array(arbitraryValue(shape.element), { maxLength });
    }
    case "struct":
      return arbitraryFields(shape.fields);
  }
}

function arbitraryFields(fields: {
  readonly [name: string]: FieldShape;
}): fc.Arbitrary<{ [name: string]: unknown }> {
  return fc.record(
    Object.fromEntries(Object.entries(fields).map(([name, each]) => [name, arbitraryValue(each)])),
    { noNullPrototype: true },
  );
}

/** Arbitrary messages of one kind. */
export function arbitraryMessage(kind: MessageKind): fc.Arbitrary<Message> {
  const entries = Object.entries(MESSAGES[kind].fields);
  return arbitraryFields(Object.fromEntries(entries.map(([name, { shape }]) => [name, shape]))).map(
    // Proof of the cast: every field was made by the shape that describes it.
    (fields) => ({ kind, ...fields }) as unknown as Message,
  );
}

const word = fc.integer({ min: 0, max: 0xffff_ffff });
/** Arbitrary envelopes. */
export const arbitraryEnvelope: fc.Arbitrary<Envelope> = fc.record(
  { channel: word, term: word, invocation: word },
  { noNullPrototype: true },
);

/** A frame to send. */
export interface Letter {
  readonly envelope: Envelope;
  readonly message: Message;
  readonly body: Uint8Array | null;
}

/** Arbitrary frames that a peer may send. */
export function arbitraryLetter(peer: "client" | "proxy" | "function"): fc.Arbitrary<Letter> {
  const kinds = KINDS.filter((kind) => {
    const from = MESSAGES[kind].from as readonly string[];
    return from.includes(peer) || from.includes("any");
  });
  const plain = fc.constantFrom(...kinds.filter((kind) => kind !== "data")).chain(arbitraryMessage);
  const none = fc.constant(null);
  const body = fc.uint8Array({ minLength: 1, maxLength: 300 });
  const letter = (message: fc.Arbitrary<Message>, bodies: fc.Arbitrary<Letter["body"]>) =>
    fc.record({ envelope: arbitraryEnvelope, message, body: bodies }, { noNullPrototype: true });
  return fc.oneof(letter(plain, none), letter(arbitraryMessage("data"), body));
}
