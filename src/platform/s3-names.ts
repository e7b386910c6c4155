// How keys, metadata and expiry are spelled at S3, both ways; docs/origin.md has the rules. Pure. What S3 can say itself
// (content type, ASCII metadata with lower-case names) is said in its own words, so that other tools understand it.

import { CacheError } from "../core/errors.ts";

/** Bytes of UTF-8 of a key at S3. */
const KEY_BYTES_MAX = 1_024;
/** Names and values of an object's user metadata together: S3's 2,048 less the name and the value of a write. */
const METADATA_BYTES_MAX = 1_984;
/** Who wrote the object, so that an answer that was lost can be told from somebody else's object. */
export const S3_WRITE = "infinicache-write";
/** Milliseconds since 1970. */
const EXPIRY = "infinicache-expires-at-ms";
/** JSON of the metadata that has no spelling of its own; in ASCII. */
const REST = "infinicache-metadata";
/** What S3 says of an object that was stored without a type. */
const TYPE_UNKNOWN = "binary/octet-stream";
/** Metadata that are headers of S3, too. */
const HEADERS = {
  "content-type": "ContentType",
  "content-encoding": "ContentEncoding",
  "content-language": "ContentLanguage",
  "content-disposition": "ContentDisposition",
} as const;

/** A bucket, and what all keys in it begin with. */
export interface S3Place {
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
}

/** Metadata in the words of the SDK. */
export interface S3Metadata {
  readonly ContentType?: string | undefined;
  readonly ContentEncoding?: string | undefined;
  readonly ContentLanguage?: string | undefined;
  readonly ContentDisposition?: string | undefined;
  readonly Metadata?: Readonly<Record<string, string>> | undefined;
}

/** What a cache keeps with an object. */
export interface CacheMetadata {
  readonly metadata: Readonly<Record<string, string>>;
  readonly expiresAtMs: number | null;
}

/** Reads `s3://bucket/prefix`; throws `ICACHE_INVALID`. */
export function parseS3Url(url: string): S3Place {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/su.exec(url);
  if (match?.[1] === undefined)
    throw new CacheError("ICACHE_INVALID", `${url} is not s3://BUCKET or s3://BUCKET/PREFIX`);
  const prefix = (match[2] ?? "").replace(/\/+$/, "");
  return { bucket: match[1], prefix: prefix === "" ? "" : `${prefix}/` };
}

/** The key at S3; throws `ICACHE_TOO_LARGE` when S3 takes none so long. */
export function s3KeyOf(prefix: string, key: string): string {
  // Segments that a URL would swallow get a percent sign more, and so do those that look like it: none collide.
  const spelled = key.replace(/(?<=^|\/)(%*\.{1,2})(?=\/|$)/g, "%$1");
  const name = prefix + spelled;
  const bytes = Buffer.byteLength(name);
  if (bytes <= KEY_BYTES_MAX) return name;
  const text = `S3 takes keys of ${KEY_BYTES_MAX} bytes with the prefix; this one has ${bytes}`;
  throw new CacheError("ICACHE_TOO_LARGE", text);
}

/** Metadata as S3 takes them; throws `ICACHE_TOO_LARGE` above its limit. */
export function toS3Metadata({ metadata, expiresAtMs }: CacheMetadata): S3Metadata {
  const headers: { -readonly [Name in keyof S3Metadata]: string } = { ContentType: TYPE_UNKNOWN };
  const own: Record<string, string> = {};
  // Without a prototype: a name may be "__proto__". Names that are plain cannot.
  const rest: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(metadata)) {
    const header = headerOf(name);
    if (!isPlainText(value) || value === TYPE_UNKNOWN) rest[name] = value;
    else if (header !== null) headers[header] = value;
    else if (isPlainName(name)) own[name] = value;
    else rest[name] = value;
  }
  if (expiresAtMs !== null) own[EXPIRY] = String(expiresAtMs);
  if (Object.keys(rest).length > 0) own[REST] = asciiJson(rest);
  const bytes = Object.entries(own).reduce((sum, pair) => sum + pair.join("").length, 0);
  if (bytes <= METADATA_BYTES_MAX) return { ...headers, Metadata: own };
  const text = `S3 takes ${METADATA_BYTES_MAX} bytes of metadata; spelled for it these have ${bytes}`;
  throw new CacheError("ICACHE_TOO_LARGE", text);
}

/** Metadata as the cache has them, of any object at S3; null where ours are damaged. */
export function fromS3Metadata(found: S3Metadata): CacheMetadata | null {
  const { [EXPIRY]: expiry, [REST]: rest, [S3_WRITE]: _, ...own } = found.Metadata ?? {};
  const metadata: Record<string, string> = own;
  for (const [name, header] of Object.entries(HEADERS)) {
    const value = found[header];
    if (value !== undefined && value !== "" && value !== TYPE_UNKNOWN) metadata[name] = value;
  }
  if (expiry !== undefined && !/^\d{1,15}$/.test(expiry)) return null;
  const expiresAtMs = expiry === undefined ? null : Number(expiry);
  if (rest !== undefined) {
    const added = parsePairs(rest);
    if (added === null) return null;
    // Defined, not assigned: so is a name such as "__proto__".
    return { metadata: { ...metadata, ...added }, expiresAtMs };
  }
  return { metadata, expiresAtMs };
}

function headerOf(name: string): (typeof HEADERS)[keyof typeof HEADERS] | null {
  return Object.hasOwn(HEADERS, name) ? HEADERS[name as keyof typeof HEADERS] : null;
}

/** What goes through a header, and a signature that joins spaces, unchanged. */
function isPlainText(value: string): boolean {
  return /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/.test(value);
}

function isPlainName(name: string): boolean {
  return /^[a-z0-9][a-z0-9_-]*$/.test(name) && !name.startsWith("infinicache-");
}

function asciiJson(pairs: Readonly<Record<string, string>>): string {
  // JSON escapes control characters, and this the rest; spaces are escaped so that none are joined or cut off.
  return JSON.stringify(pairs).replace(
    /[^\x21-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function parsePairs(text: string): Record<string, string> | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    const pairs = Object.entries(value);
    return pairs.every(([, each]) => typeof each === "string") ? Object.fromEntries(pairs) : null;
  } catch {
    return null;
  }
}
