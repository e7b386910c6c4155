// What a command answers, and its encoding in RESP2 and RESP3. A `stream` is written by the session, part by
// part, behind the header given here; everything else is encoded whole and is small.

/** Version of the protocol a connection speaks; HELLO chooses. */
export type ProtocolVersion = 2 | 3;

/** An answer. `bulk` borrows its bytes until they are written. */
export type Reply =
  | { readonly kind: "simple"; readonly text: string }
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "integer"; readonly value: number }
  | { readonly kind: "bulk"; readonly bytes: Uint8Array }
  | { readonly kind: "null" }
  | { readonly kind: "array"; readonly items: readonly Reply[] }
  /** An array of pairs in RESP2. */
  | { readonly kind: "map"; readonly pairs: readonly (readonly [Reply, Reply])[] }
  /** An array in RESP2. */
  | { readonly kind: "set"; readonly items: readonly Reply[] }
  /** Exactly `bytes` bytes, or the connection is closed. */
  | { readonly kind: "stream"; readonly bytes: number; readonly body: AsyncIterable<Uint8Array> }
  /** An array whose items come one after the other. */
  | { readonly kind: "items"; readonly count: number; readonly items: AsyncIterable<Reply> };

/** Replies that can be encoded whole. */
export type WholeReply = Exclude<Reply, { kind: "stream" | "items" }>;

const encoder = new TextEncoder();

/** `+OK`. */
export const OK: Reply = { kind: "simple", text: "OK" };
/** Nothing there. */
export const NULL: Reply = { kind: "null" };

/** A whole number. */
export function integer(value: number): Reply {
  return { kind: "integer", value };
}

/** Text as a bulk. */
export function bulk(text: string): Reply {
  return { kind: "bulk", bytes: encoder.encode(text) };
}

/** Texts as an array of bulks. */
export function bulks(texts: readonly string[]): Reply {
  return { kind: "array", items: texts.map(bulk) };
}

/** An error; the text begins with its class, such as `ERR`. */
export function error(text: string): WholeReply {
  return { kind: "error", text };
}

/** The reply on the wire. */
export function encodeReply(reply: WholeReply, protocol: ProtocolVersion): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  append(reply, protocol, pieces);
  return pieces;
}

/** What stands before the bytes of a bulk. */
export function bulkHeader(bytes: number): Uint8Array {
  return encoder.encode(`$${bytes}\r\n`);
}

/** What stands before the items of an array. */
export function arrayHeader(count: number): Uint8Array {
  return encoder.encode(`*${count}\r\n`);
}

/** What stands behind the bytes of a bulk. */
export const CRLF: Uint8Array = encoder.encode("\r\n");

function append(reply: Reply, protocol: ProtocolVersion, pieces: Uint8Array[]): void {
  const text = (line: string) => pieces.push(encoder.encode(line));
  switch (reply.kind) {
    case "simple":
      text(`+${oneLine(reply.text)}\r\n`);
      return;
    case "error":
      text(`-${oneLine(reply.text)}\r\n`);
      return;
    case "integer":
      text(`:${reply.value}\r\n`);
      return;
    case "null":
      text(protocol === 3 ? "_\r\n" : "$-1\r\n");
      return;
    case "bulk":
      pieces.push(bulkHeader(reply.bytes.length), reply.bytes, CRLF);
      return;
    case "array":
    case "set":
      text(`${protocol === 3 && reply.kind === "set" ? "~" : "*"}${reply.items.length}\r\n`);
      for (const item of reply.items) append(item, protocol, pieces);
      return;
    case "map":
      text(protocol === 3 ? `%${reply.pairs.length}\r\n` : `*${reply.pairs.length * 2}\r\n`);
      for (const [name, value] of reply.pairs) {
        append(name, protocol, pieces);
        append(value, protocol, pieces);
      }
      return;
    case "stream":
    case "items":
      throw new TypeError(`a ${reply.kind} cannot be encoded whole`);
  }
}

/** An error text may quote what a client sent; a line end in it would be a second reply. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]/g, " ");
}
