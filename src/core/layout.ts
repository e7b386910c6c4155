// How an object's bytes lie in stripes, and a stripe's bytes in chunks. Pure arithmetic: client, proxy
// and tools must all agree on it, so it stands once. Stripes are numbered from 0, as are chunks;
// chunk i < d holds data, chunk i >= d parity.

import { STRIPE_BYTES_JOINED_MAX, STRIPE_BYTES_MAX, STRIPE_TAIL_BYTES_MIN } from "./limits.ts";

/** Every stripe has `stripeBytes`, but for the last, which has `lastStripeBytes`. An empty object has no stripe. */
export interface ObjectLayout {
  readonly bytes: number;
  readonly stripeCount: number;
  readonly stripeBytes: number;
  readonly lastStripeBytes: number;
}

/** An object of known size: the fewest stripes of at most 32 MiB, as equal as 64-byte steps allow. */
export function layoutOf(bytes: number): ObjectLayout {
  if (bytes === 0) return { bytes, stripeCount: 0, stripeBytes: 0, lastStripeBytes: 0 };
  const wanted = Math.ceil(bytes / STRIPE_BYTES_MAX);
  const stripeBytes = wanted === 1 ? bytes : roundUp(Math.ceil(bytes / wanted), 64);
  const stripeCount = Math.ceil(bytes / stripeBytes);
  return {
    bytes,
    stripeCount,
    stripeBytes,
    lastStripeBytes: bytes - (stripeCount - 1) * stripeBytes,
  };
}

/** An object that came as a stream: stripes of `stripeBytes` and a last one of its own length. */
export function layoutOfStripes(
  stripeCount: number,
  stripeBytes: number,
  lastStripeBytes: number,
): ObjectLayout {
  const bytes = stripeCount === 0 ? 0 : (stripeCount - 1) * stripeBytes + lastStripeBytes;
  return { bytes, stripeCount, stripeBytes, lastStripeBytes };
}

/** What is wrong with a layout that came off the wire, or null. */
export function layoutFault(layout: ObjectLayout): string | null {
  const { stripeCount, stripeBytes, lastStripeBytes, bytes } = layout;
  if (stripeCount === 0) return bytes === 0 ? null : "an object without stripes is empty";
  if (stripeBytes < 1 || stripeBytes > STRIPE_BYTES_JOINED_MAX) return "stripe length out of range";
  if (lastStripeBytes < 1 || lastStripeBytes > STRIPE_BYTES_JOINED_MAX)
    return "last stripe length out of range";
  if (stripeCount > 1 && lastStripeBytes > stripeBytes + STRIPE_TAIL_BYTES_MIN)
    return "last stripe too long";
  return bytes === (stripeCount - 1) * stripeBytes + lastStripeBytes
    ? null
    : "stripes do not add up";
}

/** Bytes of user data in stripe `stripe`. */
export function stripeLength(layout: ObjectLayout, stripe: number): number {
  return stripe === layout.stripeCount - 1 ? layout.lastStripeBytes : layout.stripeBytes;
}

/** Where stripe `stripe` begins in the object. */
export function stripeOffset(layout: ObjectLayout, stripe: number): number {
  return stripe * layout.stripeBytes;
}

/** The stripe in which byte `offset` of the object lies. */
export function stripeAt(layout: ObjectLayout, offset: number): number {
  return Math.min(layout.stripeCount - 1, Math.floor(offset / layout.stripeBytes));
}

/**
 * The length of a stripe's parity chunks and the distance between its data chunks, in bytes. A multiple
 * of 64 that is no multiple of 4,096, since equal page offsets fight for the same cache lines; a stripe
 * kept in one chunk has just its own length.
 */
export function chunkStride(stripeBytes: number, dataChunks: number): number {
  if (dataChunks === 1) return stripeBytes;
  const stride = roundUp(Math.ceil(stripeBytes / dataChunks), 64);
  return stride % 4_096 === 0 ? stride + 64 : stride;
}

/** Bytes that chunk `index` really holds: the last data chunks of a stripe may be short or empty, parity never is. */
export function chunkLength(stripeBytes: number, dataChunks: number, index: number): number {
  const stride = chunkStride(stripeBytes, dataChunks);
  if (index >= dataChunks) return stride;
  return Math.max(0, Math.min(stride, stripeBytes - index * stride));
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
