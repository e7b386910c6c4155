// What a failed Invoke request proves: that the function was not started, or nothing at all. Pure; it
// reads the SDK's errors by their shape, so that it needs neither the SDK nor a network.

import type { InvokeOutcome } from "../core/ports.ts";

/** Codes of failures before a request could leave: nobody has seen it. */
const NOT_SENT_CODES = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
]);

/** Names of failures before a request could leave. */
const NOT_SENT_NAMES = new Set(["CredentialsProviderError", "TokenProviderError"]);

/** Answers of 5xx that AWS documents as failures to prepare an environment: nothing ran. */
const NOT_STARTED_5XX = new Set([
  "EC2AccessDeniedException",
  "EC2ThrottledException",
  "EC2UnexpectedException",
  "EFSIOException",
  "ENILimitReachedException",
  "InvalidSecurityGroupIDException",
  "InvalidSubnetIDException",
  "InvalidZipFileException",
  "KMSAccessDeniedException",
  "KMSDisabledException",
  "KMSInvalidStateException",
  "KMSNotFoundException",
  "SubnetIPAddressLimitReachedException",
]);

/** Says what an error thrown by the SDK's `send` means for the invocation. */
export function classifyFailure(error: unknown): InvokeOutcome {
  if (!(error instanceof Error)) return { kind: "unknown", message: String(error) };
  const { name, message } = error;
  const status = statusOf(error);
  const reason = `${name}: ${message}`;
  if (status === 429 || name === "EC2ThrottledException") {
    return { kind: "notStarted", reason, isThrottle: true, retryAfterMs: retryAfterMs(error) };
  }
  const isRefused = status !== null && status >= 400 && status < 500;
  // The SDK names both of its time-outs TimeoutError; only this one comes before the request.
  const isUnconnected =
    name === "TimeoutError" && message.includes("did not establish a connection");
  const isUnsent = isUnconnected || NOT_SENT_NAMES.has(name) || NOT_SENT_CODES.has(codeOf(error));
  if (isRefused || isUnsent || NOT_STARTED_5XX.has(name)) {
    return { kind: "notStarted", reason, isThrottle: false, retryAfterMs: null };
  }
  return { kind: "unknown", message: reason };
}

function statusOf(error: Error): number | null {
  const metadata = "$metadata" in error ? error.$metadata : null;
  if (typeof metadata !== "object" || metadata === null) return null;
  const status = "httpStatusCode" in metadata ? metadata.httpStatusCode : null;
  return typeof status === "number" ? status : null;
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

function retryAfterMs(error: Error): number | null {
  const seconds = "retryAfterSeconds" in error ? Number(error.retryAfterSeconds) : Number.NaN;
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
}
