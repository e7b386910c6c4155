// What a bucket of the stand-in holds: objects and uploads in parts, with S3's rules for entity tags, checksums, the
// size of parts and conditional writes. It knows no HTTP.

import { createHash, randomUUID } from "node:crypto";
import { S3Refusal } from "./refusal.ts";
import { type CheckedBody, checksumOf } from "./request-body.ts";

/** S3 takes no part below, but for the last. */
const PART_BYTES_MIN = 5 * 1_024 * 1_024;
const PARTS_MAX = 10_000;

/** An object as it is stored. */
export interface S3Object {
  readonly bytes: Buffer;
  /** In quotes. */
  readonly etag: string;
  /** `content-type` and its kin, and `x-amz-meta-*`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly checksum: CheckedBody["checksum"];
}

/** What a conditional write asks for. */
export interface Condition {
  readonly ifNoneMatch: string | undefined;
  readonly ifMatch: string | undefined;
}

/** What a client says is an upload's part. */
export interface NamedPart {
  readonly number: number;
  readonly etag: string;
  readonly crc32: string | null;
}

interface Upload {
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly hasChecksum: boolean;
  readonly parts: Map<number, S3Object>;
}

/** See the header. */
export class Bucket {
  readonly objects = new Map<string, S3Object>();
  readonly uploads = new Map<string, Upload>();

  put(
    key: string,
    body: CheckedBody,
    headers: Readonly<Record<string, string>>,
    condition: Condition,
  ): S3Object {
    this.#check(key, condition);
    const object = { ...body, etag: `"${md5(body.bytes).toString("hex")}"`, headers };
    this.objects.set(key, object);
    return object;
  }

  get(key: string): S3Object {
    const object = this.objects.get(key);
    if (object === undefined) throw new S3Refusal("NoSuchKey");
    return object;
  }

  begin(key: string, headers: Readonly<Record<string, string>>, hasChecksum: boolean): string {
    const id = randomUUID();
    this.uploads.set(id, { key, headers, hasChecksum, parts: new Map() });
    return id;
  }

  addPart(key: string, id: string, number: number, body: CheckedBody): S3Object {
    if (!Number.isInteger(number) || number < 1 || number > PARTS_MAX)
      throw new S3Refusal("InvalidArgument", "part numbers go from 1 to 10000");
    const etag = `"${md5(body.bytes).toString("hex")}"`;
    const part = { ...body, etag, headers: {} };
    this.#upload(key, id).parts.set(number, part);
    return part;
  }

  complete(
    key: string,
    id: string,
    named: readonly NamedPart[],
    whole: { readonly crc32: string | undefined; readonly bytes: string | undefined },
    condition: Condition,
  ): S3Object {
    const upload = this.#upload(key, id);
    if (named.length === 0) throw new S3Refusal("MalformedXML");
    if (named.some(({ number }, at) => at > 0 && number <= (named[at - 1]?.number ?? 0)))
      throw new S3Refusal("InvalidPartOrder");
    const parts = named.map(({ number, etag, crc32 }, at) => {
      const part = upload.parts.get(number);
      if (part === undefined || part.etag.replaceAll('"', "") !== etag.replaceAll('"', ""))
        throw new S3Refusal("InvalidPart");
      if (crc32 !== null && crc32 !== checksumOf("crc32", part.bytes))
        throw new S3Refusal("InvalidPart");
      if (at < named.length - 1 && part.bytes.length < PART_BYTES_MIN)
        throw new S3Refusal("EntityTooSmall");
      return part;
    });
    const bytes = Buffer.concat(parts.map((part) => part.bytes));
    const value = checksumOf("crc32", bytes);
    if (whole.crc32 !== undefined && whole.crc32 !== value) throw new S3Refusal("BadDigest");
    if (whole.bytes !== undefined && Number(whole.bytes) !== bytes.length)
      throw new S3Refusal("InvalidRequest", "the object has another size");
    this.#check(key, condition);
    const sums = Buffer.concat(parts.map((part) => md5(part.bytes)));
    const etag = `"${md5(sums).toString("hex")}-${parts.length}"`;
    const checksum = upload.hasChecksum ? ({ name: "crc32", value } as const) : null;
    const object = { bytes, etag, headers: upload.headers, checksum };
    this.objects.set(key, object);
    this.uploads.delete(id);
    return object;
  }

  abort(key: string, id: string): void {
    this.#upload(key, id);
    this.uploads.delete(id);
  }

  #upload(key: string, id: string): Upload {
    const upload = this.uploads.get(id);
    if (upload === undefined || upload.key !== key) throw new S3Refusal("NoSuchUpload");
    return upload;
  }

  #check(key: string, { ifNoneMatch, ifMatch }: Condition): void {
    const there = this.objects.get(key);
    if (ifNoneMatch !== undefined && ifNoneMatch !== "*") throw new S3Refusal("NotImplemented");
    if (ifNoneMatch === "*" && there !== undefined) throw new S3Refusal("PreconditionFailed");
    if (ifMatch === undefined) return;
    if (there === undefined) throw new S3Refusal("NoSuchKey");
    if (there.etag !== ifMatch) throw new S3Refusal("PreconditionFailed");
  }
}

function md5(bytes: Uint8Array): Buffer {
  return createHash("md5").update(bytes).digest();
}
