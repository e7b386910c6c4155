// A stand-in for S3 on loopback, for the real SDK: buckets by path, objects whole and in parts, conditional writes,
// checksums, errors in XML, and faults that tests plant. It keeps everything in memory and verifies no signatures.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Bucket, type NamedPart, type S3Object } from "./objects.ts";
import { S3Refusal } from "./refusal.ts";
import { readCheckedBody } from "./request-body.ts";

const METADATA_BYTES_MAX = 2_048;
const KEY_BYTES_MAX = 1_024;
const KEPT = ["content-type", "content-encoding", "content-language", "content-disposition"];

/** What goes wrong, each so often; a test sets the counts, and they are used up. */
export interface S3Faults {
  /** Requests of any kind that are answered 503. */
  slowDown: number;
  /** GETs whose body ends halfway, with its connection. */
  truncated: number;
  /** GETs with a checksum of something else. */
  wrongChecksum: number;
  /** GETs that wait this long in the middle of the body. */
  slowBody: number;
  slowBodyMs: number;
  /** PUTs and completions that take effect and whose answer is lost. */
  lostAnswer: number;
}

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly bucket: Bucket;
  readonly key: string;
  readonly query: URLSearchParams;
}

/** See the header. */
export class S3StandIn {
  readonly buckets = new Map<string, Bucket>();
  readonly faults: S3Faults = {
    slowDown: 0,
    truncated: 0,
    wrongChecksum: 0,
    slowBody: 0,
    slowBodyMs: 0,
    lostAnswer: 0,
  };
  /** `PUT part` and the like, in order. */
  readonly seen: string[] = [];
  /** The most requests that were under way at once. */
  underWayMax = 0;
  #underWay = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Listens, with these buckets. */
  static async start(...buckets: readonly string[]): Promise<S3StandIn> {
    const standIn = new S3StandIn();
    for (const name of buckets) standIn.buckets.set(name, new Bucket());
    await new Promise<void>((resolve) => standIn.#server.listen(0, "127.0.0.1", resolve));
    return standIn;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The bucket, which must be there. */
  bucket(name: string): Bucket {
    const bucket = this.buckets.get(name);
    if (bucket === undefined) throw new S3Refusal("NoSuchBucket");
    return bucket;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#underWay += 1;
    this.underWayMax = Math.max(this.underWayMax, this.#underWay);
    try {
      const [path = "", search = ""] = (request.url ?? "/").split("?", 2);
      const query = new URLSearchParams(search);
      const [, bucketName = "", ...rest] = path.split("/");
      const key = decodeURIComponent(rest.join("/"));
      this.seen.push(kindOf(request.method ?? "", query));
      if (use(this.faults, "slowDown")) {
        request.resume();
        throw new S3Refusal("SlowDown", "Please reduce your request rate.");
      }
      const bucket = this.bucket(bucketName);
      if (Buffer.byteLength(key) > KEY_BYTES_MAX) throw new S3Refusal("KeyTooLongError");
      await this.#act({ request, response, bucket, key, query });
    } catch (error) {
      request.resume();
      if (response.destroyed || response.headersSent) return void response.destroy();
      const refusal = error instanceof S3Refusal ? error : new S3Refusal("InternalError");
      // The answer to a HEAD has no body, and so no code.
      const xml = request.method === "HEAD" ? "" : refusal.xml;
      send(response, refusal.status, xml, { "content-type": "application/xml" });
    } finally {
      this.#underWay -= 1;
    }
  }

  async #act(call: Call): Promise<void> {
    const { request, response, bucket, key, query } = call;
    const { method = "" } = request;
    switch (kindOf(method, query)) {
      case "PUT":
        return await this.#put(call);
      case "GET":
      case "HEAD":
        return await this.#get(call);
      case "DELETE":
        bucket.objects.delete(key);
        return send(response, 204, "");
      case "POST begin": {
        const hasChecksum = request.headers["x-amz-checksum-algorithm"] === "CRC32";
        const id = bucket.begin(key, keptHeaders(request), hasChecksum);
        const inner = `<UploadId>${id}</UploadId>`;
        const tag = "InitiateMultipartUploadResult";
        return send(response, 200, `<${tag}>${inner}</${tag}>`);
      }
      case "PUT part": {
        const body = await readCheckedBody(request);
        const [id, number] = [query.get("uploadId") ?? "", Number(query.get("partNumber"))];
        const part = bucket.addPart(key, id, number, body);
        return send(response, 200, "", { etag: part.etag, ...checksumHeaders(part) });
      }
      case "POST complete":
        return await this.#complete(call);
      case "DELETE upload":
        bucket.abort(key, query.get("uploadId") ?? "");
        return send(response, 204, "");
      default:
        throw new S3Refusal("MethodNotAllowed");
    }
  }

  async #put({ request, response, bucket, key }: Call): Promise<void> {
    if (
      request.headers["content-length"] === undefined &&
      request.headers["x-amz-decoded-content-length"] === undefined
    )
      throw new S3Refusal("MissingContentLength");
    const body = await readCheckedBody(request);
    const object = bucket.put(key, body, keptHeaders(request), conditionOf(request));
    if (use(this.faults, "lostAnswer")) return void request.socket.destroy();
    send(response, 200, "", { etag: object.etag, ...checksumHeaders(object) });
  }

  async #complete({ request, response, bucket, key, query }: Call): Promise<void> {
    const { headers } = request;
    const text = await readCheckedXml(request);
    const whole = {
      crc32: headers["x-amz-checksum-crc32"]?.toString(),
      bytes: headers["x-amz-mp-object-size"]?.toString(),
    };
    const id = query.get("uploadId") ?? "";
    const object = bucket.complete(key, id, namedParts(text), whole, conditionOf(request));
    if (use(this.faults, "lostAnswer")) return void request.socket.destroy();
    const tag = "CompleteMultipartUploadResult";
    send(response, 200, `<${tag}><ETag>${object.etag}</ETag></${tag}>`);
  }

  async #get({ request, response, bucket, key }: Call): Promise<void> {
    const object = bucket.get(key);
    const whole = object.bytes;
    const range = rangeOf(request.headers.range, whole.length);
    const bytes = range === null ? whole : whole.subarray(range.start, range.end);
    const isWrong = request.method === "GET" && use(this.faults, "wrongChecksum");
    const wantsChecksum = request.headers["x-amz-checksum-mode"] === "ENABLED" && range === null;
    response.writeHead(range === null ? 200 : 206, {
      "accept-ranges": "bytes",
      "content-length": bytes.length,
      etag: object.etag,
      ...object.headers,
      ...(range === null
        ? {}
        : { "content-range": `bytes ${range.start}-${range.end - 1}/${whole.length}` }),
      ...(wantsChecksum ? checksumHeaders(object) : {}),
      ...(isWrong ? { "x-amz-checksum-crc32": "AAAAAA==" } : {}),
    });
    if (request.method === "HEAD") return void response.end();
    const half = bytes.length >> 1;
    if (use(this.faults, "truncated")) {
      response.write(bytes.subarray(0, half), () => request.socket.end());
      return;
    }
    if (use(this.faults, "slowBody")) {
      response.write(bytes.subarray(0, half));
      await sleep(this.faults.slowBodyMs);
      response.end(bytes.subarray(half));
    } else response.end(bytes);
  }
}

function use(faults: S3Faults, name: keyof S3Faults): boolean {
  if (faults[name] === 0) return false;
  faults[name] -= 1;
  return true;
}

function kindOf(method: string, query: URLSearchParams): string {
  if (method === "POST" && query.has("uploads")) return "POST begin";
  if (!query.has("uploadId")) return method;
  const names: Readonly<Record<string, string>> = { PUT: "part", POST: "complete" };
  return `${method} ${names[method] ?? "upload"}`;
}

function send(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const length = status === 204 ? {} : { "content-length": Buffer.byteLength(text) };
  response.writeHead(status, { "x-amz-request-id": "0", ...length, ...headers });
  response.end(text);
}

function keptHeaders({ headers }: IncomingMessage): Record<string, string> {
  const kept: Record<string, string> = { "content-type": "binary/octet-stream" };
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    const isMeta = name.startsWith("x-amz-meta-");
    if (typeof value !== "string" || !(isMeta || KEPT.includes(name))) continue;
    if (isMeta) bytes += name.length - "x-amz-meta-".length + value.length;
    // The framing is no property of the object.
    const told = name === "content-encoding" ? value.replace(/,?aws-chunked$/, "") : value;
    if (told !== "") kept[name] = told;
  }
  if (bytes > METADATA_BYTES_MAX) throw new S3Refusal("MetadataTooLarge");
  return kept;
}

function checksumHeaders({ checksum }: S3Object): Record<string, string> {
  if (checksum === null) return {};
  return {
    [`x-amz-checksum-${checksum.name}`]: checksum.value,
    "x-amz-checksum-type": "FULL_OBJECT",
  };
}

function conditionOf({ headers }: IncomingMessage) {
  return { ifNoneMatch: headers["if-none-match"], ifMatch: headers["if-match"] };
}

/** The checksum in the header of a completion is the object's, not that of the XML. */
async function readCheckedXml(request: IncomingMessage): Promise<string> {
  delete request.headers["x-amz-checksum-crc32"];
  return (await readCheckedBody(request)).bytes.toString("utf8");
}

function namedParts(xml: string): NamedPart[] {
  return [...xml.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = ""]) => {
    const field = (name: string): string | null =>
      new RegExp(`<${name}>(.*?)</${name}>`).exec(part)?.[1]?.replaceAll("&quot;", '"') ?? null;
    return {
      number: Number(field("PartNumber")),
      etag: field("ETag") ?? "",
      crc32: field("ChecksumCRC32"),
    };
  });
}

function rangeOf(header: string | undefined, bytes: number): { start: number; end: number } | null {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (from === "" && to === "") return null;
  const start = from === "" ? Math.max(0, bytes - Number(to)) : Number(from);
  const end = from === "" || to === "" ? bytes : Math.min(bytes, Number(to) + 1);
  if (start >= end) throw new S3Refusal("InvalidRange");
  return { start, end };
}
