// The places of an object's chunks as bytes, 20 for each: a node as a signed number and an instance id, zeros where
// the chunk was never confirmed. A twelfth of what JSON would take to read.

import type { StoredPlace } from "../core/ports.ts";

const PLACE_BYTES = 20;
const INSTANCE_BYTES = 16;
const NO_INSTANCE = "0".repeat(2 * INSTANCE_BYTES);

/** Places as bytes. An instance that is neither empty nor 32 hex digits throws RangeError. */
export function encodePlaces(places: readonly StoredPlace[]): Uint8Array {
  const bytes = Buffer.alloc(places.length * PLACE_BYTES);
  for (const [at, { node, instance }] of places.entries()) {
    bytes.writeInt32LE(node, at * PLACE_BYTES);
    if (instance === "") continue;
    const start = at * PLACE_BYTES + 4;
    const written = bytes.write(instance, start, INSTANCE_BYTES, "hex");
    if (written !== INSTANCE_BYTES || instance.length !== 2 * INSTANCE_BYTES) {
      throw new RangeError(`${instance} is not an instance id of 32 hex digits`);
    }
  }
  return bytes;
}

/** Places from bytes; null when these are none. */
export function decodePlaces(encoded: Uint8Array): StoredPlace[] | null {
  if (encoded.length % PLACE_BYTES !== 0) return null;
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length);
  const places: StoredPlace[] = [];
  for (let at = 0; at < bytes.length; at += PLACE_BYTES) {
    const instance = bytes.toString("hex", at + 4, at + PLACE_BYTES);
    places.push({
      node: bytes.readInt32LE(at),
      instance: instance === NO_INSTANCE ? "" : instance,
    });
  }
  return places;
}
