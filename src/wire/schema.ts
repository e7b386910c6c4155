// The small language in which messages are described: a message is a name, a number and typed fields.
// From one description come the TypeScript type, the encoder, the decoder and the protocol page.
// It knows nothing of frames or sockets. Integers are little-endian; text is UTF-8.

/** What a field may hold, for whoever makes values by the description: tests, above all. */
export type FieldShape =
  | { readonly kind: "integer"; readonly max: number }
  | { readonly kind: "flag" }
  | { readonly kind: "bytes"; readonly count: number }
  | { readonly kind: "text"; readonly bytesMax: number }
  | { readonly kind: "oneOf"; readonly words: readonly string[] }
  | { readonly kind: "list"; readonly element: FieldShape; readonly countMax: number }
  | { readonly kind: "struct"; readonly fields: { readonly [name: string]: FieldShape } };

/** The type of one field: how long it may be, how it is written, how it is read. */
export interface FieldType<Value> {
  /** For the protocol page: `u32`, `text ≤ 1024`. */
  readonly name: string;
  readonly shape: FieldShape;
  write(writer: FieldWriter, value: Value): void;
  read(reader: FieldReader): Value;
}

/** Grows as needed; owned by the encoder and used again. */
export interface FieldWriter {
  u8(value: number): void;
  u16(value: number): void;
  u32(value: number): void;
  /** A safe integer from 0, as 8 bytes. */
  u53(value: number): void;
  /** Raw bytes without a length. */
  raw(bytes: Uint8Array): void;
  /** UTF-8 of at most `bytesMax` bytes, more of which throw RangeError, behind a length of two bytes. */
  text(value: string, bytesMax: number): void;
}

/** Reads from one frame's fields; every read past the end throws `WireFault`. */
export interface FieldReader {
  u8(): number;
  u16(): number;
  u32(): number;
  u53(): number;
  /** A fresh copy. */
  raw(count: number): Uint8Array;
}

/** What came in breaks the protocol; the connection it came on must be closed. */
export class WireFault extends Error {
  override readonly name = "WireFault";
}

/** An unsigned integer of one byte. */
export const u8: FieldType<number> = {
  name: "u8",
  shape: { kind: "integer", max: 0xff },
  write: (w, v) => w.u8(v),
  read: (r) => r.u8(),
};
/** An unsigned integer of two bytes. */
export const u16: FieldType<number> = {
  name: "u16",
  shape: { kind: "integer", max: 0xffff },
  write: (w, v) => w.u16(v),
  read: (r) => r.u16(),
};
/** An unsigned integer of four bytes. */
export const u32: FieldType<number> = {
  name: "u32",
  shape: { kind: "integer", max: 0xffff_ffff },
  write: (w, v) => w.u32(v),
  read: (r) => r.u32(),
};
/** An unsigned integer of eight bytes, at most 2^53 - 1. */
export const u53: FieldType<number> = {
  name: "u53",
  shape: { kind: "integer", max: Number.MAX_SAFE_INTEGER },
  write: (w, v) => w.u53(v),
  read: (r) => r.u53(),
};

/** One byte, 0 or 1; anything else is a fault. */
export const flag: FieldType<boolean> = {
  name: "flag",
  shape: { kind: "flag" },
  write: (writer, value) => writer.u8(value ? 1 : 0),
  read: (reader) => {
    const value = reader.u8();
    if (value > 1) throw new WireFault(`a flag is 0 or 1, not ${value}`);
    return value === 1;
  },
};

/** Exactly `count` bytes. */
export function bytes(count: number): FieldType<Uint8Array> {
  return {
    name: `bytes ${count}`,
    shape: { kind: "bytes", count },
    write: (writer, value) => {
      if (value.length !== count)
        throw new RangeError(`expected ${count} bytes, got ${value.length}`);
      writer.raw(value);
    },
    read: (reader) => reader.raw(count),
  };
}

const textDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text of at most `bytesMax` bytes of UTF-8, behind a length of two bytes. */
export function text(bytesMax: number): FieldType<string> {
  return {
    name: `text ≤ ${bytesMax}`,
    shape: { kind: "text", bytesMax },
    write: (writer, value) => writer.text(value, bytesMax),
    read: (reader) => {
      const count = reader.u16();
      if (count > bytesMax) throw new WireFault(`text of ${count} bytes, limit ${bytesMax}`);
      try {
        return textDecoder.decode(reader.raw(count));
      } catch (error) {
        if (error instanceof WireFault) throw error;
        throw new WireFault("text is not UTF-8", { cause: error });
      }
    },
  };
}

/** One of a closed set of words, as one byte: its position. */
export function oneOf<const Words extends readonly string[]>(
  ...words: Words
): FieldType<Words[number]> {
  return {
    name: words.join(" \\| "),
    shape: { kind: "oneOf", words },
    write: (writer, value) => writer.u8(words.indexOf(value)),
    read: (reader) => {
      const word = words[reader.u8()];
      if (word === undefined) throw new WireFault(`expected one of ${words.join(", ")}`);
      return word;
    },
  };
}

/** Up to `countMax` elements behind a count of two bytes. */
export function listOf<Value>(
  element: FieldType<Value>,
  countMax: number,
): FieldType<readonly Value[]> {
  return {
    name: `list ≤ ${countMax} of (${element.name})`,
    shape: { kind: "list", element: element.shape, countMax },
    write: (writer, values) => {
      if (values.length > countMax)
        throw new RangeError(`${values.length} elements, limit ${countMax}`);
      writer.u16(values.length);
      for (const value of values) element.write(writer, value);
    },
    read: (reader) => {
      const count = reader.u16();
      if (count > countMax) throw new WireFault(`list of ${count}, limit ${countMax}`);
      const values: Value[] = [];
      for (let i = 0; i < count; i++) values.push(element.read(reader));
      return values;
    },
  };
}

/** The value that such fields describe. */
export type FieldValues<F> = {
  readonly [K in keyof F]: F[K] extends FieldType<infer V> ? V : never;
};

/** Several fields as one. */
export function struct<F extends { readonly [name: string]: FieldType<unknown> }>(
  fields: F,
): FieldType<FieldValues<F>> {
  // Proof of the casts: each field is written and read by the type that describes it.
  const entries = Object.entries(fields) as unknown as [string, FieldType<unknown>][];
  return {
    name: entries.map(([name, type]) => `${name}: ${type.name}`).join(", "),
    shape: {
      kind: "struct",
      fields: Object.fromEntries(entries.map(([name, type]) => [name, type.shape])),
    },
    write: (writer, value) => {
      for (const [name, type] of entries)
        type.write(writer, (value as { [name: string]: unknown })[name]);
    },
    read: (reader) => {
      const value: { [name: string]: unknown } = {};
      for (const [name, type] of entries) value[name] = type.read(reader);
      return value as FieldValues<F>;
    },
  };
}
