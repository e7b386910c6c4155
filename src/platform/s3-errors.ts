// What the SDK's errors for S3 mean. It reads them by their shape, and tells their codes only: texts and causes of a
// service that was asked with a wrong signature repeat parts of the credentials.

import { CacheError } from "../core/errors.ts";
import { originError } from "../origin/bodies.ts";

const ABSENT = new Set(["NoSuchKey", "NotFound"]);
const TOO_LARGE = new Set(["EntityTooLarge", "KeyTooLongError", "MetadataTooLarge"]);

/** Whether S3 said that there is no such object; a bucket that is absent is a failure. */
export function isS3Absent(error: unknown): boolean {
  return statusOf(error) === 404 && ABSENT.has(nameOf(error));
}

/** Whether a conditional write, or the end of an upload, was refused because something has come before. */
export function isS3Overtaken(error: unknown): boolean {
  const names = ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload"];
  return names.includes(nameOf(error));
}

/** The error for callers. */
export function s3Error(error: unknown, doing: string): CacheError {
  if (error instanceof CacheError) return error;
  const status = statusOf(error);
  if (status === null) return originError(`${doing} failed at S3: ${codeOf(error)}`);
  const text = `${doing} was answered ${nameOf(error)} (${status}) by S3`;
  return TOO_LARGE.has(nameOf(error))
    ? new CacheError("ICACHE_TOO_LARGE", text)
    : originError(text);
}

function nameOf(error: unknown): string {
  const name = error instanceof Error ? error.name : "Unknown";
  return /^[A-Za-z0-9.]{1,64}$/.test(name) ? name : "Unknown";
}

/** `ECONNREFUSED` and the like say more than the name. */
function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^[A-Z0-9_]{1,64}$/.test(code) ? code : nameOf(error);
}

/** Null: no answer. */
function statusOf(error: unknown): number | null {
  if (!(error instanceof Error) || !("$metadata" in error)) return null;
  const metadata = error.$metadata;
  if (typeof metadata !== "object" || metadata === null) return null;
  const status = "httpStatusCode" in metadata ? metadata.httpStatusCode : null;
  return typeof status === "number" ? status : null;
}
