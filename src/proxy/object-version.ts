// One version of an object as the proxy knows it: its layout, where its chunks lie, and who still reads it.

import type { CodeSpec } from "../core/code.ts";
import { chunkCount } from "../core/code.ts";
import {
  type InstanceId,
  instanceId,
  type NodeIndex,
  nodeIndex,
  type ObjectKey,
  type Version,
  version,
} from "../core/ids.ts";
import { chunkLength, layoutOfStripes, type ObjectLayout, stripeLength } from "../core/layout.ts";
import type { StoredObject } from "../core/ports.ts";
import type { WireChunkId } from "../wire/messages.ts";

/** Where a chunk lies; `instance` is null while it is not stored anywhere. */
export interface ChunkPlace {
  readonly node: NodeIndex;
  instance: InstanceId | null;
}

/** An immutable version; only places, pins and its being current change. */
export interface ObjectVersion {
  readonly key: ObjectKey;
  readonly keyHash: Uint8Array;
  readonly version: Version;
  readonly code: CodeSpec;
  readonly layout: ObjectLayout;
  readonly createdAtMs: number;
  /** 0: never. */
  readonly expiresAtMs: number;
  readonly metadata: readonly { readonly name: string; readonly value: string }[];
  /** Stripe after stripe, d+p each. */
  readonly places: ChunkPlace[];
  /** A number that grows from use to use; 0: not looked up since it was stored. */
  usedAt: number;
  /** GETs that may still read it; its chunks are not dropped before this is zero. */
  pins: number;
  /** False once it was superseded, deleted, evicted or lost. */
  isCurrent: boolean;
}

/** The place of one chunk. */
export function placeOf(
  object: ObjectVersion,
  stripe: number,
  index: number,
): ChunkPlace | undefined {
  return object.places[stripe * chunkCount(object.code) + index];
}

/** Replaces the place of one chunk. */
export function setPlace(
  object: ObjectVersion,
  stripe: number,
  index: number,
  place: ChunkPlace,
): void {
  object.places[stripe * chunkCount(object.code) + index] = place;
}

/** The identity of one chunk in messages. */
export function chunkIdOf(
  object: Pick<ObjectVersion, "keyHash" | "version">,
  stripe: number,
  index: number,
): WireChunkId {
  return { keyHash: object.keyHash, version: object.version, stripe, index };
}

/** Bytes of one chunk. */
export function chunkBytesOf(
  object: Pick<ObjectVersion, "layout" | "code">,
  stripe: number,
  index: number,
): number {
  return chunkLength(stripeLength(object.layout, stripe), object.code.dataChunks, index);
}

/** As the durable table keeps it. */
export function toStored(object: ObjectVersion): StoredObject {
  const { key, version, code, layout, createdAtMs, expiresAtMs, metadata, places } = object;
  return {
    key,
    version,
    bytes: layout.bytes,
    dataChunks: code.dataChunks,
    parityChunks: code.parityChunks,
    stripeCount: layout.stripeCount,
    stripeBytes: layout.stripeBytes,
    lastStripeBytes: layout.lastStripeBytes,
    createdAtMs,
    expiresAtMs,
    metadata: metadata.map(({ name, value }) => [name, value] as const),
    places: places.map(({ node, instance }) => ({ node, instance: instance ?? "" })),
  };
}

/** From the durable table. */
export function fromStored(stored: StoredObject, keyHash: Uint8Array): ObjectVersion {
  return {
    key: stored.key as ObjectKey, // Proof: it was a checked key when it was committed.
    keyHash,
    version: version(stored.version),
    code: { dataChunks: stored.dataChunks, parityChunks: stored.parityChunks },
    layout: layoutOfStripes(stored.stripeCount, stored.stripeBytes, stored.lastStripeBytes),
    createdAtMs: stored.createdAtMs,
    expiresAtMs: stored.expiresAtMs,
    metadata: stored.metadata.map(([name, value]) => ({ name, value })),
    places: stored.places.map(({ node, instance }) => ({
      node: nodeIndex(node),
      instance: instance === "" ? null : instanceId(instance),
    })),
    usedAt: 0,
    pins: 0,
    isCurrent: true,
  };
}
