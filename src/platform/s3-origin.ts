// A bucket of S3, or of a store that speaks like it, as an origin: one object there for each of ours. The SDK signs,
// computes checksums and repeats what failed in passing; it is loaded on first use, and has its own ways to find a
// region and credentials. Bodies are streamed: what is in memory of one is a few parts.

import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import type { S3Client } from "@aws-sdk/client-s3";
import { CacheError } from "../core/errors.ts";
import { originError } from "../origin/bodies.ts";
import type { OriginObject, OriginPut, OriginStore } from "../origin/store.ts";
import { S3Body } from "./s3-body.ts";
import { isS3Absent, isS3Overtaken, s3Error } from "./s3-errors.ts";
import {
  fromS3Metadata,
  parseS3Url,
  S3_WRITE,
  type S3Metadata,
  type S3Place,
  s3KeyOf,
  toS3Metadata,
} from "./s3-names.ts";
import { partsToUpload } from "./s3-parts.ts";
import { crcText, S3Upload } from "./s3-upload.ts";

const CONNECT_MS = 3_000;
/** From the begin of a request to the head of its answer; a part takes so long at 70 kB/s. */
const REQUEST_MS = 120_000;
/** How long the next bytes of a body may take. */
const IDLE_MS = 60_000;
/** Attempts of one request, the first included. */
const ATTEMPTS_MAX = 5;
/** Loads, readers past the cache and changes with their parts, as many as the tier lets be under way. */
const SOCKETS_MAX = 256;

/** Where a bucket is. */
export interface S3OriginOptions {
  /** `s3://BUCKET` or `s3://BUCKET/PREFIX`. */
  readonly url: string;
  /** Of a store that speaks like S3; its buckets are addressed by path. Absent: AWS, in the SDK's region. */
  readonly endpoint?: string;
  /** Default: what the SDK finds (`AWS_REGION`, a profile); `us-east-1` with an endpoint. */
  readonly region?: string;
}

/**
 * A bucket as an origin. Credentials are found by the AWS SDK. Throws `ICACHE_INVALID` without a region.
 *
 * @example
 * const store = await s3Origin({ url: "s3://reports/2026" });
 * const cache = connect({ url: "127.0.0.1:6370", origin: { store, mode: "write-through" } });
 */
export async function s3Origin(options: S3OriginOptions): Promise<OriginStore> {
  const place = parseS3Url(options.url);
  const sdk = await import("@aws-sdk/client-s3");
  const { endpoint, region } = options;
  const agent = { keepAlive: true, maxSockets: SOCKETS_MAX };
  const make = (at: string | undefined): S3Client =>
    new sdk.S3Client({
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      ...(at === undefined ? {} : { region: at }),
      maxAttempts: ATTEMPTS_MAX,
      requestChecksumCalculation: "WHEN_SUPPORTED",
      responseChecksumValidation: "WHEN_SUPPORTED",
      requestHandler: {
        connectionTimeout: CONNECT_MS,
        requestTimeout: REQUEST_MS,
        // Without this the SDK only logs a warning and goes on waiting.
        throwOnRequestTimeout: true,
        httpAgent: agent,
        httpsAgent: agent,
      },
    });
  let client = make(region);
  const hasRegion = await client.config.region().then(
    () => true,
    () => false,
  );
  if (!hasRegion) {
    client.destroy();
    if (endpoint === undefined)
      throw new CacheError(
        "ICACHE_INVALID",
        `no region is known for ${options.url}: set AWS_REGION`,
      );
    client = make("us-east-1");
  }
  return new S3Origin(sdk, client, place);
}

/** The SDK's module. */
type Sdk = typeof import("@aws-sdk/client-s3");

class S3Origin implements OriginStore {
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #place: S3Place;
  readonly #closing = new AbortController();
  /** Changes under way: closing waits until they have cleaned up. */
  readonly #changes = new Set<Promise<unknown>>();

  constructor(sdk: Sdk, client: S3Client, place: S3Place) {
    this.#sdk = sdk;
    this.#client = client;
    this.#place = place;
  }

  async get(key: string, wish: AbortSignal): Promise<OriginObject | null> {
    const command = new this.#sdk.GetObjectCommand({
      ...this.#at(key),
      ChecksumMode: "ENABLED",
    });
    const found = await this.#ask("a GET", wish, (abortSignal) =>
      this.#client.send(command, { abortSignal }),
    );
    if (found === null) return null;
    // In Node it is a stream; in browsers it would be something else.
    const stream = found.Body as Readable | undefined;
    if (stream === undefined) throw originError("a GET was answered without a body by S3");
    const bytes = found.ContentLength ?? null;
    const body = new S3Body(stream, { bytes, idleMs: IDLE_MS, signal: this.#signal(wish) });
    const known = fromS3Metadata(found);
    if (known !== null) return { ...known, bytes, body };
    stream.destroy();
    throw originError("an object at S3 has damaged metadata");
  }

  async head(
    key: string,
    wish: AbortSignal,
  ): Promise<{ readonly expiresAtMs: number | null } | null> {
    const found = await this.#head(key, wish);
    if (found === null) return null;
    const known = fromS3Metadata(found);
    if (known === null) throw originError("an object at S3 has damaged metadata");
    return { expiresAtMs: known.expiresAtMs };
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    put: OriginPut,
  ): Promise<"stored" | "exists"> {
    return await this.#change(this.#put(key, body, put));
  }

  async remove(key: string, wish: AbortSignal): Promise<boolean> {
    // S3 does not say whether there was one.
    if ((await this.#head(key, wish)) === null) return false;
    const command = new this.#sdk.DeleteObjectCommand(this.#at(key));
    const ended = this.#ask("a DELETE", wish, (abortSignal) =>
      this.#client.send(command, { abortSignal }),
    );
    return (await this.#change(ended)) !== null;
  }

  async close(): Promise<void> {
    this.#closing.abort(new CacheError("ICACHE_CLOSED", "the origin was closed"));
    await Promise.allSettled(this.#changes);
    this.#client.destroy();
  }

  async #put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    { bytes, metadata, expiresAtMs, ifAbsent, signal: wish }: OriginPut,
  ): Promise<"stored" | "exists"> {
    const at = this.#at(key);
    const spelled = toS3Metadata({ metadata, expiresAtMs });
    const write = randomUUID();
    const target = { ...at, ...spelled, Metadata: { ...spelled.Metadata, [S3_WRITE]: write } };
    const condition = ifAbsent ? { IfNoneMatch: "*" } : {};
    const signal = this.#signal(wish);
    let upload: S3Upload | null = null;
    let seen = 0;
    try {
      for await (const part of partsToUpload(body, bytes)) {
        signal.throwIfAborted();
        seen += part.bytes.length;
        if (bytes !== null && (part.isLast ? seen !== bytes : seen > bytes)) throw wrong(bytes);
        if (upload === null && part.isLast) {
          const ChecksumCRC32 = crcText(crc32(part.bytes));
          const whole = { ...target, ...condition, Body: part.bytes, ChecksumCRC32 };
          const command = new this.#sdk.PutObjectCommand(whole);
          return await this.#finish(key, write, wish, (abortSignal) =>
            this.#client.send(command, { abortSignal }),
          );
        }
        upload ??= await this.#begin(target, signal);
        await upload.add(part.bytes);
      }
      const finished = upload;
      if (finished === null) throw originError("a body ended without a part");
      const outcome = await this.#finish(key, write, wish, () => finished.complete(condition));
      if (outcome === "exists") await finished.abort();
      return outcome;
    } catch (error) {
      await upload?.abort();
      throw signal.aborted ? signal.reason : error;
    }
  }

  async #begin(
    target: { readonly Bucket: string; readonly Key: string } & S3Metadata,
    signal: AbortSignal,
  ): Promise<S3Upload> {
    try {
      return await S3Upload.begin(this.#sdk, this.#client, target, signal);
    } catch (error) {
      throw s3Error(error, "a PUT");
    }
  }

  /** Makes the object appear. What was refused may still be ours: an answer may have been lost, and the request repeated. */
  async #finish(
    key: string,
    write: string,
    wish: AbortSignal,
    act: (signal: AbortSignal) => Promise<unknown>,
  ): Promise<"stored" | "exists"> {
    try {
      await act(this.#signal(wish));
      return "stored";
    } catch (error) {
      if (!isS3Overtaken(error)) throw s3Error(error, "a PUT");
      const found = await this.#head(key, wish);
      if (found?.Metadata?.[S3_WRITE] === write) return "stored";
      if (found === null || !isConditional(error)) throw s3Error(error, "a PUT");
      return "exists";
    }
  }

  async #head(key: string, wish: AbortSignal): Promise<S3Metadata | null> {
    const command = new this.#sdk.HeadObjectCommand(this.#at(key));
    return await this.#ask("a HEAD", wish, (abortSignal) =>
      this.#client.send(command, { abortSignal }),
    );
  }

  /** Null: there is no such object. */
  async #ask<Output>(
    doing: string,
    wish: AbortSignal,
    send: (signal: AbortSignal) => Promise<Output>,
  ): Promise<Output | null> {
    const signal = this.#signal(wish);
    try {
      signal.throwIfAborted();
      return await send(signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (isS3Absent(error)) return null;
      throw s3Error(error, doing);
    }
  }

  async #change<Value>(change: Promise<Value>): Promise<Value> {
    this.#changes.add(change);
    try {
      return await change;
    } finally {
      this.#changes.delete(change);
    }
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#place.bucket, Key: s3KeyOf(this.#place.prefix, key) };
  }

  #signal(wish: AbortSignal): AbortSignal {
    return AbortSignal.any([wish, this.#closing.signal]);
  }
}

function isConditional(error: unknown): boolean {
  return error instanceof Error && error.name !== "NoSuchUpload";
}

function wrong(bytes: number): CacheError {
  return new CacheError("ICACHE_INVALID", `the body has not the ${bytes} bytes announced`);
}
