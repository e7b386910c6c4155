// What callers hand in, checked before anything is sent: each fault names what is right.
// Pure: it throws CacheErrors and changes nothing.

import { type CodeSpec, codeFault } from "../core/code.ts";
import { CacheError } from "../core/errors.ts";
import { KEY_BYTES_MAX, keyFault, type ObjectKey } from "../core/ids.ts";
import {
  METADATA_BYTES_MAX,
  METADATA_PAIRS_MAX,
  STRIPE_BYTES_MAX,
  STRIPES_PER_OBJECT_MAX,
} from "../core/limits.ts";
import type {
  ByteRange,
  CallOptions,
  GetOptions,
  ManyOptions,
  NearOptions,
  NewObject,
  PutOptions,
} from "./api.ts";

/** The longest deadline and time to live: a day, and a hundred years. */
export const DEADLINE_MS_MAX = 24 * 3_600 * 1_000;
export const TTL_MS_MAX = 100 * 365 * DEADLINE_MS_MAX;

/** Operations of calls for many keys under way at once, of one client: a quarter of what its gate lets in. */
export const MANY_AT_ONCE_MAX = 256;
/** Keys or objects of one such call: the caller and the answer hold them all in memory. */
export const MANY_MAX = 1_000_000;

/** Prefixes of a near cache: each is compared at each read of what is kept. */
const WRITE_ONCE_MAX = 64;

const OBJECT_BYTES_MAX = STRIPES_PER_OBJECT_MAX * STRIPE_BYTES_MAX;

const CALL_NAMES = ["signal", "deadlineMs"];
const PUT_NAMES = [...CALL_NAMES, "ttlMs", "metadata", "code", "ifAbsent", "length", "lease"];
const GET_NAMES = [...CALL_NAMES, "range", "firstD"];
const MANY_NAMES = ["atOnce"];
const encoder = new TextEncoder();

/** The error for a bad argument. */
export function invalid(message: string): CacheError {
  return new CacheError("ICACHE_INVALID", message);
}

/** A checked key. */
export function checkKey(key: unknown): ObjectKey {
  if (typeof key !== "string") throw invalid(`a key is a string, not ${describe(key)}`);
  if (key.length > KEY_BYTES_MAX)
    throw new CacheError(
      "ICACHE_TOO_LARGE",
      `a key may have ${KEY_BYTES_MAX} bytes of UTF-8 at most`,
    );
  const fault = keyFault(key);
  if (fault === null) return key as ObjectKey; // Proof: keyFault found nothing.
  const isTooLong = encoder.encode(key).length > KEY_BYTES_MAX;
  throw isTooLong ? new CacheError("ICACHE_TOO_LARGE", fault) : invalid(fault);
}

/** A prefix or the key to list after: like a key, but may be empty. */
export function checkPrefix(name: string, prefix: unknown): string {
  return prefix === undefined || prefix === "" ? "" : checkNamed(name, () => checkKey(prefix));
}

/** The options every call has. */
export function checkCall(options: CallOptions, names: readonly string[] = []): void {
  checkNames(options, CALL_NAMES, names);
  const { signal, deadlineMs } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw invalid("signal must be an AbortSignal");
  if (deadlineMs !== undefined) checkWhole("deadlineMs", deadlineMs, 1, DEADLINE_MS_MAX);
}

/** Options of a PUT; `names` are further ones that are allowed. */
export function checkPut(options: PutOptions, names: readonly string[] = []): void {
  checkCall(options, [...PUT_NAMES, ...names]);
  const { ttlMs, code, ifAbsent, metadata, length, lease } = options;
  if (ttlMs !== undefined) checkWhole("ttlMs", ttlMs, 1, TTL_MS_MAX);
  if (length !== undefined) checkLength(length);
  if (lease !== undefined) checkWhole("lease", lease, 0, Number.MAX_SAFE_INTEGER);
  if (ifAbsent !== undefined && typeof ifAbsent !== "boolean")
    throw invalid("ifAbsent must be true or false");
  if (code !== undefined) checkCode(code);
  if (metadata !== undefined) checkMetadata(metadata);
}

/** Options of a read; `names` are further ones that are allowed. */
export function checkGet(options: GetOptions, names: readonly string[] = []): void {
  checkCall(options, names.length === 0 ? GET_NAMES : [...GET_NAMES, ...names]);
  const { range, firstD } = options;
  if (range !== undefined) checkRange(range);
  if (firstD !== undefined && firstD !== "hedge" && firstD !== "all")
    throw invalid('firstD must be "hedge" or "all"');
}

/** Options of getOrSet: those of both, without a range. */
export function checkGetOrSet(options: PutOptions & GetOptions): void {
  checkPut(options, GET_NAMES);
  checkGet(options, PUT_NAMES);
  if (options.range !== undefined) throw invalid("getOrSet reads whole objects; it takes no range");
}

/** Options of getMany. */
export function checkGetMany(options: GetOptions & ManyOptions): void {
  checkGet(options, MANY_NAMES);
  checkAtOnce(options);
}

/** Options of putMany. */
export function checkPutMany(options: PutOptions & ManyOptions): void {
  checkPut(options, MANY_NAMES);
  if (options.length !== undefined || options.lease !== undefined)
    throw invalid("length and lease belong to one object: name them there");
  checkAtOnce(options);
}

/** The keys or objects of one call. */
export function checkMany(name: string, many: unknown): void {
  if (!Array.isArray(many)) throw invalid(`${name} must be an array, not ${describe(many)}`);
  if (many.length <= MANY_MAX) return;
  throw new CacheError("ICACHE_TOO_LARGE", `one call takes ${MANY_MAX} ${name} at most`);
}

/** What stands beside key and body of one of many objects; returned as the options of a PUT. */
export function checkNewObject(object: NewObject): PutOptions {
  if (typeof object !== "object" || object === null)
    throw invalid(`an object to put is { key, body, ... }, not ${describe(object)}`);
  const { key: _key, body: _body, ...options } = object;
  checkNames(
    options,
    PUT_NAMES.filter((name) => !CALL_NAMES.includes(name)),
  );
  return options;
}

/** Options of a near cache. */
export function checkNear(near: NearOptions): void {
  if (typeof near !== "object" || near === null)
    throw invalid(`near is { bytes, objectBytes?, writeOnce? }, not ${describe(near)}`);
  checkNames(near, ["bytes", "objectBytes", "writeOnce"]);
  checkWhole("near.bytes", near.bytes, 1, Number.MAX_SAFE_INTEGER);
  if (near.objectBytes !== undefined)
    checkWhole("near.objectBytes", near.objectBytes, 0, near.bytes);
  const prefixes: unknown = near.writeOnce ?? [];
  if (!Array.isArray(prefixes) || prefixes.length > WRITE_ONCE_MAX)
    throw invalid(`near.writeOnce is an array of ${WRITE_ONCE_MAX} prefixes at most`);
  for (const prefix of prefixes) {
    if (typeof prefix !== "string") throw invalid("near.writeOnce is an array of prefixes");
    checkPrefix("near.writeOnce", prefix);
  }
}

/** Options of a listing. */
export function checkList(options: CallOptions): void {
  checkCall(options, ["prefix", "after"]);
}

function checkAtOnce({ atOnce }: ManyOptions): void {
  if (atOnce !== undefined) checkWhole("atOnce", atOnce, 1, MANY_AT_ONCE_MAX);
}

function checkLength(length: number): void {
  checkWhole("length", length, 0, Number.MAX_SAFE_INTEGER);
  if (length <= OBJECT_BYTES_MAX) return;
  throw new CacheError("ICACHE_TOO_LARGE", `an object may have ${OBJECT_BYTES_MAX} bytes at most`);
}

function checkCode(code: CodeSpec): void {
  const isShaped = typeof code === "object" && code !== null;
  const fault = isShaped ? codeFault(code) : "code must be { dataChunks, parityChunks }";
  if (fault !== null) throw invalid(fault);
}

function checkRange(range: ByteRange): void {
  if (typeof range !== "object" || range === null) throw invalid("range must be { start, end? }");
  checkNames(range, ["start", "end"]);
  checkWhole("range.start", range.start, 0, Number.MAX_SAFE_INTEGER);
  if (range.end !== undefined)
    checkWhole(
      "range.end (which is not read any more)",
      range.end,
      range.start,
      Number.MAX_SAFE_INTEGER,
    );
}

function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  if (typeof metadata !== "object" || metadata === null)
    throw invalid("metadata must be an object of strings");
  const pairs = Object.entries(metadata);
  if (pairs.length > METADATA_PAIRS_MAX)
    throw new CacheError(
      "ICACHE_TOO_LARGE",
      `metadata may have ${METADATA_PAIRS_MAX} pairs at most; these are ${pairs.length}`,
    );
  let bytes = 0;
  for (const [name, value] of pairs) {
    if (typeof value !== "string")
      throw invalid(`metadata "${name}" must be a string, not ${describe(value)}`);
    if (name.length === 0 || !name.isWellFormed() || !value.isWellFormed())
      throw invalid("metadata names must not be empty, and all must be well-formed Unicode");
    const nameBytes = encoder.encode(name).length;
    if (nameBytes > KEY_BYTES_MAX)
      throw new CacheError(
        "ICACHE_TOO_LARGE",
        `a metadata name may have ${KEY_BYTES_MAX} bytes at most`,
      );
    bytes += nameBytes + encoder.encode(value).length;
  }
  if (bytes > METADATA_BYTES_MAX)
    throw new CacheError(
      "ICACHE_TOO_LARGE",
      `metadata may have ${METADATA_BYTES_MAX} bytes at most, names and values together; these are ${bytes}`,
    );
}

function checkWhole(name: string, value: unknown, min: number, max: number): void {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max)
    return;
  throw invalid(`${name} must be a whole number from ${min} to ${max}, not ${describe(value)}`);
}

function checkNames(
  options: unknown,
  allowed: readonly string[],
  more: readonly string[] = [],
): void {
  if (typeof options !== "object" || options === null)
    throw invalid(`options must be an object, not ${describe(options)}`);
  for (const name of Object.keys(options)) {
    if (allowed.includes(name) || more.includes(name)) continue;
    const names = [...new Set([...allowed, ...more])].join(", ");
    throw invalid(`unknown option "${name}"; there are ${names}`);
  }
}

function checkNamed<Value>(name: string, check: () => Value): Value {
  try {
    return check();
  } catch (error) {
    throw error instanceof CacheError
      ? new CacheError(error.code, `${name}: ${error.message}`)
      : error;
  }
}

function describe(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "number" || typeof value === "string"
    ? JSON.stringify(value)
    : typeof value;
}
