// The body of a request to S3: read whole, taken out of aws-chunked framing, and compared with every checksum that came
// with it, in a header or behind the body. Signatures of chunks are not verified: the stand-in knows no secrets.

import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { crc32 } from "node:zlib";
import { S3Refusal } from "./refusal.ts";

/** A body that agrees with its checksums. */
export interface CheckedBody {
  readonly bytes: Buffer;
  /** Base64, where the client sent one. */
  readonly checksum: { readonly name: "crc32" | "sha256"; readonly value: string } | null;
}

const ALGORITHMS = ["crc32", "sha256"] as const;

/** Reads and checks it; throws a refusal. */
export async function readCheckedBody(request: IncomingMessage): Promise<CheckedBody> {
  const { headers } = request;
  const raw = await readWhole(request);
  const declared = String(headers["x-amz-content-sha256"] ?? "UNSIGNED-PAYLOAD");
  const isChunked = declared.startsWith("STREAMING-");
  const { bytes, trailers } = isChunked ? dechunk(raw) : { bytes: raw, trailers: new Map() };
  if (isChunked && String(bytes.length) !== headers["x-amz-decoded-content-length"])
    throw new S3Refusal("IncompleteBody");
  if (/^[0-9a-f]{64}$/.test(declared) && digest("sha256", bytes, "hex") !== declared)
    throw new S3Refusal("XAmzContentSHA256Mismatch");
  const md5 = headers["content-md5"];
  if (md5 !== undefined && digest("md5", bytes, "base64") !== md5) throw new S3Refusal("BadDigest");
  const announced = headers["x-amz-trailer"];
  if (announced !== undefined && !trailers.has(String(announced).toLowerCase()))
    throw new S3Refusal("InvalidRequest", "the announced trailer is absent");
  for (const name of ALGORITHMS) {
    const value: unknown =
      headers[`x-amz-checksum-${name}`] ?? trailers.get(`x-amz-checksum-${name}`);
    if (typeof value !== "string") continue;
    if (value !== checksumOf(name, bytes)) throw new S3Refusal("BadDigest");
    return { bytes, checksum: { name, value } };
  }
  return { bytes, checksum: null };
}

/** A checksum as S3 writes it. */
export function checksumOf(name: "crc32" | "sha256", bytes: Uint8Array): string {
  if (name === "sha256") return digest("sha256", bytes, "base64");
  const four = Buffer.alloc(4);
  four.writeUInt32BE(crc32(bytes));
  return four.toString("base64");
}

function digest(name: string, bytes: Uint8Array, encoding: "hex" | "base64"): string {
  return createHash(name).update(bytes).digest(encoding);
}

async function readWhole(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** `HEX[;chunk-signature=…]\r\n BYTES \r\n`, until one of no bytes; then trailers. */
function dechunk(raw: Buffer): { bytes: Buffer; trailers: ReadonlyMap<string, string> } {
  const parts: Buffer[] = [];
  let at = 0;
  const line = (): string => {
    const end = raw.indexOf("\r\n", at);
    if (end < 0) throw new S3Refusal("IncompleteBody");
    const text = raw.toString("latin1", at, end);
    at = end + 2;
    return text;
  };
  for (;;) {
    const [, size] = /^([0-9a-fA-F]{1,8})(?:;.*)?$/.exec(line()) ?? [];
    if (size === undefined) throw new S3Refusal("InvalidRequest", "a chunk without a size");
    const length = Number.parseInt(size, 16);
    if (length === 0) break;
    parts.push(raw.subarray(at, at + length));
    at += length;
    if (line() !== "") throw new S3Refusal("IncompleteBody");
  }
  const trailers = new Map<string, string>();
  while (at < raw.length) {
    const [, name, value] = /^([^:]+):\s*(.*)$/.exec(line()) ?? [];
    if (name !== undefined && value !== undefined) trailers.set(name.toLowerCase(), value);
  }
  return { bytes: Buffer.concat(parts), trailers };
}
