// Makes AWS SDK clients for Lambda, on AWS or on the local service. The SDK is loaded on first use: it
// is large, and who only talks to a proxy never needs it.

import type { LambdaClient } from "@aws-sdk/client-lambda";

/** Where Lambda is. */
export interface LambdaEndpoint {
  /** Of the local service; absent: AWS in `region`, with the SDK's own credentials. */
  readonly endpoint?: string;
  readonly region?: string;
}

/** Connections and times of a client. */
export interface LambdaClientLimits {
  readonly socketsMax: number;
  /** From sending a request to its whole answer. */
  readonly requestMs: number;
  /** Attempts of the SDK itself, the first included. */
  readonly attemptsMax: number;
}

const CONNECT_MS = 3000;

/** The SDK module, loaded once. */
export function loadLambdaSdk(): Promise<typeof import("@aws-sdk/client-lambda")> {
  return import("@aws-sdk/client-lambda");
}

/** A client; the caller destroys it. */
export async function createLambdaClient(
  where: LambdaEndpoint,
  limits: LambdaClientLimits,
): Promise<LambdaClient> {
  const sdk = await loadLambdaSdk();
  const agent = { keepAlive: true, maxSockets: limits.socketsMax };
  const { endpoint, region } = where;
  // The local service does not look at credentials, and asking the environment for some takes seconds.
  const local = { credentials: { accessKeyId: "local", secretAccessKey: "local" } };
  return new sdk.LambdaClient({
    ...(endpoint === undefined ? {} : { endpoint, region: region ?? "us-east-1", ...local }),
    ...(endpoint === undefined && region !== undefined ? { region } : {}),
    maxAttempts: limits.attemptsMax,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: limits.requestMs,
      // Without this the SDK only logs a warning and goes on waiting.
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  });
}
