// How a message is described, and the fields that many messages share. The tables made of this are messages.ts and
// those it joins; it says nothing of what a message means.

import { bytes, type FieldType, u8, u32, u53 } from "./schema.ts";

/** Which side may send a message. */
export type Sender = "client" | "proxy" | "function" | "any";

/** One message of the table. */
export interface Description<F> {
  readonly type: number;
  readonly from: readonly Sender[];
  readonly fields: F;
  /** One sentence for the protocol page. */
  readonly about: string;
  /** Proxy to function: counted, so that a BYE can tell whether it crossed with work. */
  readonly isRequest?: true;
}

/** Makes an entry of the table. */
export function message<F extends { readonly [name: string]: FieldType<unknown> }>(
  type: number,
  from: readonly Sender[],
  about: string,
  fields: F,
  more?: { readonly isRequest: true },
): Description<F> {
  return { type, from, about, fields, ...more };
}

/** The digest of a chunk. */
export const digest = { digestLow: u32, digestHigh: u32 };
/** A chunk within an object that the channel names. */
export const place = { stripe: u32, index: u8 };
/** A chunk anywhere. */
export const chunkIdentity = { keyHash: bytes(16), version: u53, stripe: u32, index: u8 };
