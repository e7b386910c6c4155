// The shape of a SigV4 signature. Nothing is verified: the service knows no secrets, it only shows a
// caller who forgot to sign what AWS would answer.

import { accessDenied, type ServiceError } from "./errors.ts";

const AUTHORIZATION = new RegExp(
  "^AWS4-HMAC-SHA256 Credential=[^/,\\s]+/\\d{8}/[a-z0-9-]+/lambda/aws4_request, ?" +
    "SignedHeaders=[a-z0-9;-]+, ?Signature=[0-9a-f]{64}$",
);

/** What is wrong with the headers of a request, or null. */
export function findSignatureProblem(
  authorization: string | undefined,
  amzDate: string | undefined,
): ServiceError | null {
  if (authorization === undefined) {
    return accessDenied("MissingAuthenticationTokenException", "Missing Authentication Token");
  }
  if (!AUTHORIZATION.test(authorization)) {
    return accessDenied(
      "IncompleteSignatureException",
      "Authorization header requires Credential, SignedHeaders and Signature of AWS4-HMAC-SHA256.",
    );
  }
  if (amzDate === undefined || !/^\d{8}T\d{6}Z$/.test(amzDate)) {
    return accessDenied(
      "IncompleteSignatureException",
      "Authorization header requires X-Amz-Date.",
    );
  }
  return null;
}
