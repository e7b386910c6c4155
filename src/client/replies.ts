// What the proxy's answers mean to applications: descriptions of objects, rows of listings, reports. Pure.

import type { Message, MessageOf } from "../wire/messages.ts";
import type { GetTimings, Miss, ObjectInfo } from "./api.ts";
import type { GetOutcome } from "./get-contract.ts";
import type { Reply } from "./simple-operation.ts";

/** A row of a listing. */
export type StoredRow = Pick<ObjectInfo, "key" | "bytes" | "version" | "createdAt" | "expiresAt">;

/** The description in a `found` message. */
export function infoOf(key: string, found: MessageOf<"found">): ObjectInfo {
  const {
    bytes,
    version,
    dataChunks,
    parityChunks,
    stripeCount,
    createdAtMs,
    expiresAtMs,
    metadata,
  } = found;
  return {
    key,
    bytes,
    version,
    code: { dataChunks, parityChunks },
    stripes: stripeCount,
    createdAt: new Date(createdAtMs),
    expiresAt: expiresAtMs === 0 ? null : new Date(expiresAtMs),
    metadata: metadataOf(metadata),
  };
}

function metadataOf(pairs: MessageOf<"found">["metadata"]): Readonly<Record<string, string>> {
  if (pairs.length === 0) return {};
  return Object.fromEntries(pairs.map(({ name, value }) => [name, value]));
}

/** The timings of a hit. */
export function timingsOf(hit: Extract<GetOutcome, { readonly kind: "hit" }>): GetTimings {
  const { foundMs, receiveMs, decodeMs, totalMs, reconstructed } = hit;
  return { foundMs, receiveMs, decodeMs, totalMs, reconstructed };
}

/** Reads the answer to `stat`. */
export function readStored(message: Message): Reply<MessageOf<"found"> | Miss> {
  if (message.kind === "found") return { kind: "result", result: message };
  if (message.kind === "miss")
    return { kind: "result", result: { kind: "miss", reason: message.reason } };
  return { kind: "unexpected" };
}

/** Reads the answer to `remove`: whether there was such an object. */
export function readRemoved(message: Message): Reply<boolean> {
  if (message.kind !== "removed") return { kind: "unexpected" };
  return { kind: "result", result: message.existed };
}

/** Reads one page of a listing. */
export function readListing(
  message: Message,
): Reply<{ readonly rows: readonly StoredRow[]; readonly isLast: boolean }> {
  if (message.kind !== "listing") return { kind: "unexpected" };
  const rows = message.objects.map(({ key, bytes, version, createdAtMs, expiresAtMs }) => ({
    key,
    bytes,
    version,
    createdAt: new Date(createdAtMs),
    expiresAt: expiresAtMs === 0 ? null : new Date(expiresAtMs),
  }));
  return { kind: "result", result: { rows, isLast: message.isLast } };
}

/** A reader of the proxy's report, which comes in pieces. */
export function readStatus(): (message: Message) => Reply<unknown> {
  let json = "";
  return (message) => {
    if (message.kind !== "statusReport") return { kind: "unexpected" };
    json += message.json;
    if (!message.isLast) return { kind: "more" };
    try {
      const result: unknown = JSON.parse(json);
      return { kind: "result", result };
    } catch {
      return { kind: "unexpected" };
    }
  };
}
