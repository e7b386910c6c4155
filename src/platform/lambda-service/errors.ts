// The error answers of the Lambda API: status, `X-Amzn-ErrorType` and the documented body fields.
// Function errors are not errors of the API and are not here.

/** An answer other than success; thrown inside the service and written at its HTTP edge. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly status: number;
  readonly type: string;
  /** The JSON body: the service's model spells `message` and `Message` differently by error. */
  readonly body: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    type: string,
    body: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(body["Message"] ?? body["message"] ?? type);
    this.status = status;
    this.type = type;
    this.body = body;
    this.headers = headers;
  }
}

/** Why an invocation was throttled, as in the field `Reason`. */
export type ThrottleReason =
  | "ConcurrentInvocationLimitExceeded"
  | "ReservedFunctionConcurrentInvocationLimitExceeded"
  | "FunctionInvocationRateLimitExceeded"
  | "ReservedFunctionInvocationRateLimitExceeded"
  | "CallerRateLimitExceeded";

/** 404: no such function or qualifier. */
export function resourceNotFound(arn: string): ServiceError {
  return new ServiceError(404, "ResourceNotFoundException", {
    Type: "User",
    Message: `Function not found: ${arn}`,
  });
}

/** 409: it exists already. */
export function resourceConflict(message: string): ServiceError {
  return new ServiceError(409, "ResourceConflictException", { Type: "User", message });
}

/** 400: a parameter is out of its range. */
export function invalidParameter(message: string): ServiceError {
  return new ServiceError(400, "InvalidParameterValueException", { Type: "User", message });
}

/** 400: the payload or the request cannot be read. */
export function invalidRequestContent(message: string): ServiceError {
  return new ServiceError(400, "InvalidRequestContentException", { Type: "User", message });
}

/** 413: the payload is above the limit of its invocation type. */
export function requestTooLarge(bytes: number, kind: string, limit: number): ServiceError {
  return new ServiceError(413, "RequestTooLargeException", {
    Type: "User",
    message: `${bytes} byte payload is too large for the ${kind} invocation type (limit ${limit} bytes)`,
  });
}

/** 429: one of the limits on concurrency or rate. */
export function tooManyRequests(reason: ThrottleReason, retryAfterS = 1): ServiceError {
  return new ServiceError(
    429,
    "TooManyRequestsException",
    { Reason: reason, Type: "User", message: "Rate Exceeded." },
    { "Retry-After": String(retryAfterS) },
  );
}

/** 400: the function stands too often in the chain that led here. */
export function recursiveInvocation(): ServiceError {
  return new ServiceError(400, "RecursiveInvocationException", {
    Type: "User",
    Message:
      "AWS Lambda detected a recursive loop in this chain of invocations and stopped it (local service).",
  });
}

/** 403: the request is not signed as the configuration demands. */
export function accessDenied(type: string, message: string): ServiceError {
  return new ServiceError(403, type, { Message: message });
}

/** 404 for a path that this service does not have. */
export function unknownOperation(method: string, path: string): ServiceError {
  return new ServiceError(404, "UnknownOperationException", {
    Type: "User",
    Message: `The local Lambda service does not implement ${method} ${path}`,
  });
}

/** 500 or 502 of the service itself, among them faults injected on purpose. */
export function serviceFailure(message: string): ServiceError {
  return new ServiceError(500, "ServiceException", { Type: "Service", Message: message });
}
