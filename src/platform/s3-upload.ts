// A multipart upload: two parts on their way while the next is read, the whole body's checksum told at its end, and
// nothing left behind when it fails. The object appears when it is complete, or not at all.

import { crc32 } from "node:zlib";
import type { CompletedPart, S3Client } from "@aws-sdk/client-s3";
import { s3Error } from "./s3-errors.ts";
import type { S3Metadata } from "./s3-names.ts";

/** Parts on their way at once. */
const PARTS_MAX = 2;
/** How long cleaning up may take; what is left then is for the bucket's lifecycle rule. */
const ABORT_MS = 15_000;

type Sdk = typeof import("@aws-sdk/client-s3");
type Target = { readonly Bucket: string; readonly Key: string };

/** A CRC-32 as S3 writes it. */
export function crcText(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString("base64");
}

/** See the header. */
export class S3Upload {
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #upload: Target & { readonly UploadId: string };
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #underWay = new Set<Promise<void>>();
  readonly #done: CompletedPart[] = [];
  #fault: { readonly error: unknown } | null = null;
  #count = 0;
  #bytes = 0;
  #crc = 0;

  private constructor(
    sdk: Sdk,
    client: S3Client,
    upload: Target & { readonly UploadId: string },
    signal: AbortSignal,
  ) {
    this.#sdk = sdk;
    this.#client = client;
    this.#upload = upload;
    this.#signal = AbortSignal.any([signal, this.#stop.signal]);
  }

  /** Begins one; rejects with the SDK's error. */
  static async begin(
    sdk: Sdk,
    client: S3Client,
    target: Target & S3Metadata,
    signal: AbortSignal,
  ): Promise<S3Upload> {
    const wanted = { ...target, ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" } as const;
    const command = new sdk.CreateMultipartUploadCommand(wanted);
    const { UploadId } = await client.send(command, { abortSignal: signal });
    if (UploadId === undefined) throw new Error("an upload began without an id");
    const { Bucket, Key } = target;
    return new S3Upload(sdk, client, { Bucket, Key, UploadId }, signal);
  }

  /** Sends a part, which is handed over; resolves when there is room for the next. Rejects when one has failed. */
  async add(bytes: Uint8Array): Promise<void> {
    this.#count += 1;
    this.#bytes += bytes.length;
    this.#crc = crc32(bytes, this.#crc);
    const sending = this.#send(this.#count, bytes).catch((error: unknown) => {
      this.#fault ??= { error };
    });
    this.#underWay.add(sending);
    void sending.finally(() => this.#underWay.delete(sending));
    while (this.#underWay.size >= PARTS_MAX) await Promise.race(this.#underWay);
    this.#throwFault();
  }

  /** Makes the object appear; rejects with the SDK's error. */
  async complete(condition: { readonly IfNoneMatch?: string }): Promise<void> {
    await Promise.all(this.#underWay);
    this.#throwFault();
    const command = new this.#sdk.CompleteMultipartUploadCommand({
      ...this.#upload,
      ...condition,
      MultipartUpload: {
        Parts: this.#done.toSorted((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0)),
      },
      ChecksumCRC32: crcText(this.#crc),
      ChecksumType: "FULL_OBJECT",
      MpuObjectSize: this.#bytes,
    });
    await this.#client.send(command, { abortSignal: this.#signal });
  }

  /** Gives up what was sent. Never rejects: what cannot be removed now, S3 removes by rule. */
  async abort(): Promise<void> {
    this.#stop.abort();
    // A part that arrives after the abort would stay.
    await Promise.all(this.#underWay);
    const command = new this.#sdk.AbortMultipartUploadCommand(this.#upload);
    const abortSignal = AbortSignal.timeout(ABORT_MS);
    await this.#client.send(command, { abortSignal }).catch(() => undefined);
  }

  async #send(number: number, bytes: Uint8Array): Promise<void> {
    const ChecksumCRC32 = crcText(crc32(bytes));
    const part = { ...this.#upload, PartNumber: number, Body: bytes, ChecksumCRC32 };
    const command = new this.#sdk.UploadPartCommand(part);
    const { ETag } = await this.#client.send(command, { abortSignal: this.#signal });
    this.#done.push({ PartNumber: number, ETag, ChecksumCRC32 });
  }

  #throwFault(): void {
    if (this.#fault !== null) throw s3Error(this.#fault.error, "a PUT");
  }
}
